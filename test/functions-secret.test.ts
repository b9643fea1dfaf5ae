// The built bundles with settings that name secrets, as instances that stay warm; on the Nodes of SCF's runtimes.
// Doubles at the network's rim: the simulator, and Tencent Cloud's API (test/support/tencent-api.ts), which checks signatures.
import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSession, startSession } from '../lib/local/simulator/simulator.ts'
import { invokeBundle, startInstance, type WarmInstance } from './support/bundle.ts'
import { NODES } from './support/nodes.ts'
import {
  type Answer,
  holding,
  refuse,
  role,
  secretsAsked,
  serveTencent,
  type TencentApi,
} from './support/tencent-api.ts'
import { openWorld, type SimulatedAccount, type World } from './support/world.ts'

const FIRST_PASSWORD = 'hush-first-password'
const SECOND_PASSWORD = 'hush-second-password'

let world: World
let account: SimulatedAccount
let tencent: TencentApi
let secrets: Record<string, string>
/** What the API does before it does what it should. */
const faults: Answer[] = []
/** Who the functions are in Postgres. */
let user: string
const instances: WarmInstance[] = []

beforeEach(async () => {
  world = await openWorld()
  account = await world.simulate('default', { cachedShare: 1 })
  user = `rotated_${randomBytes(4).toString('hex')}`
  await sql`create role ${sql.id(user)} login superuser password ${sql.lit(FIRST_PASSWORD)}`.execute(world.db)
  secrets = {
    'rollcall-db': databaseUrl(FIRST_PASSWORD),
    'rollcall-token': account.account.api.accessToken,
    'rollcall-key': '0123456789abcdef'.repeat(4),
  }
  const working = holding(secrets)
  tencent = await serveTencent((response, call) => (faults.shift() ?? working)(response, call))
})
afterEach(async () => {
  for (const instance of instances.splice(0)) await instance.stop()
  tencent.close()
  await sql`drop role ${sql.id(user)}`.execute(world.db)
  await world.close()
})

function databaseUrl(password: string): string {
  const url = new URL(world.url)
  url.username = user
  url.password = password
  return url.href
}

const environment = () => ({
  ...account.env,
  ...role,
  TENCENT_API_URL: tencent.url,
  DATABASE_URL: 'ssm:rollcall-db',
  IVH_ACCESS_TOKEN: 'ssm:rollcall-token',
  SECRET_KEY: 'ssm:rollcall-key',
})

function start(name: string, env: Record<string, string>, node?: string): WarmInstance {
  const instance = startInstance(name, env, node)
  instances.push(instance)
  return instance
}

/** Changes the password in Postgres, and ends all connections but so many. */
async function changePassword(connectionsLeft = 0): Promise<void> {
  await sql`alter role ${sql.id(user)} password ${sql.lit(SECOND_PASSWORD)}`.execute(world.db)
  await sql`select pg_terminate_backend(pid, 5000)
    from (select pid from pg_stat_activity where usename = ${user} offset ${connectionsLeft}) as others`.execute(
    world.db,
  )
}

function expectNoSecret(...texts: (string | undefined)[]): void {
  const hidden = [...Object.values(secrets), 'hush', role.TENCENTCLOUD_SECRETID]
  for (const text of texts) for (const one of hidden) expect(text ?? '').not.toContain(one)
}

describe.each(NODES)('on %s', (_, path) => {
  test('migrate, reconcile and webhook work with secrets from an API that throttles and hangs up, and each asks only for its own', async () => {
    const node = await path()
    const receiver = await world.subscribe({ events: ['session.started'] })
    const created = createSession(account.simulator, { userId: 'abc', projectId: 'p' })
    startSession(account.simulator, 'ok' in created ? created.ok.id : '')
    const asked: string[][] = []
    const invoke = async (name: string) => {
      const before = secretsAsked(tencent).length
      const invocation = await invokeBundle(name, environment(), { node })
      asked.push([...new Set(secretsAsked(tencent).slice(before))].sort())
      return invocation
    }

    faults.push((response) => refuse(response, 'RequestLimitExceeded'))
    const migrated = await invoke('migrate')
    faults.push((response) => response.destroy())
    const reconciled = await invoke('reconcile')
    const drained = await invoke('webhook')

    expect(migrated.result).toEqual({ applied: [] })
    expect(reconciled.result).toMatchObject({ accounts: [{ outcome: 'committed', listed: 1, events: 3 }] })
    expect(drained.result).toMatchObject({ delivered: 1 })
    expect(receiver.received.map(({ event }) => event.type)).toEqual(['session.started'])
    expect(faults).toEqual([])
    expect(asked).toEqual([['rollcall-db'], ['rollcall-db', 'rollcall-token'], ['rollcall-db', 'rollcall-key']])
    expectNoSecret(...[migrated, reconciled, drained].map(({ log }) => log))
  }, 120_000)

  test.each([
    ['reconcile', /^no_account_reconciled: .*database_unreachable: Postgres refused the connection \(28P01\)/],
    ['webhook', /^database_unreachable: Postgres refused the connection \(28P01\)/],
  ])(
    'a warm %s fails while the secret has the old password of the database, and not longer',
    async (name, refusal) => {
      const instance = start(name, environment(), await path())
      const before = await instance.invoke()
      await changePassword()
      // It may not have noticed yet that its connections are gone.
      const first = await instance.invoke()
      const second = await instance.invoke()
      secrets['rollcall-db'] = databaseUrl(SECOND_PASSWORD)
      const after = [await instance.invoke(), await instance.invoke()]

      expect([before, ...after].map(({ thrown }) => thrown)).toEqual([undefined, undefined, undefined])
      expect(first.thrown).toContain('database_unreachable: ')
      expect(second.thrown).toMatch(refusal)
      expect(secretsAsked(tencent).filter((secret) => secret === 'rollcall-db')).toHaveLength(3)
      expectNoSecret(first.thrown, second.thrown, instance.log())
    },
    120_000,
  )
})

test('two invocations at a cold start read each secret once', async () => {
  const instance = start('reconcile', environment())

  const both = await Promise.all([instance.invoke(), instance.invoke()])

  expect(both.map(({ thrown }) => thrown)).toEqual([undefined, undefined])
  expect(secretsAsked(tencent).sort()).toEqual(['rollcall-db', 'rollcall-token'])
})

test('an instance that could not start tries again at the next invocation', async () => {
  const instance = start('webhook', environment())
  const content = secrets['rollcall-db'] ?? ''
  delete secrets['rollcall-db']

  const first = await instance.invoke()
  secrets['rollcall-db'] = content
  const second = await instance.invoke()

  expect(first.thrown).toMatch(
    /^secret_unreadable: DATABASE_URL \(secret rollcall-db\) could not be read: ResourceNotFound: check the name/,
  )
  expect(second).toMatchObject({ result: { claimed: 0 } })
  expectNoSecret(first.thrown, instance.log())
})

test('accounts that get no connection, beside one that has its own, are enough to read the secrets again', async () => {
  const { appkey, accessToken, baseUrl } = account.account.api
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  secrets['rollcall-accounts'] = JSON.stringify(names.map((name) => ({ name, appkey, accessToken, baseUrl })))
  const instance = start('reconcile', { ...environment(), IVH_ACCOUNTS: 'ssm:rollcall-accounts' })
  await instance.invoke()
  await changePassword(1)
  secrets['rollcall-db'] = databaseUrl(SECOND_PASSWORD)

  const some = outcomesOf(await instance.invoke())
  const all = outcomesOf(await instance.invoke())

  expect(some).toEqual(expect.arrayContaining(['failed', 'unchanged']))
  expect(all).toEqual(names.map(() => 'unchanged'))
})

const outcomesOf = ({ result }: { result: unknown }) =>
  (result as { accounts: { outcome: string }[] } | undefined)?.accounts.map(({ outcome }) => outcome)

test('the time that secrets took is not there for the tick, which must end before the platform ends it', async () => {
  const answer = holding(secrets)
  const slow = await serveTencent((response, call) => void setTimeout(answer, 1_200, response, call))
  const env = { ...environment(), TENCENT_API_URL: slow.url }

  const { thrown } = await invokeBundle('reconcile', env, { context: { time_limit_in_ms: 2_000 } })
  slow.close()

  expect(thrown).toMatch(/^no_account_reconciled: .*: there was no time left for it$/)
})

test('without a credential nothing is asked, and the settings are named', async () => {
  const env: Record<string, string> = { ...environment() }
  for (const name of Object.keys(role)) delete env[name]

  const { thrown } = await invokeBundle('reconcile', env)

  expect(thrown).toMatch(
    /^config_invalid: DATABASE_URL .*, IVH_ACCESS_TOKEN .* could not be read: there is no Tencent Cloud credential/,
  )
  expect(tencent.calls).toEqual([])
})
