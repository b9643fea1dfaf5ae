// A whole prune against a real Postgres, no doubles. What a step removes is tested in test/store/retention.test.ts.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sql } from 'kysely'
import { prune, type Retention } from '../lib/prune.ts'
import { openDatabase } from '../lib/store/database.ts'
import { addEndpoint } from '../lib/store/endpoint.ts'
import { PRUNE_STEP } from '../lib/store/retention.ts'
import { testDatabase, type TestDatabase } from './support/database.ts'
import { seed } from './support/seed.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const FOREVER: Retention = { deliveriesDays: null, eventsDays: null, ticksDays: null }
const LONG_MS = 60_000

const counts = async () => {
  const { rows } = await sql<Record<string, number>>`
    select (select count(*) from delivery) as deliveries, (select count(*) from event) as events,
      (select count(*) from snapshot) as ticks, (select count(*) from session) as sessions,
      (select count(*) from session_version) as versions`.execute(database.db)
  return rows[0]
}

/** So many delivered events of sessions, and as many ticks, each a second older than the next; the newest of so many days ago. */
async function past(many: number, days = 100): Promise<void> {
  await addEndpoint(database.db, { url: 'http://127.0.0.1:9/', events: ['*'] })
  await seed(database.db, { sessions: many })
  const at = sql`now() - ${days} * interval '24 hours' - (${many} - position) * interval '1 second'`
  await sql`update event set occurred_at = ${at}`.execute(database.db)
  await sql`update delivery set state = 'delivered', attempts = 1, finalized_at = ${at}`.execute(database.db)
  await sql`insert into snapshot (account_id, listed_at, outcome, session_count, duration_ms)
    select account_id, ${at}, 'unchanged', 0, 1 from event`.execute(database.db)
  await sql`insert into session_version (incarnation_id, valid_from, status, started)
    select id, now() - interval '500 days', 3, false from session`.execute(database.db)
  await sql`update account set listed_at = (select max(listed_at) from snapshot)`.execute(database.db)
}

/** Moves everything so that the last of ten is this many seconds older than its setting, 7 days of 24 hours. */
const sevenDaysAnd = (seconds: number) => past(10, 7 + seconds / 86_400)

test('each kind goes by its own setting; sessions and their versions stay', async () => {
  await past(10)

  const deliveries = await prune(database.db, { deliveriesDays: 99, eventsDays: null, ticksDays: null }, LONG_MS)
  const events = await prune(database.db, { deliveriesDays: null, eventsDays: 99, ticksDays: null }, LONG_MS)
  const ticks = await prune(database.db, { deliveriesDays: null, eventsDays: null, ticksDays: 99 }, LONG_MS)

  expect([deliveries, events, ticks]).toEqual([
    { deliveries: 10, events: 0, ticks: 0 },
    { deliveries: 0, events: 9, ticks: 0 },
    { deliveries: 0, events: 0, ticks: 8 },
  ])
  expect(await counts()).toEqual({ deliveries: 0, events: 1, ticks: 2, sessions: 10, versions: 10 })
})

test('what is kept for ever is left alone', async () => {
  await past(10, 30_000)

  expect(await prune(database.db, FOREVER, LONG_MS)).toEqual({ deliveries: 0, events: 0, ticks: 0 })
})

test.each([
  // Of those ten, one second apart, so many are older than seven days.
  [30, { deliveries: 10, events: 9, ticks: 8 }],
  [-4.5, { deliveries: 5, events: 5, ticks: 5 }],
  [-30, { deliveries: 0, events: 0, ticks: 0 }],
])('a day is 24 hours by the clock of the database: %s s beyond seven of them', async (seconds, removed) => {
  await sevenDaysAnd(seconds)

  const week = { deliveriesDays: 7, eventsDays: 7, ticksDays: 7 }
  expect(await prune(database.db, week, LONG_MS)).toEqual(removed)
})

test('it goes on, step by step, until nothing old is left', async () => {
  await past(2 * PRUNE_STEP + 1)

  expect(await prune(database.db, { deliveriesDays: 1, eventsDays: 1, ticksDays: 1 }, LONG_MS)).toEqual({
    deliveries: 2 * PRUNE_STEP + 1,
    events: 2 * PRUNE_STEP,
    ticks: 2 * PRUNE_STEP - 1,
  })
})

test('in no time each kind has one turn, and one step', async () => {
  await past(PRUNE_STEP + 10)
  await sql`delete from delivery where id > ${PRUNE_STEP}`.execute(database.db)

  expect(await prune(database.db, { deliveriesDays: 1, eventsDays: 1, ticksDays: 1 }, 0)).toEqual({
    deliveries: PRUNE_STEP,
    events: PRUNE_STEP,
    ticks: PRUNE_STEP,
  })
})

test('an account whose events are held, or are being replayed, keeps no other from losing its own', async () => {
  for (const account of ['held', 'replayed', 'other']) await seed(database.db, { sessions: 3, account })
  await sql`insert into delivery (endpoint_id, event_id, lane, position, due_at)
    select ${(await addEndpoint(database.db, { url: 'http://127.0.0.1:9/', events: ['*'] })).id}, id, 'lane', 1, now()
    from event where id = 'evt_held_1'`.execute(database.db)

  await database.db.transaction().execute(async (tx) => {
    await sql`select from event where id like 'evt_replayed%' for key share`.execute(tx)
    expect(await prune(database.db, { ...FOREVER, eventsDays: 1 }, LONG_MS)).toMatchObject({ events: 2 })
  })
  expect(await prune(database.db, { ...FOREVER, eventsDays: 1 }, LONG_MS)).toMatchObject({ events: 2 })
})

test('four at once remove each row once, and none fails', async () => {
  await past(3 * PRUNE_STEP)
  const others = Array.from({ length: 4 }, () => openDatabase(database.url, { connections: 1 }))

  const settings = { deliveriesDays: 1, eventsDays: 1, ticksDays: 1 }
  const all = await Promise.all(others.map((db) => prune(db, settings, LONG_MS)))
  all.push(await prune(database.db, settings, LONG_MS))
  await Promise.all(others.map((db) => db.destroy()))

  const sum = (kind: keyof (typeof all)[number]) => all.reduce((total, one) => total + one[kind], 0)
  expect([sum('deliveries'), sum('events'), sum('ticks')]).toEqual([
    3 * PRUNE_STEP,
    3 * PRUNE_STEP - 1,
    3 * PRUNE_STEP - 2,
  ])
})

test('a database without the tables is told as such', async () => {
  await sql`drop table snapshot cascade`.execute(database.db)

  await expect(prune(database.db, { ...FOREVER, ticksDays: 1 }, LONG_MS)).rejects.toMatchObject({
    code: 'not_migrated',
  })
})
