// What reports add up, against plain sums over the same past. A real Postgres, no doubles; the past is random.
import fc from 'fast-check'
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { ACCOUNTS, BEGAN, DAY, type Life, liveAt, midnight, overlap, past, peakOf, summed, writePast } from './past.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

const RUNS = { numRuns: 60 }
/** Long after all of it, and before now. */
const LISTED_AT = new Date((BEGAN + 12 * DAY) * 1_000)
const HOUR = 3_600
const at = (second: number) => new Date((BEGAN + second) * 1_000)
const secondOf = (date: Date) => date.getTime() / 1_000 - BEGAN
const of = (lives: Life[], account: string) => lives.filter((one) => one.account === account)
const read = async <Row>(query: ReturnType<typeof sql<Row>>, db: Kysely<Database> = database.db) =>
  (await query.execute(db)).rows
// Whole hours, too, at which much of the past begins and ends.
const within = (min: number, max: number) =>
  fc.oneof(
    fc.integer({ min, max }),
    fc.integer({ min: min / HOUR, max: max / HOUR }).map((hours) => hours * HOUR),
  )
const moments = fc
  .tuple(within(-DAY, 9 * DAY), within(0, 4 * DAY))
  .map(([from, length]) => ({ from, to: from + length }))

test('concurrency is the exact peak of each step', async () => {
  const steps = fc.constantFrom(613, HOUR, DAY, 5 * DAY)
  await fc.assert(
    fc.asyncProperty(past, summed, moments, steps, async (lives, quarters, { from, to }, step) => {
      await writePast(database.db, lives, LISTED_AT, quarters)

      const rows = await read(sql<{ account: string; bucket: Date; peak: number }>`
        select * from report.concurrency(${at(from)}, ${at(to)}, ${`${step} seconds`})`)

      const starts = Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step)
      const expected = ACCOUNTS.flatMap((account) =>
        starts.map((start) => ({
          account,
          bucket: at(start),
          peak: peakOf(of(lives, account), start, Math.min(start + step, to)),
        })),
      )
      expect(rows).toEqual(expected)
    }),
    RUNS,
  )
})

test('levels are all there were, each once', async () => {
  await fc.assert(
    fc.asyncProperty(past, summed, moments, async (lives, quarters, { from, to }) => {
      await writePast(database.db, lives, LISTED_AT, quarters)

      const rows = await read(sql<{ account: string; at: Date; live: number }>`
        select * from report.levels(${at(from)}, ${at(to)})`)

      const changes = lives.flatMap(({ firstSeenAt, endedAt }) => [firstSeenAt, endedAt ?? Infinity])
      const times = [...new Set([from, ...changes])].filter((time) => time >= from && time < to).sort((a, b) => a - b)
      const expected = ACCOUNTS.flatMap((account) => {
        const levels = times.map((time) => ({ account, at: at(time), live: liveAt(of(lives, account), time) }))
        return levels.filter(({ live }, index) => live !== levels[index - 1]?.live)
      })
      expect(rows).toEqual(expected)
    }),
    RUNS,
  )
})

test('capacity is the time at so many channels or more, how often, and for how long', async () => {
  await fc.assert(
    fc.asyncProperty(
      past,
      summed,
      moments,
      fc.integer({ min: 1, max: 5 }),
      async (lives, quarters, { from, to }, channels) => {
        await writePast(database.db, lives, LISTED_AT, quarters)

        const rows = await read(sql<{
          account: string
          seconds: number
          occasions: number
          longest: number
          peak: number
        }>`
        select account, seconds_at_or_over::float8 as seconds, occasions, longest_seconds::float8 as longest, peak
        from report.capacity(${channels}, ${at(from)}, ${at(to)})`)

        expect(rows).toEqual(ACCOUNTS.map((account) => capacityOf(account, of(lives, account), channels, from, to)))
      },
    ),
    RUNS,
  )
})

function capacityOf(account: string, lives: Life[], channels: number, from: number, to: number) {
  const edges = [from, ...lives.flatMap(({ firstSeenAt, endedAt }) => [firstSeenAt, endedAt ?? Infinity]), to]
  const times = [...new Set(edges)].filter((time) => time >= from && time <= to).sort((a, b) => a - b)
  const stretches: number[] = []
  let isOver = false
  for (const [index, time] of times.slice(0, -1).entries()) {
    const length = times[index + 1]! - time
    const isNow = liveAt(lives, time) >= channels
    if (isNow && isOver) stretches[stretches.length - 1]! += length
    else if (isNow) stretches.push(length)
    isOver = isNow
  }
  const seconds = stretches.reduce((sum, length) => sum + length, 0)
  return {
    account,
    seconds,
    occasions: stretches.length,
    longest: Math.max(0, ...stretches),
    peak: peakOf(lives, from, to),
  }
}

test.each(['UTC', 'Asia/Shanghai', 'America/New_York', 'Asia/Kathmandu'])(
  'usage of a day in %s is what falls on it there, also when the clock is changed',
  async (timeZone) => {
    const db = openDatabase(`${database.url}?options=-c%20timezone%3D${timeZone}`)
    try {
      await fc.assert(
        fc.asyncProperty(past, summed, async (lives, quarters) => {
          await writePast(database.db, lives, LISTED_AT, quarters)

          const rows = await read(
            sql<Record<string, unknown>>`
              select (day - '2026-10-30'::date) as day, account, project_id, sessions, started, failed,
                channel_minutes::float8, channel_minutes_min::float8, channel_minutes_max::float8, peak, account_peak
              from report.usage_daily where day between '2026-10-28' and '2026-11-07'
              order by day, account, project_id nulls first`,
            db,
          )

          const days = Array.from({ length: 11 }, (_, index) => index - 2)
          expect(rows).toEqual(days.flatMap((day) => usageOf(lives, day, timeZone)))
        }),
        { numRuns: 25 },
      )
    } finally {
      await db.destroy()
    }
  },
)

/** The reports' rows of one day, without those of projects that had nothing to do with it. */
function usageOf(lives: Life[], day: number, timeZone: string): Record<string, unknown>[] {
  const [from, to] = [midnight(day, timeZone), midnight(day + 1, timeZone)]
  const isOn = (time: number | null) => time !== null && time >= from && time < to
  const minutes = (some: Life[], began: (one: Life) => number, ended: (one: Life) => number) => {
    const sum = some.reduce((total, one) => total + overlap(began(one), ended(one), from, to), 0)
    return Math.round((sum / 60) * 100) / 100
  }
  const firstSeen = (one: Life) => one.firstSeenAt
  const ended = (one: Life) => one.endedAt ?? Infinity
  return ACCOUNTS.flatMap((account) =>
    [null, '', 'p1', 'p2'].flatMap((project) => {
      const own = of(lives, account).filter((one) => one.project === project)
      const most = minutes(own, (one) => one.firstSeenAfter ?? one.firstSeenAt, ended)
      const counts = {
        sessions: own.filter((one) => isOn(one.firstSeenAt)).length,
        started: own.filter((one) => isOn(one.startedAt)).length,
        failed: own.filter((one) => one.failed && isOn(one.endedAt)).length,
      }
      if (most === 0 && Object.values(counts).every((count) => count === 0)) return []
      return {
        day,
        account,
        project_id: project,
        ...counts,
        channel_minutes: minutes(own, firstSeen, ended),
        channel_minutes_min: minutes(own, firstSeen, (one) =>
          one.endedAt === null ? secondOf(LISTED_AT) : (one.endedAfter ?? one.firstSeenAt),
        ),
        channel_minutes_max: most,
        peak: peakOf(own, from, to),
        account_peak: peakOf(of(lives, account), from, to),
      }
    }),
  )
}

test('failures of a day are those that were found on it, by code', async () => {
  const db = openDatabase(`${database.url}?options=-c%20timezone%3DAmerica/New_York`)
  try {
    await fc.assert(
      fc.asyncProperty(past, summed, async (lives, quarters) => {
        await writePast(database.db, lives, LISTED_AT, quarters)

        const rows = await read(
          sql<Record<string, unknown>>`
            select (day - '2026-10-30'::date) || ' ' || account || ' ' || ended_as || ' ' || coalesce(error_code, 0) as key, sessions
            from report.failures order by 1`,
          db,
        )

        const sums = new Map<string, number>()
        for (const { account, endedAt, failed, code } of lives) {
          if (endedAt === null || (!failed && code === null)) continue
          const days = Array.from({ length: 20 }, (_, index) => index - 3)
          const day = days.filter((one) => midnight(one, 'America/New_York') <= endedAt).at(-1)
          const key = `${day} ${account} ${failed ? 'failed' : 'closed'} ${code ?? 0}`
          sums.set(key, (sums.get(key) ?? 0) + 1)
        }
        expect(new Map(rows.map(({ key, sessions }) => [key, sessions]))).toEqual(sums)
      }),
      RUNS,
    )
  } finally {
    await db.destroy()
  }
})
