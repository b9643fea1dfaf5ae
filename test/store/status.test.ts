// What `status` reads, against a real Postgres; nothing is sent.
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { saveFailure } from '../../lib/store/snapshot.ts'
import { readBacklog, readLastTicks } from '../../lib/store/status.ts'
import { disableEndpoint, pauseEndpoint } from '../../lib/store/endpoint-state.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { ensureAccount } from '../../lib/store/account.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { tick } from '../../lib/reconcile.ts'
import { seed } from '../support/seed.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const subscribe = async (description = '') =>
  (await addEndpoint(world.db, { url: 'http://127.0.0.1:9/', events: ['*'], account: null, description })).id
const due = (endpoint: string, minutes: number, position?: number) =>
  sql`update delivery set due_at = now() - ${minutes} * interval '1 minute'
    where endpoint_id = ${endpoint} and (${position ?? null}::bigint is null or position = ${position ?? null})`.execute(
    world.db,
  )

describe('the last tick', () => {
  test('is told with its outcome, whatever came before it', async () => {
    const api = await world.simulate('default')
    await tick(world.db, api.account)
    await tick(world.db, api.account)

    const [last] = await readLastTicks(world.db)

    expect(last).toMatchObject({ account: 'default', outcome: 'unchanged', error: null })
    expect(last?.listedAt).toEqual(last?.goodAt)
    expect(last?.ageSeconds).toBeGreaterThanOrEqual(0)
    expect(last?.ageSeconds).toBeLessThan(20)
  })

  test('that failed is told by its code, with the time of the last list', async () => {
    const { id, now } = await ensureAccount(world.db, 'default')
    await sql`update account set listed_at = '2026-01-01T00:00:00Z' where id = ${id}`.execute(world.db)
    const failure = { accountId: id, error: 'api_refused: 100005: no', durationMs: 1 }
    await saveFailure(world.db, { ...failure, listedAt: new Date(now.getTime() - 90_000) })
    await ensureAccount(world.db, 'another')

    const ticks = await readLastTicks(world.db)

    const never = { listedAt: null, outcome: null, error: null, ageSeconds: null, goodAt: null }
    expect(ticks).toEqual([
      { account: 'another', ...never },
      {
        account: 'default',
        listedAt: new Date(now.getTime() - 90_000),
        outcome: 'failed',
        error: 'api_refused',
        ageSeconds: expect.closeTo(90, -1) as number,
        goodAt: new Date('2026-01-01T00:00:00Z'),
      },
    ])
  })
})

describe('the backlog', () => {
  test('of nothing is nothing', async () => {
    expect(await readBacklog(world.db)).toEqual({
      countedUpTo: 100_000,
      pending: 0,
      oldestDue: null,
      deadOfLastDay: 0,
      disabled: [],
    })
  })

  test('counts what is pending, given up and disabled', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: 3, perSession: 2 })
    await sql`update delivery set state = 'dead', finalized_at = now() - interval '1 hour' where position = 1`.execute(
      world.db,
    )
    await sql`update delivery set state = 'dead', finalized_at = now() - interval '2 days' where position = 2`.execute(
      world.db,
    )
    await disableEndpoint(world.db, id, 'no longer wanted')

    expect(await readBacklog(world.db)).toMatchObject({
      pending: 4,
      oldestDue: null,
      deadOfLastDay: 1,
      disabled: [{ endpoint: id, reason: 'no longer wanted' }],
    })
  })

  test('names the endpoint that has waited the longest, and why it may', async () => {
    const [slow, quick] = [await subscribe('slow'), await subscribe('quick')]
    await seed(world.db, { sessions: 2 })
    await due(slow, 30)
    await due(quick, 5)
    await sql`update endpoint set failures = 5, failing_since = '2026-01-01T00:00:00Z', pace = 1,
      hold_until = '2100-01-01T00:00:00Z' where id = ${slow}`.execute(world.db)

    const { oldestDue } = await readBacklog(world.db)
    await pauseEndpoint(world.db, slow, 'on purpose')
    const withoutIt = await readBacklog(world.db)

    expect(oldestDue).toMatchObject({
      endpoint: slow,
      failingSince: new Date('2026-01-01T00:00:00Z'),
      holdUntil: new Date('2100-01-01T00:00:00Z'),
    })
    expect(oldestDue?.ageSeconds).toBeCloseTo(1_800, -2)
    expect(withoutIt.oldestDue).toMatchObject({ endpoint: quick, failingSince: null, holdUntil: null })
  })

  test('does not count as waiting what an older one of its lane holds back until its next try', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: 2, perSession: 2 })
    // The first of two sessions failed and is tried again in an hour; its second, and the second session's first, are due.
    await due(id, 60)
    await due(id, -60, 1)
    await due(id, 20, 2)

    const { oldestDue, pending } = await readBacklog(world.db)

    expect(pending).toBe(4)
    expect(oldestDue?.ageSeconds).toBeCloseTo(1_200, -2)
  })

  test('is what it is when everything due is held back', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: 1, perSession: 3 })
    await due(id, 60)
    await due(id, -60, 1)

    expect((await readBacklog(world.db)).oldestDue).toBeNull()
  })
})

const KNOWLEDGE: [what: string, sqlText: string][] = [
  ['nothing of the deliveries', 'select'],
  ['all about them', 'vacuum analyze delivery'],
  [
    'that all are pending',
    `update delivery set state = 'pending', finalized_at = null; analyze delivery;
      update delivery set state = 'delivered', finalized_at = now() - interval '3 days' where position > 5`,
  ],
]

test.each(KNOWLEDGE)('nothing reads all deliveries there are, when the planner knows %s', async (_, prepare) => {
  await sql`alter table delivery set (autovacuum_enabled = false)`.execute(world.db)
  await subscribe()
  await seed(world.db, { sessions: 20_000 })
  await sql`update delivery set state = 'delivered', attempts = 1, finalized_at = now() - interval '3 days'
    where position > 5`.execute(world.db)
  const one = openDatabase(world.url, { connections: 1 })
  for (const statement of prepare.split(';')) await sql.raw(statement).execute(one)
  const before = await scans(one)

  const { pending } = await readBacklog(one)

  expect(pending).toBe(5)
  expect(await scans(one)).toBe(before)
  await one.destroy()
})

/** How often the table was read from its beginning to its end. */
async function scans(db: Kysely<Database>): Promise<number> {
  await sql`select pg_stat_force_next_flush()`.execute(db)
  const { rows } = await sql<{ n: number }>`
    select seq_scan::integer as n from pg_stat_user_tables where relname = 'delivery'`.execute(db)
  return rows[0]!.n
}
