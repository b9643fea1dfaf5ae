// What is removed and what stays, against a real Postgres, and beside whom. Doubles at the network's rim: the simulator and
// receivers on loopback.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Kysely, sql } from 'kysely'
import { drain } from '../../lib/deliver.ts'
import { createSession, type Simulator } from '../../lib/local/simulator/simulator.ts'
import { type Account, tick } from '../../lib/reconcile.ts'
import { ensureAccount } from '../../lib/store/account.ts'
import type { Database } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint } from '../../lib/store/endpoint-state.ts'
import { listEvents } from '../../lib/store/history.ts'
import { announceStalled } from '../../lib/store/operator.ts'
import { replay } from '../../lib/store/replay.ts'
import { findPrunable, pruneDeliveries, pruneEvents, pruneSnapshots, type Stream } from '../../lib/store/retention.ts'
import { eventually } from '../support/receiver.ts'
import { seed } from '../support/seed.ts'
import { loopbackPoster, openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const T = new Date('2026-02-01T00:00:00.000Z')
const after = (ms: number, since = T) => new Date(since.getTime() + ms)
const FUTURE = new Date('2100-01-01T00:00:00Z')

const add = async (account?: string) =>
  (await addEndpoint(world.db, { url: 'http://127.0.0.1:9/', events: ['*'], ...(account && { account }) })).id

/** Makes the delivery of one event final at a moment, after one attempt. */
async function finalize(position: number, at: Date, state: 'delivered' | 'dead' = 'delivered'): Promise<void> {
  await sql`with final as (
      update delivery set state = ${state}, attempts = 1, finalized_at = ${at} where position = ${position} returning id)
    insert into attempt select id, 1, ${at}, 5, 'answered', 204 from final`.execute(world.db)
}

const numbers = async (query: ReturnType<typeof sql>, db = world.db) =>
  (await sql<{ n: number }>`select n from (${query}) as of (n) order by n`.execute(db)).rows.map(({ n }) => n)
const kept = () => numbers(sql`select position from delivery`)
const events = (account = 'default') =>
  numbers(sql`
  select event.position from event join account on account.id = account_id where name = ${account}`)
const accountId = async (name = 'default') => (await ensureAccount(world.db, name)).id

/** The time that seed() gives the event at a position. */
const toldAt = (position: number) => after(position * 1_000, new Date('2026-01-01T00:00:00Z'))
const pruneOf = (stream: Stream, before: Date, limit?: number) =>
  world.other.transaction().execute((tx) => pruneEvents(tx, stream, before, limit))

describe('of deliveries', () => {
  test('those final before the moment go, delivered or dead, with their attempts; one final at it stays', async () => {
    await add()
    await seed(world.db, { sessions: 6 })
    await finalize(1, after(-1))
    await finalize(2, after(-1), 'dead')
    await finalize(3, T)
    await finalize(4, T, 'dead')
    await finalize(5, after(1))

    expect(await pruneDeliveries(world.db, T)).toBe(2)
    expect(await kept()).toEqual([3, 4, 5, 6])
    expect(await numbers(sql`select position from attempt join delivery on id = delivery_id`)).toEqual([3, 4, 5])
  })

  test('one that is pending stays, however old', async () => {
    await add()
    await seed(world.db, { sessions: 1 })
    await sql`update delivery set created_at = ${after(-1)}, due_at = ${after(-1)}`.execute(world.db)

    expect(await pruneDeliveries(world.db, FUTURE)).toBe(0)
    expect(await kept()).toEqual([1])
  })

  test('the oldest go first, so many in a step and no more', async () => {
    await add()
    await seed(world.db, { sessions: 5 })
    for (const position of [1, 2, 3, 4, 5]) await finalize(position, after(-position))

    expect(await pruneDeliveries(world.db, T, 2)).toBe(2)
    expect(await kept()).toEqual([1, 2, 3])
  })

  test('one that is being queued again is passed over, without a wait', async () => {
    await add()
    await seed(world.db, { sessions: 3 })
    for (const position of [1, 2, 3]) await finalize(position, after(-1), 'dead')

    await world.db.transaction().execute(async (tx) => {
      await sql`update delivery set state = 'pending', finalized_at = null where position = 2`.execute(tx)
      expect(await pruneDeliveries(world.other, T)).toBe(2)
    })

    expect(await kept()).toEqual([2])
  })
})

describe('of events', () => {
  beforeEach(() => seed(world.db, { sessions: 6 }))

  test("those told before the moment go, from the lowest position up; one told at it stays, and the reader's floor says so", async () => {
    expect(await pruneOf(await accountId(), toldAt(4))).toBe(3)

    expect(await events()).toEqual([4, 5, 6])
    expect(await listEvents(world.db, { account: 'default', after: 2, limit: 1 })).toMatchObject({
      floor: 3,
      truncated: true,
    })
  })

  test.each(['pending', 'delivered', 'dead'])(
    'one that has a delivery that is %s stays, and all later ones with it: nobody meets a hole',
    async (state) => {
      const endpoint = await add()
      await sql`insert into delivery (endpoint_id, event_id, lane, position, due_at, state, attempts, finalized_at)
        select ${endpoint}, id, 'lane', position, now(), ${state}, 1, case when ${state} <> 'pending' then now() end
        from event where position = 3`.execute(world.db)

      expect(await pruneOf(await accountId(), FUTURE)).toBe(2)
      expect(await events()).toEqual([3, 4, 5, 6])
      expect(await findPrunable(world.db, FUTURE)).toEqual([])
    },
  )

  test('the newest stays, however old: the next one must not be told before it', async () => {
    expect(await pruneOf(await accountId(), FUTURE)).toBe(5)

    expect(await events()).toEqual([6])
    expect(await findPrunable(world.db, FUTURE)).toEqual([])
    expect(await pruneOf(await accountId(), FUTURE)).toBe(0)
  })

  test('so many go in a step, and no more', async () => {
    expect(await pruneOf(await accountId(), FUTURE, 2)).toBe(2)
    expect(await events()).toEqual([3, 4, 5, 6])
  })

  test('one that is being replayed stays, and all later ones with it, without a wait', async () => {
    const endpoint = await add()

    await world.db.transaction().execute(async (tx) => {
      await sql`insert into delivery (endpoint_id, event_id, lane, position, due_at)
        select ${endpoint}, id, 'lane', position, now() from event where position = 3`.execute(tx)
      expect(await pruneOf(await accountId(), FUTURE)).toBe(2)
    })

    expect(await events()).toEqual([3, 4, 5, 6])
  })

  test('a replay of some that are being removed queues the others, and does not fail', async () => {
    const endpoint = await add()
    let replaying: Promise<unknown> | undefined
    await world.db.transaction().execute(async (tx) => {
      expect(await pruneEvents(tx, await accountId(), toldAt(4))).toBe(3)
      replaying = replay(world.other, { endpoint })
      await eventually('the replay waits for a lock', () => isWaiting())
    })

    expect(await replaying).toEqual({ matched: 6, queued: 3 })
    expect(await kept()).toEqual([4, 5, 6])
  })

  test('two prunes at once remove each event once, in order, and neither waits', async () => {
    const id = await accountId()
    await world.db.transaction().execute(async (tx) => {
      expect(await pruneEvents(tx, id, FUTURE, 2)).toBe(2)
      // It could have 3 and 4, but not before 1 and 2 are gone for good.
      expect(await pruneOf(id, FUTURE, 4)).toBe(0)
    })

    expect(await pruneOf(id, FUTURE, 2)).toBe(2)
    expect(await events()).toEqual([5, 6])
  })

  test('those of an account say nothing of those of others, nor of those about Rollcall itself', async () => {
    await seed(world.db, { sessions: 3, account: 'other' })
    const endpoint = await add('nobody')
    for (const reason of ['first', 'second', 'third']) {
      await disableEndpoint(world.db, endpoint, reason)
      await sql`update endpoint set state = 'active'`.execute(world.db)
    }
    // Told in the order of operator events, other, default.
    await sql`update event set occurred_at = ${toldAt(-9)} where account_id is null`.execute(world.db)
    await sql`update event set occurred_at = ${toldAt(0)} where account_id = ${await accountId('other')}`.execute(
      world.db,
    )

    expect(await findPrunable(world.db, FUTURE)).toEqual([null, await accountId('other'), await accountId()])
    expect(await findPrunable(world.db, toldAt(0))).toEqual([null])
    expect(await findPrunable(world.db, after(1, toldAt(0)))).toEqual([null, await accountId('other')])
    expect(await pruneOf(null, FUTURE)).toBe(2)
    expect(await numbers(sql`select position from event where account_id is null`)).toEqual([3])
    expect(await pruneOf(await accountId('other'), FUTURE)).toBe(2)
    expect(await events('other')).toEqual([3])
    expect(await events()).toEqual([1, 2, 3, 4, 5, 6])
  })
})

describe('of ticks', () => {
  /** Ticks so many hours after T. */
  async function ticked(account: string, ...ticks: [hours: number, outcome: 'unchanged' | 'failed'][]): Promise<void> {
    const account_id = await accountId(account)
    const rows = ticks.map(([hours, outcome]) => ({
      account_id,
      listed_at: after(hours * 3_600_000),
      outcome,
      session_count: outcome === 'failed' ? null : 0,
      error: outcome === 'failed' ? 'api_unreachable' : null,
      duration_ms: 1,
    }))
    await world.db.insertInto('snapshot').values(rows).execute()
    await sql`update account set listed_at = (
      select max(listed_at) from snapshot where account_id = account.id and outcome <> 'failed')`.execute(world.db)
  }
  const hours = (account = 'default') =>
    numbers(sql`
    select extract(epoch from snapshot.listed_at - ${T})::integer / 3600
    from snapshot join account on account.id = account_id where name = ${account}`)

  test('those before the moment go, and one at it stays', async () => {
    await ticked('default', [-2, 'unchanged'], [-1, 'failed'], [0, 'unchanged'], [1, 'unchanged'], [2, 'unchanged'])

    expect(await pruneSnapshots(world.db, T)).toBe(2)
    expect(await hours()).toEqual([0, 1, 2])
  })

  test('the newest and the last two good ones of each account stay, however old', async () => {
    const [ok, no] = ['unchanged', 'failed'] as const
    await ticked('default', [1, ok], [2, no], [3, ok], [4, no], [5, ok], [6, no], [7, no])
    await ticked('fails', [1, no], [2, no])
    await ticked('new', [1, ok])

    expect(await pruneSnapshots(world.db, FUTURE)).toBe(5)
    expect(await hours()).toEqual([3, 5, 7])
    expect(await hours('fails')).toEqual([2])
    expect(await hours('new')).toEqual([1])
  })

  test('so many go in a step over all accounts, the oldest of one first', async () => {
    for (const account of ['a', 'b']) {
      await ticked(account, [1, 'failed'], [2, 'failed'], [3, 'failed'], [4, 'unchanged'], [5, 'unchanged'])
    }

    expect(await pruneSnapshots(world.db, FUTURE, 4)).toBe(4)
    // Three of one, and the oldest of the other.
    expect([await hours('a'), await hours('b')]).toEqual([
      [4, 5],
      [2, 3, 4, 5],
    ])
  })

  test('one that somebody has is passed over, without a wait', async () => {
    await ticked('default', [1, 'failed'], [2, 'failed'], [3, 'unchanged'], [4, 'unchanged'])

    await world.db.transaction().execute(async (tx) => {
      await sql`select from snapshot where outcome = 'failed' order by listed_at limit 1 for update`.execute(tx)
      expect(await pruneSnapshots(world.other, FUTURE)).toBe(1)
    })

    expect(await hours()).toEqual([1, 3, 4])
  })

  test('an account that was listed once an hour is stalled after five hours, as before', async () => {
    const ago = (minutes: number) => sql`now() - ${minutes} * interval '1 minute'`
    const id = await accountId()
    for (const minutes of [500, 440, 380, 290]) {
      await sql`insert into snapshot (account_id, listed_at, outcome, session_count, duration_ms)
        values (${id}, ${ago(minutes)}, 'unchanged', 0, 1)`.execute(world.db)
    }
    await sql`update account set listed_at = (select max(listed_at) from snapshot)`.execute(world.db)

    expect(await pruneSnapshots(world.db, FUTURE)).toBe(2)
    expect(await announceStalled(world.db)).toBe(0)
  })
})

/** Whether anybody waits for a lock in this world's database. */
async function isWaiting(): Promise<boolean> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::integer as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(world.other)
  return rows[0]!.n > 0
}

/** One step of each kind, of everything that is not needed. */
async function pruneAll(db: Kysely<Database>, inTransaction?: Parameters<typeof pruneEvents>[0]) {
  const deliveries = await pruneDeliveries(inTransaction ?? db, FUTURE)
  const id = await accountId()
  const gone = inTransaction
    ? await pruneEvents(inTransaction, id, FUTURE)
    : await db.transaction().execute((tx) => pruneEvents(tx, id, FUTURE))
  return { deliveries, events: gone, ticks: await pruneSnapshots(inTransaction ?? db, FUTURE) }
}

describe('a tick', () => {
  /** Three ticks that told two events each, all of them delivered. */
  async function past(account: Account, simulator: Simulator): Promise<void> {
    for (const userId of ['a', 'b', 'c']) {
      createSession(simulator, { userId, projectId: 'p' })
      await tick(world.db, account)
    }
    await sql`update delivery set state = 'delivered', attempts = 1, finalized_at = ${after(-1)}`.execute(world.db)
  }

  test('that is in the middle of its transaction is not waited for, and commits', async () => {
    const { account, simulator } = await world.simulate('default', { cachedShare: 1 })
    const endpoint = await add()
    await past(account, simulator)
    createSession(simulator, { userId: 'd', projectId: 'p' })
    let ticking: ReturnType<typeof tick> | undefined
    let pruned: unknown
    // Somebody has the endpoint: the tick waits for it where it makes deliveries, with its account locked and events written.
    await world.db.transaction().execute(async (tx) => {
      await sql`select from endpoint where id = ${endpoint} for update`.execute(tx)
      ticking = tick(world.db, account)
      await eventually('the tick waits', () => isWaiting())
      pruned = await pruneAll(world.other)
    })

    expect(pruned).toEqual({ deliveries: 6, events: 5, ticks: 1 })
    expect(await ticking).toMatchObject({ outcome: 'committed', events: 2, deliveries: 2 })
    expect(await events()).toEqual([6, 7, 8])
  })

  test('is held up by no prune, nor is a drain: both do all they have to', async () => {
    const { account, simulator } = await world.simulate('default', { cachedShare: 1 })
    const receiver = await world.subscribe()
    await past(account, simulator)
    createSession(simulator, { userId: 'd', projectId: 'p' })
    const done: unknown[] = []
    // A prune that is not over: what it removed is locked.
    await world.db.transaction().execute(async (tx) => {
      done.push(await pruneAll(world.db, tx))
      // Each would fail where it had to wait for a lock.
      done.push(await tick(world.other, account), await tick(world.other, account))
      done.push(await drain(world.other, loopbackPoster(), { timeMs: 10_000 }))
    })

    expect(done).toMatchObject([
      { deliveries: 6, events: 5, ticks: 1 },
      { outcome: 'committed', events: 2, deliveries: 2 },
      { outcome: 'unchanged' },
      { claimed: 2, delivered: 2 },
    ])
    expect(receiver.received).toHaveLength(2)
  })
})
