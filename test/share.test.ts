// Accounts shared among instances: the rules, and the built function uploaded to a double of Tencent Cloud, which runs each
// instance in a process of its own. Doubles at the network's rim: Tencent Cloud, and an API for each account.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { createSession } from '../lib/local/simulator/simulator.ts'
import type { TickResult } from '../lib/reconcile.ts'
import { accountsOf, shareIn, type Share, type Uninvoked } from '../lib/share.ts'
import { ask, zip } from './cloud/client.ts'
import { type Cloud, openCloud } from './cloud/cloud.ts'
import { eventually } from './support/receiver.ts'
import { openWorld, type World } from './support/world.ts'

describe('an event', () => {
  it.each([[undefined], [null], ['text'], [{}], [{ Type: 'Timer', Message: '{"share":1}' }]])(
    '%j asks for no share',
    (event) => {
      expect(shareIn(event)).toBeUndefined()
    },
  )

  it('asks for a share by its index, from 0', () => {
    expect(shareIn({ share: { index: 3, of: 4 } })).toEqual({ index: 3, of: 4 })
  })

  it.each([
    { index: 4, of: 4 },
    { index: -1, of: 4 },
    { index: 0.5, of: 4 },
    { index: 0, of: 0 },
    { index: '0', of: 4 },
    { index: 0 },
    4,
    null,
  ])('that asks for the share %j is refused', (share) => {
    expect(() => shareIn({ share })).toThrow(/\{"share":\{"index":1,"of":4\}\}/)
  })
})

it('each account is in exactly one share, and no share has two more than another', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string()), fc.integer({ min: 1, max: 100 }), (accounts, of) => {
      const shares = Array.from({ length: of }, (_, index) => accountsOf(accounts, { index, of }))

      expect(shares.flat().sort()).toEqual([...accounts].sort())
      const sizes = shares.map(({ length }) => length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }),
  )
})

describe('a function whose accounts are shared among four instances', () => {
  const NAME = 'rollcall-reconcile'
  const ACCOUNTS = Array.from({ length: 10 }, (_, index) => `account${index}`)
  let world: World
  let cloud: Cloud

  beforeEach(async () => {
    world = await openWorld()
    cloud = await openCloud({ busyMs: 5 })
    const list = []
    for (const name of ACCOUNTS) {
      const { account, simulator } = await world.simulate(name)
      createSession(simulator, { userId: 'abc', projectId: 'p' })
      list.push({ name, ...account.api })
    }
    const environment = {
      DATABASE_URL: world.url,
      IVH_ACCOUNTS: JSON.stringify(list),
      RECONCILE_SHARES: '4',
      TENCENT_API_URL: cloud.url,
    }
    const code = readFileSync(join(import.meta.dirname, '../dist/functions/reconcile.js'), 'utf8')
    await ask(cloud, 'CreateFunction', {
      FunctionName: NAME,
      Runtime: 'Nodejs18.15',
      Handler: 'index.main_handler',
      Timeout: 30,
      Role: 'runs',
      Code: { ZipFile: zip({ 'index.js': code }) },
      Environment: { Variables: Object.entries(environment).map(([Key, Value]) => ({ Key, Value })) },
    })
    await eventually('the function is there', async () => {
      return (await ask(cloud, 'GetFunction', { FunctionName: NAME })).Status === 'Active'
    })
    await ask(cloud, 'PutReservedConcurrencyConfig', { FunctionName: NAME, ReservedConcurrencyMem: 4 * 128 })
  })
  afterEach(async () => {
    await cloud.close()
    await world.close()
  })

  /** Invokes the function as a timer does, or for a share, and waits for all that it invokes; gives what each invocation gave. */
  async function invoke(event: object = { Type: 'Timer' }) {
    const before = cloud.invocations.length
    await ask(cloud, 'Invoke', { FunctionName: NAME, ClientContext: JSON.stringify(event) })
    await cloud.idle()
    return cloud.invocations.slice(before).map(({ event: its, result, error }) => {
      expect(error).toBe('')
      const { accounts, uninvoked } = result as { accounts: TickResult[]; uninvoked: Uninvoked[] }
      return { share: (its as { share?: Share }).share, accounts, uninvoked }
    })
  }
  const outcomes = (invocations: { accounts: TickResult[] }[]) =>
    invocations.flatMap(({ accounts }) => accounts.map(({ account, outcome }) => `${account} ${outcome}`)).sort()
  const stored = () =>
    world.db
      .selectFrom('event')
      .innerJoin('account', 'account.id', 'event.account_id')
      .select(['name', 'event.position'])
      .orderBy('name')
      .execute()

  test('reconciles each account once; a share that comes again changes nothing', async () => {
    const shared = await invoke()
    const events = await stored()
    const again = await invoke({ share: { index: 2, of: 4 } })
    const next = await invoke()

    expect(new Set(shared.map(({ share }) => share?.index))).toEqual(new Set([undefined, 1, 2, 3]))
    expect(outcomes(shared)).toEqual(ACCOUNTS.map((name) => `${name} committed`))
    expect(events).toEqual(ACCOUNTS.map((name) => ({ name, position: 1 })))
    expect(outcomes(again)).toEqual(['account2 unchanged', 'account6 unchanged'])
    expect(outcomes(next)).toEqual(ACCOUNTS.map((name) => `${name} unchanged`))
    expect(await stored()).toEqual(events)
  })

  test('tells of the shares that it could not invoke itself for, which the next timer makes up for', async () => {
    const { role } = cloud.policy
    cloud.policy.role = []
    const [alone, ...others] = await invoke()
    cloud.policy.role = role
    const next = await invoke()

    expect(others).toEqual([])
    expect(outcomes(alone ? [alone] : [])).toEqual(['account0 committed', 'account4 committed', 'account8 committed'])
    expect(alone?.uninvoked.map(({ index, of }) => `${index} of ${of}`)).toEqual(['1 of 4', '2 of 4', '3 of 4'])
    expect(alone?.uninvoked[0]?.reason).toMatch(/^invoke_failed: .*UnauthorizedOperation/)
    expect(outcomes(next).filter((one) => one.endsWith(' committed'))).toHaveLength(7)
    expect(await stored()).toEqual(ACCOUNTS.map((name) => ({ name, position: 1 })))
  })

  test('refuses an event that asks for no share there is', async () => {
    await ask(cloud, 'Invoke', { FunctionName: NAME, ClientContext: '{"share":{"index":4,"of":4}}' })

    expect(cloud.invocations.map(({ error }) => error)).toEqual([
      expect.stringContaining('the event asks for no share'),
    ])
    expect(await stored()).toEqual([])
  })
})
