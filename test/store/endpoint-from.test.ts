// What a new endpoint begins with, while ticks commit: a real Postgres, real receivers on loopback. Tencent's API is the simulator.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { sql } from 'kysely'
import { drain } from '../../lib/deliver.ts'
import { advance, closeSession, createSession, liveAt, startSession } from '../../lib/local/simulator/simulator.ts'
import { tick, type TickResult } from '../../lib/reconcile.ts'
import { ensureAccount } from '../../lib/store/account.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import type { From } from '../../lib/store/event.ts'
import { eventually, openReceiver, type Receiver } from '../support/receiver.ts'
import { seed } from '../support/seed.ts'
import { loopbackPoster, openWorld, type SimulatedAccount, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const url = 'http://127.0.0.1:9/'
const add = async (from: From, settings: { events?: string[]; account?: string } = {}) =>
  (await addEndpoint(world.db, { url, events: ['*'], from, ...settings })).id
const pending = async (endpoint: string) =>
  (
    await world.db.selectFrom('delivery').select('event_id').where('endpoint_id', '=', endpoint).orderBy('id').execute()
  ).map((row) => row.event_id.replace('evt_', ''))
const isWaiting = async () =>
  (
    await sql`select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(world.db)
  ).rows.length > 0

describe('an endpoint that is added', () => {
  // Sessions m1 and m2 with events 1 … 6; m1 has ended.
  beforeEach(async () => {
    await seed(world.db, { sessions: 2, perSession: 3, account: 'one' })
    await seed(world.db, { sessions: 1, account: 'two' })
    await sql`update session set status = 2, ended_at = now(), end_reason = 'reported' where session_id = 'm1'
      and account_id = (select id from account where name = 'one')`.execute(world.db)
  })

  test.each<[string, From, { events?: string[]; account?: string }, string[]]>([
    ['from now begins with nothing', 'now', {}, []],
    [
      'from the start begins with everything',
      'start',
      {},
      ['1', '2', '3', '4', '5', '6'].map((n) => `one_${n}`).concat('two_1'),
    ],
    [
      'with the snapshot begins with all of the sessions that live',
      'snapshot',
      {},
      ['one_2', 'one_4', 'one_6', 'two_1'],
    ],
    ['from the start for an account has that one alone', 'start', { account: 'two' }, ['two_1']],
    [
      'with the snapshot for an account has that one alone',
      'snapshot',
      { account: 'one' },
      ['one_2', 'one_4', 'one_6'],
    ],
    ['for an account that is not there yet begins with nothing', 'start', { account: 'three' }, []],
    ['from the start for some types has only those', 'start', { events: ['session.ready'] }, ['one_3', 'one_4']],
    ['with the snapshot for some types has only those', 'snapshot', { events: ['session.ready'] }, ['one_4']],
    ['from the start for operator events begins with nothing', 'start', { events: ['tick.stalled'] }, []],
    [
      'from the start with `*` and operator types has all of sessions',
      'start',
      { events: ['*', 'tick.stalled'], account: 'two' },
      ['two_1'],
    ],
  ])('%s', async (_, from, settings, events) => {
    const id = await add(from, settings)

    expect(await pending(id)).toEqual(events)
  })

  test.each<From>(['start', 'snapshot'])('from %s leaves nothing behind when it fails in the middle', async (from) => {
    await sql
      .raw(
        `create function broken() returns trigger language plpgsql as $$ begin raise exception 'crash'; end $$;
         create trigger broken before insert on endpoint_secret for each row execute function broken()`,
      )
      .execute(world.db)

    await expect(add(from)).rejects.toThrow('crash')

    expect(await world.db.selectFrom('endpoint').select('id').execute()).toEqual([])
    expect(await world.db.selectFrom('delivery').select('id').execute()).toEqual([])
  })
})

test.each<From>(['start', 'snapshot'])(
  'what is added from %s takes the ticks of its accounts for busy, which lose nothing',
  async (from) => {
    const api = await world.simulate('default')
    createSession(api.simulator, { userId: 'a', projectId: 'p' })
    await tick(world.db, api.account)
    const { id: account } = await ensureAccount(world.db, 'default')
    createSession(api.simulator, { userId: 'b', projectId: 'p' })
    let adding: Promise<string> | undefined
    let ticking: Promise<TickResult> | undefined
    // Somebody keeps the endpoints, so that the new one waits with the account locked.
    await world.db.transaction().execute(async (tx) => {
      await sql`lock table endpoint in exclusive mode`.execute(tx)
      adding = add(from, { account: 'default' })
      await eventually('the new one waits', isWaiting)
      ticking = tick(world.other, api.account)
      await ticking
    })
    const id = (await adding) ?? ''

    const later = await tick(world.db, api.account)

    expect(await ticking).toMatchObject({ outcome: 'skipped', reason: 'busy' })
    expect(later).toMatchObject({ outcome: 'committed', deliveries: 1 })
    expect(await pending(id)).toHaveLength(2)
    expect(account).toBeGreaterThan(0)
  },
)

test('what is added from the start misses nothing of an account that is born meanwhile', async () => {
  const born = await world.simulate('born')
  const { id: old } = await ensureAccount(world.db, 'old')
  createSession(born.simulator, { userId: 'a', projectId: 'p' })
  let adding: Promise<string> | undefined
  let ticking: Promise<TickResult> | undefined
  // The one account there is is locked, so that the new endpoint waits for it.
  await world.db.transaction().execute(async (tx) => {
    await sql`select from account where id = ${old} for update`.execute(tx)
    adding = add('start')
    await eventually('the new one waits', isWaiting)
    ticking = tick(world.other, born.account)
    // It is through, or waits too.
    await Promise.race([
      ticking,
      eventually('both wait', async () => {
        const { rows } = await sql`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`.execute(world.db)
        return rows.length > 1
      }),
    ])
  })
  const id = (await adding) ?? ''
  await ticking
  await tick(world.db, born.account)

  expect(await pending(id)).toHaveLength(1)
})

/** What a subscriber knows of sessions that live, after all it received. */
function fold(receiver: Receiver): Map<string, boolean> {
  const live = new Map<string, boolean>()
  for (const { event } of receiver.received) {
    const name = `${event.data.account} ${event.subject}`
    if (event.type === 'session.closed' || event.type === 'session.failed') live.delete(name)
    else live.set(name, event.data.session.started)
  }
  return live
}

test('whenever it is added while ticks commit, what a subscriber folds is what lives, with no event missing or doubled', async () => {
  const poster = loopbackPoster()
  const names = ['one', 'two']
  const step = fc.record({
    act: fc.array(fc.record({ kind: fc.constantFrom('create', 'create', 'start', 'close'), user: fc.nat(3) }), {
      maxLength: 4,
    }),
    add: fc.option(fc.record({ from: fc.constantFrom<From>('start', 'snapshot'), only: fc.boolean() }), { nil: null }),
  })
  let round = 0

  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 8 }), async (steps) => {
      round += 1
      await sql`truncate account, endpoint cascade`.execute(world.db)
      const apis: SimulatedAccount[] = []
      for (const [index, name] of names.entries()) {
        apis.push(await world.simulate(`${name}-${round}`, { cachedShare: 0.5 }, round * 10 + index))
      }
      const subscribers: { receiver: Receiver; from: From; account: string | null }[] = []
      const addOne = async (from: From, account: string | null) => {
        const receiver = await openReceiver()
        subscribers.push({ receiver, from, account })
        const { secret } = await addEndpoint(world.other, { url: receiver.url, events: ['*'], account, from })
        receiver.secrets.push(secret)
      }
      for (const { act, add: adding } of steps) {
        for (const { simulator, clock } of apis) {
          clock.now += 15_000
          for (const { kind, user } of act) {
            const userId = `user-${user}`
            const session = [...simulator.sessions.values()].find((one) => one.userId === userId && one.status !== 2)
            if (kind === 'create') createSession(simulator, { userId, projectId: 'p' })
            else if (session && kind === 'start') startSession(simulator, session.id)
            else if (session) closeSession(simulator, session.id)
          }
        }
        await Promise.all([
          ...apis.map(({ account }) => tick(world.db, account)),
          adding && addOne(adding.from, adding.only ? (apis[0]?.account.name ?? null) : null),
        ])
      }
      // A tick may have been skipped for one that was being added.
      for (const { account } of apis) await tick(world.db, account)
      await drain(world.db, poster, { timeMs: 20_000 })
      for (const { receiver } of subscribers) await receiver.close()

      for (const { receiver, from, account } of subscribers) {
        const ours = apis.filter((api) => account === null || api.account.name === account)
        const live = new Map<string, boolean>()
        for (const {
          account: { name },
          simulator,
          clock,
        } of ours) {
          advance(simulator)
          for (const one of liveAt(simulator, clock.now)) live.set(`${name} ${one.sessionId}`, one.started)
        }
        expect(fold(receiver)).toEqual(live)
        const ids = receiver.received.map(({ id }) => id)
        expect(new Set(ids).size).toBe(ids.length)
        expect(receiver.unverified).toBe(0)
        if (from !== 'start') continue
        for (const {
          account: { name },
        } of ours) {
          const own = receiver.received.filter(({ event }) => event.data.account === name)
          const { position } = await world.db
            .selectFrom('account')
            .select('position')
            .where('name', '=', name)
            .executeTakeFirstOrThrow()
          expect(own.map(({ event }) => Number(event.sequence)).sort((a, b) => a - b)).toEqual(
            Array.from({ length: position }, (_, index) => index + 1),
          )
        }
      }
    }),
    { numRuns: 12 },
  )
})
