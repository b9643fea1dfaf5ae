// Views and functions of the schema `report` that do not add up much, each row by row. A real Postgres, no doubles.
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../lib/store/database.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { BEGAN, type Life, writePast } from './past.ts'

let database: TestDatabase
let db: Kysely<Database>
beforeEach(async () => {
  database = await testDatabase()
  db = database.db
})
afterEach(() => database.drop())

const at = (second: number) => new Date((BEGAN + second) * 1_000)
const read = async <Row>(query: ReturnType<typeof sql<Row>>) => (await query.execute(db)).rows

const whole: Life = {
  account: 'one',
  project: 'p1',
  firstSeenAfter: 90,
  firstSeenAt: 100,
  readyAt: 160,
  startedAt: 200,
  endedAfter: 390,
  endedAt: 400,
  failed: false,
  code: null,
}
const readSessions = () => read(sql<Record<string, unknown>>`select * from report.sessions order by first_seen_at`)

describe('report.sessions', () => {
  test('has a row for each incarnation, with what is certain about its duration', async () => {
    await writePast(db, [whole], at(1_000))

    expect(await readSessions()).toMatchObject([
      {
        account: 'one',
        session_id: 'm0',
        incarnation: 1,
        project_id: 'p1',
        asset_key: null,
        status: 'closed',
        is_live: false,
        first_seen_after: at(90),
        first_seen_at: at(100),
        ended_after: at(390),
        ended_at: at(400),
        duration_seconds: '300.000',
        duration_min_seconds: '290.000',
        duration_max_seconds: '310.000',
        ready_seconds: '60.000',
        never_started: false,
        stuck_preparing: false,
        unconfirmed: false,
      },
    ])
  })

  test('says of one that lives that it lived at least until the last list', async () => {
    await writePast(db, [{ ...whole, endedAfter: null, endedAt: null }], at(1_000))

    const [row] = await readSessions()
    expect(row).toMatchObject({ is_live: true, status: 'in_progress', ended_at: null, duration_min_seconds: '900.000' })
    expect(Number(row?.duration_seconds)).toBeGreaterThan(900)
  })

  test('bounds the time until it was ready', async () => {
    await writePast(db, [whole], at(1_000))
    const unknown = await readSessions()
    await sql`update session set ready_after = ${at(150)}`.execute(db)

    expect(unknown).toMatchObject([{ ready_min_seconds: '0', ready_max_seconds: '70.000' }])
    expect(await readSessions()).toMatchObject([{ ready_min_seconds: '50.000', ready_max_seconds: '70.000' }])
  })

  test('knows no longest duration of one that was there when nobody had watched before', async () => {
    await writePast(db, [{ ...whole, firstSeenAfter: null }], at(1_000))

    expect(await readSessions()).toMatchObject([{ duration_min_seconds: '290.000', duration_max_seconds: null }])
  })

  test.each([
    ['never_started', { startedAt: null }],
    ['stuck_preparing', { readyAfter: 221, readyAt: 230, startedAt: null }],
    ['stuck_preparing', { readyAt: null, startedAt: null }],
  ])('flags what is %s (%j)', async (flag, how) => {
    await writePast(db, [{ ...whole, ...how }], at(1_000))

    expect(await readSessions()).toMatchObject([{ [flag]: true }])
  })

  test('flags nothing that is not', async () => {
    await writePast(db, [{ ...whole, readyAfter: 220, readyAt: 300, startedAt: 300 }], at(1_000))

    expect(await readSessions()).toMatchObject([{ never_started: false, stuck_preparing: false, unconfirmed: false }])
  })

  test('flags as unconfirmed what is counted as ended, or as live, without a word from the API', async () => {
    await writePast(db, [whole, { ...whole, firstSeenAt: 101, endedAfter: null, endedAt: null }], at(1_000))
    await sql`update session set end_reason = 'absent' where ended_at is not null`.execute(db)
    await sql`update session set missing_since = ${at(500)}, missing_times = 1 where ended_at is null`.execute(db)

    expect(await readSessions()).toMatchObject([
      { unconfirmed: true },
      { unconfirmed: true, duration_min_seconds: '399.000' },
    ])
  })

  test('shows no address that a message holds', async () => {
    await writePast(db, [whole], at(1_000))
    await sql`update session set error_code = -111002,
      error_message = 'StreamBroken: rtmp://live.qq.com/live/m1?sig=abc broke, see https://x.example/y'`.execute(db)

    expect(await readSessions()).toMatchObject([{ error_message: 'StreamBroken: … broke, see …' }])
  })
})

/** Ticks at these seconds, of account one; those that are no plain number came to nothing or not to all. */
async function writeTicks(ticks: [second: number, outcome: string][]): Promise<void> {
  await writePast(db, [], at(0))
  for (const [second, outcome] of ticks) {
    await sql`insert into snapshot (account_id, listed_at, outcome, session_count, duration_ms, error)
      select id, ${at(second)}, ${outcome}, ${outcome === 'failed' ? null : 0}::integer, 5,
        ${outcome === 'failed' ? 'no answer' : null}::text
      from account where name = 'one'`.execute(db)
  }
}

const TICKS: [number, string][] = [
  [0, 'committed'],
  [10, 'unchanged'],
  [20, 'failed'],
  [30, 'incomplete'],
  [100, 'unchanged'],
  [110, 'committed'],
  [120, 'failed'],
]

test('report.ticks says how long nobody had seen a complete list', async () => {
  await writeTicks(TICKS)

  const rows = await read(sql<{ unwatched: number | null }>`
    select unwatched_seconds::float8 as unwatched from report.ticks order by listed_at`)
  expect(rows.map(({ unwatched }) => unwatched)).toEqual([null, 10, 10, 20, 90, 10, 10])
})

describe('report.gaps', () => {
  const gaps = (from: number, to: number, longer = '1 minute', account = 'one') =>
    read(sql<Record<string, unknown>>`
      select began_at, ended_at, seconds::float8, failed, incomplete from report.gaps(${at(from)}, ${at(to)}, ${longer})
      where account = ${account}`)

  test('gives the times between complete lists, and what was tried in them', async () => {
    await writeTicks(TICKS)

    expect(await gaps(0, 110)).toEqual([{ began_at: at(10), ended_at: at(100), seconds: 90, failed: 1, incomplete: 1 }])
    expect(await gaps(0, 110, '5 seconds')).toMatchObject([{ seconds: 10 }, { seconds: 90 }, { seconds: 10 }])
  })

  test('counts the seconds within the span, also of gaps that reach beyond it, and that last', async () => {
    await writeTicks(TICKS)

    expect(await gaps(50, 60)).toMatchObject([{ began_at: at(10), ended_at: at(100), seconds: 10 }])
    expect(await gaps(100, 200)).toMatchObject([{ began_at: at(110), ended_at: null, seconds: 90, failed: 1 }])
    expect(await gaps(100, 110)).toEqual([])
  })

  test('begin before anybody looked, and are all there is of an account that nobody has watched', async () => {
    await writeTicks(TICKS)

    expect(await gaps(-50, 10)).toEqual([{ began_at: null, ended_at: at(0), seconds: 50, failed: 0, incomplete: 0 }])
    const never = { began_at: null, ended_at: null, seconds: 1_000, failed: 0, incomplete: 0 }
    expect(await gaps(0, 1_000, '1 minute', 'two')).toEqual([never])
  })
})

describe('report.leaks', () => {
  const leaks = (since: number) =>
    read(sql<Record<string, unknown>>`
      select session_id, leak, held_since, held_seconds::float8 as held, is_live
      from report.leaks(${at(since)}) order by held_since`)

  test('gives each once, by the first that it is, for as long as is certain', async () => {
    const open = { ...whole, endedAfter: null, endedAt: null }
    await writePast(
      db,
      [
        { ...open, firstSeenAt: 1, readyAt: null, startedAt: null },
        { ...open, firstSeenAt: 2, readyAt: 3, startedAt: null },
        { ...open, firstSeenAt: 4, readyAt: 5, startedAt: 6 },
        { ...whole, firstSeenAt: 5, readyAt: 6, startedAt: 7, endedAfter: 20_000, endedAt: 20_100 },
        // As the API ends one that is idle.
        { ...whole, firstSeenAt: 6, readyAt: 7, startedAt: null, endedAfter: 605, endedAt: 610 },
        whole,
      ],
      at(50_000),
    )

    expect(await leaks(0)).toEqual([
      { session_id: 'm0', leak: 'preparing', held_since: at(1), held: 49_999, is_live: true },
      { session_id: 'm1', leak: 'unstarted', held_since: at(3), held: 49_997, is_live: true },
      { session_id: 'm2', leak: 'alive', held_since: at(4), held: 49_996, is_live: true },
      { session_id: 'm3', leak: 'alive', held_since: at(5), held: 19_995, is_live: false },
      { session_id: 'm4', leak: 'unstarted', held_since: at(7), held: 598, is_live: false },
    ])
    expect((await leaks(20_101)).map(({ session_id }) => session_id)).toEqual(['m0', 'm1', 'm2'])
  })

  test('gives one that lives by what it is now, however long it took to prepare', async () => {
    const slow = { ...whole, firstSeenAt: 1, readyAfter: 200, readyAt: 210, endedAfter: null, endedAt: null }
    await writePast(
      db,
      [
        { ...slow, startedAt: 220 },
        { ...slow, startedAt: null },
        { ...slow, startedAt: 220, endedAfter: 900, endedAt: 905 },
      ],
      at(1_000),
    )

    expect(await leaks(0)).toMatchObject([
      { session_id: 'm2', leak: 'preparing', held: 199, is_live: false },
      { session_id: 'm1', leak: 'unstarted', held: 790, is_live: true },
    ])
  })

  test('gives none that is within its time', async () => {
    await writePast(
      db,
      [
        { ...whole, readyAt: 220, startedAt: null, endedAfter: 520, endedAt: 530 },
        { ...whole, endedAfter: 14_500, endedAt: 14_510 },
      ],
      at(50_000),
    )

    expect(await leaks(0)).toEqual([])
  })
})

describe('what makes no sense is refused', () => {
  test.each([
    [`report.concurrency('2026-02-01', '2026-01-01', '1 hour')`, /from .* must be a time, and not after to/],
    [`report.concurrency('2026-01-01', '2026-02-01', '0')`, /step .* must be longer than nothing/],
    [`report.concurrency('2026-01-01', '2026-02-01', '-1 hour')`, /step .* must be longer than nothing/],
    [`report.concurrency('2026-01-01', '2026-02-01', '1 day -23 hours')`, /step .* in each of its parts/],
    [`report.concurrency('2026-01-01', '2026-02-01', 'infinity')`, /step .* not endless/],
    [`report.concurrency('2026-01-01', '2026-02-01', null)`, /step .* must be longer than nothing/],
    [`report.concurrency('-infinity', '2026-02-01', '1 hour')`, /must be a time/],
    [`report.concurrency(null, '2026-02-01', '1 hour')`, /must be a time/],
    [`report.concurrency('2026-01-31', '2026-03-01', '1 month -29 days')`, /step .* must be longer than nothing/],
    [
      `report.concurrency('2000-01-01', '2026-02-01', '1 minute')`,
      /over a million steps of 00:01:00: ask for less time/,
    ],
    [`report.usage('2026-02-01', '2026-01-01')`, /not after to/],
    [`report.levels('2026-02-01', '2026-01-01')`, /not after to/],
    [`report.capacity(0)`, /channels .* must be at least 1/],
    [`report.capacity(3, '2026-02-01', '2026-01-01')`, /not after to/],
    [`report.gaps('2026-02-01', '2026-01-01')`, /not after to/],
    [`report.sessions_at(null)`, /at .* must be a time/],
    [`report.sessions_at('infinity')`, /at .* must be a time/],
    [`report.leaks('infinity')`, /since .* must be a time/],
  ])('%s', async (call, message) => {
    await expect(sql.raw(`select * from ${call}`).execute(db)).rejects.toThrow(message)
  })
})
