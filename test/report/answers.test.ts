// The numbers of the cookbook's answers, against plain sums over the known data. A real Postgres, no doubles.
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findQuestion, type Row, runReport } from '../../lib/store/report.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { BEGAN, BLIND, DAY, DELIVERIES, type KnownSession, LAST_LOOK, SESSIONS, TICK } from './known-data.ts'
import { writeKnownData } from './known-rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  await writeKnownData(database.db)
})
afterAll(() => database.drop())

/** In the middle of a Wednesday to that of the next Monday, when all who came earlier have ended. */
const FROM = 2 * DAY + 12 * 3_600
const TO = 7 * DAY + 15 * 3_600
const iso = (second: number) => new Date((BEGAN + second) * 1_000).toISOString()
const answer = async (
  name: string,
  asked: { from?: number; to?: number; account?: string; channels?: number } = {},
) => {
  const { from = FROM, to = TO, ...rest } = asked
  const span = { from: iso(from), to: iso(to), timezone: 'UTC' }
  return (await runReport(database.db, findQuestion(name), { ...span, channels: 10, ...rest })).rows
}

const ACCOUNTS = ['clinic', 'shop']
const within = (at: number | null, from = FROM, to = TO) => at !== null && at >= from && at < to
const begun = SESSIONS.filter(({ firstSeenAt }) => within(firstSeenAt))
const ended = begun.filter(({ endedAt }) => endedAt !== null)
const day = (second: number) => iso(second).slice(0, 10)
const week = (second: number) => day(Math.floor(second / (7 * DAY)) * 7 * DAY)
const percent = (part: number, whole: number, digits = 2) => {
  return Math.round((100 * part * 10 ** digits) / whole) / 10 ** digits
}

/** How many there are of each kind, by the kind's text. */
function tally<Item>(items: Item[], kind: (item: Item) => (string | number | null)[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) {
    const key = JSON.stringify(kind(item))
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}
const told = (rows: Row[], kind: string[], count: string) =>
  new Map(rows.map((row) => [JSON.stringify(kind.map((column) => row[column])), row[count]]))

/** Second by second of the grid of ticks, on which everything known begins and ends. */
function levels(account: string, from: number, to: number): number[] {
  const own = SESSIONS.filter((session) => session.account === account)
  const change = new Map<number, number>()
  const add = (at: number, step: number) => change.set(at, (change.get(at) ?? 0) + step)
  for (const { firstSeenAt, endedAt } of own) {
    add(firstSeenAt, 1)
    if (endedAt !== null) add(endedAt, -1)
  }
  const found: number[] = []
  let level = 0
  for (let at = 0; at < to; at += TICK) {
    level += change.get(at) ?? 0
    if (at >= from) found.push(level)
  }
  return found
}

describe('channels', () => {
  test('peak-concurrency has the highest level of each day, the first from its midnight', async () => {
    const rows = await answer('peak-concurrency')

    const expected = ACCOUNTS.flatMap((account) =>
      [2, 3, 4, 5, 6, 7].map((number) => {
        const peak = Math.max(...levels(account, number * DAY, Math.min(TO, (number + 1) * DAY)))
        return { account, day: day(number * DAY), peak, free: 10 - peak }
      }),
    )
    expect(rows).toEqual(expected)
  })

  test('concurrency has the highest level of each hour', async () => {
    const rows = await answer('concurrency', { account: 'shop' })

    const hours = Array.from({ length: (TO - FROM) / 3_600 }, (_, index) => FROM + index * 3_600)
    expect(rows.map(({ peak }) => peak)).toEqual(hours.map((from) => Math.max(...levels('shop', from, from + 3_600))))
    expect(rows[0]).toMatchObject({ account: 'shop', hour: '2026-03-04T12:00:00+00:00' })
  })

  test('time-at-capacity is the time at so many channels or more', async () => {
    const rows = await answer('time-at-capacity')

    for (const [index, account] of ACCOUNTS.entries()) {
      const level = levels(account, FROM, TO)
      const full = level.map((one) => one >= 10)
      const occasions = full.filter((isFull, at) => isFull && !full[at - 1]).length
      const seconds = full.filter(Boolean).length * TICK
      expect(rows[index]).toMatchObject({
        account,
        minutes: percent(seconds, 6_000, 1),
        percent: percent(seconds, TO - FROM, 3),
        occasions,
        peak: Math.max(...level),
      })
    }
  })

  test('busiest-hours has the mean of the peaks of an hour of the week', async () => {
    const [first] = await answer('busiest-hours', { from: 0, to: 8 * DAY, account: 'shop' })

    const peak = (hour: number) => Math.max(...levels('shop', hour * 3_600, (hour + 1) * 3_600))
    const means = Array.from({ length: 7 * 24 }, (_, hour) => {
      // The Monday is there twice.
      const hours = hour < 24 ? [hour, hour + 7 * 24] : [hour]
      return hours.reduce((sum, one) => sum + peak(one), 0) / hours.length
    })
    const busiest = means.indexOf(Math.max(...means))
    expect(first).toMatchObject({
      weekday: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][Math.floor(busiest / 24)],
      hour: busiest % 24,
      average_peak: means[busiest],
    })
  })

  test('slots-now has those who have not ended, for as long as they were seen', async () => {
    const rows = await answer('slots-now')

    const live = SESSIONS.filter(({ endedAt }) => endedAt === null)
    expect(told(rows, ['session_id'], 'minutes_at_least')).toEqual(
      new Map(live.map((one) => [JSON.stringify([one.sessionId]), percent(LAST_LOOK - one.firstSeenAt, 6_000, 1)])),
    )
  })

  test('slots-at has those who had come and not gone', async () => {
    const rows = await answer('slots-at')

    const there = SESSIONS.filter((one) => one.firstSeenAt <= TO && (one.endedAt === null || one.endedAt > TO))
    expect(rows.map((row) => String(row.session_id)).sort()).toEqual(there.map(({ sessionId }) => sessionId).sort())
  })

  test('leaks-by-user counts each session that held a channel for nothing', async () => {
    const rows = await answer('leaks-by-user', { from: 0, to: LAST_LOOK, account: 'clinic' })

    const leaks = SESSIONS.filter(({ account }) => account === 'clinic').flatMap((one) => {
      const seenUntil = one.endedAfter ?? LAST_LOOK
      const preparedFor = (one.readyAt === null ? seenUntil : one.readyAfter!) - one.firstSeenAt
      if (preparedFor > 120 && (one.readyAt === null || one.endedAt !== null)) return [{ ...one, leak: 'preparing' }]
      if (one.readyAt !== null && one.startedAt === null && seenUntil - one.readyAt > 300)
        return [{ ...one, leak: 'unstarted' }]
      return seenUntil - one.firstSeenAt > 4 * 3_600 ? [{ ...one, leak: 'alive' }] : []
    })
    const counted = tally(leaks, ({ userId, leak }) => [userId, leak])
    expect(rows.length).toBe(Math.min(20, counted.size))
    for (const { user_id: user, leak, sessions } of rows) {
      expect(sessions).toBe(counted.get(JSON.stringify([user, leak])))
    }
  })
})

describe('usage', () => {
  const overlap = (one: KnownSession, from: number, to: number) =>
    Math.max(0, Math.min(one.endedAt ?? Infinity, to) - Math.max(one.firstSeenAt, from))

  test('minutes-by-project adds up what was used on whole days', async () => {
    const rows = await answer('minutes-by-project', { from: 2 * DAY, to: 7 * DAY })

    const kinds = [...new Set(SESSIONS.map((one) => JSON.stringify([one.account, one.projectId])))]
    for (const kind of kinds) {
      const own = SESSIONS.filter((one) => JSON.stringify([one.account, one.projectId]) === kind)
      const minutes = own.reduce((sum, one) => sum + overlap(one, 2 * DAY, 7 * DAY), 0) / 60
      // Rounded to a hundredth for each day and avatar.
      expect(Number(told(rows, ['account', 'project_id'], 'channel_minutes').get(kind))).toBeCloseTo(minutes, 0)
      const sessions = own.filter(({ firstSeenAt }) => within(firstSeenAt, 2 * DAY, 7 * DAY)).length
      expect(told(rows, ['account', 'project_id'], 'sessions').get(kind)).toBe(sessions)
    }
    expect(rows.every((row) => Number(row.at_least) < Number(row.channel_minutes))).toBe(true)
    expect(rows.every((row) => Number(row.at_most) > Number(row.channel_minutes))).toBe(true)
  })

  test('usage-by-day counts what began on each day, whole days of those that are touched', async () => {
    const rows = await answer('usage-by-day')

    const days = SESSIONS.filter(({ firstSeenAt }) => within(firstSeenAt, 2 * DAY, 8 * DAY))
    expect(told(rows, ['account', 'day'], 'sessions')).toEqual(
      tally(days, ({ account, firstSeenAt }) => [account, day(firstSeenAt)]),
    )
  })

  test('today-and-last-week compares the same hours', async () => {
    const rows = await answer('today-and-last-week', { account: 'shop' })

    const span = (from: number, to: number) => {
      const own = SESSIONS.filter(({ account }) => account === 'shop')
      return {
        sessions: own.filter(({ firstSeenAt }) => within(firstSeenAt, from, to)).length,
        started: own.filter(({ startedAt }) => within(startedAt, from, to)).length,
        failed: own.filter(({ failed, endedAt }) => failed && within(endedAt, from, to)).length,
        peak: Math.max(...levels('shop', from, to)),
      }
    }
    expect(rows).toMatchObject([
      { span: 'today', ...span(7 * DAY, TO) },
      { span: 'a week before', ...span(0, TO - 7 * DAY) },
    ])
  })

  test('sessions-by-user counts them, the most first', async () => {
    const rows = await answer('sessions-by-user')

    const counts = tally(begun, ({ account, userId }) => [account, userId])
    expect(rows.map(({ sessions }) => sessions)).toEqual([...counts.values()].sort((a, b) => b - a).slice(0, 20))
    for (const row of rows) expect(row.sessions).toBe(counts.get(JSON.stringify([row.account, row.user_id])))
  })

  test('durations puts each ended session into one class', async () => {
    const rows = await answer('durations')

    const limits = [0, 1, 5, 15, 60, 240]
    const classOf = ({ firstSeenAt, endedAt }: KnownSession) =>
      limits.filter((limit) => limit * 60 <= endedAt! - firstSeenAt).at(-1)!
    expect(told(rows, ['account', 'minutes_from'], 'sessions')).toEqual(
      tally(ended, (one) => [one.account, classOf(one)]),
    )
    for (const account of ACCOUNTS) {
      const shares = rows.filter((row) => row.account === account).map((row) => Number(row.percent))
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 0)
    }
  })

  test('never-started has their share of what ended', async () => {
    const rows = await answer('never-started')

    for (const { account, project_id: project, sessions, never_started: never, percent: share } of rows) {
      const own = ended.filter((one) => one.account === account && one.projectId === project)
      const unstarted = own.filter(({ startedAt }) => startedAt === null).length
      expect({ sessions, never, share }).toEqual({
        sessions: own.length,
        never: unstarted,
        share: percent(unstarted, own.length),
      })
    }
    expect(rows).toHaveLength(4)
  })

  test('time-to-ready has medians of what is the least and the most', async () => {
    const [row] = await answer('time-to-ready', { account: 'shop' })

    const own = begun.filter(({ account, readyAt, firstSeenAt }) => {
      return account === 'shop' && readyAt !== null && firstSeenAt < 7 * DAY
    })
    const nth = (share: number, seconds: number[]) =>
      seconds.sort((a, b) => a - b)[Math.ceil(share * seconds.length) - 1]
    const most = own.map(({ readyAt, firstSeenAfter }) => readyAt! - firstSeenAfter!)
    const least = own.map(({ readyAfter, firstSeenAt }) => Math.max(0, readyAfter! - firstSeenAt))
    expect(row).toEqual({
      account: 'shop',
      week: '2026-03-02',
      sessions: own.length,
      median_at_least: nth(0.5, least),
      median_at_most: nth(0.5, most),
      p95_at_most: nth(0.95, most),
    })
  })
})

describe('failures and ends', () => {
  const status = ({ failed }: KnownSession) => (failed ? 'failed' : 'closed')

  test('failure-rate is by code, of the sessions of the same week', async () => {
    const rows = await answer('failure-rate')

    const bad = ended.filter(({ failed, code }) => failed || code !== null)
    expect(told(rows, ['account', 'week', 'ended_as', 'error_code'], 'sessions')).toEqual(
      tally(bad, (one) => [one.account, week(one.firstSeenAt), status(one), one.code]),
    )
    const all = tally(ended, (one) => [one.account, week(one.firstSeenAt)])
    for (const row of rows) {
      const of = all.get(JSON.stringify([row.account, row.week]))!
      expect(row).toMatchObject({ of_sessions: of, percent: percent(Number(row.sessions), of) })
    }
  })

  test('failures-by-day counts what failed, on the day that it was seen', async () => {
    const rows = await answer('failures-by-day')

    const failed = SESSIONS.filter((one) => one.failed && within(one.endedAt, 2 * DAY, 8 * DAY))
    expect(told(rows, ['account', 'day'], 'sessions')).toEqual(tally(failed, (one) => [one.account, day(one.endedAt!)]))
  })

  test('stuck-preparing counts who prepared for over two minutes', async () => {
    const rows = await answer('stuck-preparing')

    const preparedUntil = (one: KnownSession) =>
      one.readyAt === null ? (one.endedAfter ?? LAST_LOOK) : one.readyAfter!
    const stuck = begun.filter((one) => preparedUntil(one) - one.firstSeenAt > 120)
    expect(told(rows, ['account', 'project_id'], 'stuck')).toEqual(tally(stuck, (one) => [one.account, one.projectId]))
  })

  test('displaced-by-user counts 110022 alone', async () => {
    const rows = await answer('displaced-by-user', { account: 'clinic' })

    const replaced = SESSIONS.filter((one) => one.account === 'clinic' && one.code === 110_022 && within(one.endedAt))
    expect(told(rows, ['user_id'], 'replaced')).toEqual(tally(replaced, ({ userId }) => [userId]))
  })

  test('ends and unconfirmed-ends have each end once', async () => {
    const ends = await answer('ends')
    const unconfirmed = await answer('unconfirmed-ends')

    expect(told(ends, ['account', 'status', 'end_reason'], 'sessions')).toEqual(
      tally(ended, (one) => [one.account, status(one), one.endReason]),
    )
    const absent = ended.filter(({ endReason }) => endReason === 'absent').map(({ sessionId }) => sessionId)
    expect(unconfirmed.map((row) => String(row.session_id)).sort()).toEqual(absent.sort())
  })
})

describe('watching', () => {
  const blind = BLIND.filter(({ to }) => to > FROM && to < TO).map((one) => ({
    ...one,
    seconds: one.to - one.from + TICK,
  }))

  test('time-blind is the time between complete lists, and its share', async () => {
    const rows = await answer('time-blind')

    for (const [index, account] of ACCOUNTS.entries()) {
      const own = blind.filter((one) => one.account === account)
      const seconds = own.reduce((sum, one) => sum + one.seconds, 0)
      expect(rows[index]).toEqual({
        account,
        gaps: own.length,
        minutes: percent(seconds, 6_000, 1),
        percent: percent(seconds, TO - FROM, 3),
      })
    }
  })

  test('longest-gaps begins with the longest', async () => {
    const rows = await answer('longest-gaps', { from: 0, to: LAST_LOOK })

    const all = BLIND.map(({ from, to }) => percent(to - from + TICK, 6_000, 1)).sort((a, b) => b - a)
    expect(rows.map(({ minutes }) => minutes)).toEqual(all)
    expect(rows.map(({ failed }) => failed)).toEqual([0, 0, 75, 0, 5])
    expect(rows.map(({ incomplete }) => incomplete)).toEqual([0, 0, 0, 30, 0])
  })

  test('ticks-by-day and tick-errors count them', async () => {
    const days = await answer('ticks-by-day', { from: 2 * DAY, to: 7 * DAY, account: 'clinic' })
    const errors = await answer('tick-errors', { from: 0, to: LAST_LOOK })

    expect(days.map(({ ticks, failed }) => [ticks, failed])).toEqual([
      [4_320, 75],
      [4_320, 0],
      [4_320, 0],
      [4_320, 0],
      [3_960, 0],
    ])
    expect(told(errors, ['account'], 'ticks')).toEqual(
      new Map([
        ['["clinic"]', 75],
        ['["shop"]', 5],
      ]),
    )
  })
})

describe('deliveries', () => {
  const final = DELIVERIES.filter(({ finalizedAt }) => within(finalizedAt, 2 * DAY, 8 * DAY))

  test('retries counts deliveries, the dead among them, and their attempts', async () => {
    const rows = await answer('retries')

    expect(rows).toHaveLength(3)
    for (const row of rows) {
      const own = final.filter(({ endpoint }) => endpoint === row.endpoint)
      const retried = own.filter(({ attempts }) => attempts > 1).length
      const attempts = own.reduce((sum, one) => sum + one.attempts, 0)
      expect(row).toMatchObject({
        delivered: own.filter(({ state }) => state === 'delivered').length,
        dead: own.filter(({ state }) => state === 'dead').length,
        retried,
        percent_retried: percent(retried, own.length),
        attempts_each: percent(attempts, 100 * own.length),
      })
    }
  })

  test('delivery-delay and slowest-endpoints have percentiles of days', async () => {
    const delays = await answer('delivery-delay')
    const slowest = await answer('slowest-endpoints')

    const p95 = ({ endpoint, day: of }: Row) => {
      const waits = final
        .filter((one) => one.endpoint === endpoint && one.state === 'delivered' && day(one.finalizedAt!) === of)
        .map(({ createdAt, finalizedAt }) => Math.round((finalizedAt! - createdAt) * 1_000) / 1_000)
        .sort((a, b) => a - b)
      return waits[Math.ceil(0.95 * waits.length) - 1]
    }
    expect(delays.map((row) => row.p95_seconds)).toEqual(delays.map(p95))
    for (const { endpoint, worst_p95: worst } of slowest) {
      const own = delays.filter((row) => row.endpoint === endpoint).map((row) => Number(row.p95_seconds))
      expect(worst).toBe(Math.max(...own))
    }
  })

  test('dead-deliveries and backlog have what was not delivered', async () => {
    const dead = await answer('dead-deliveries')
    const backlog = await answer('backlog')

    const given = final.filter(({ state }) => state === 'dead')
    expect(told(dead, ['endpoint', 'day'], 'dead')).toEqual(
      tally(given, (one) => [one.endpoint, day(one.finalizedAt!)]),
    )
    expect(backlog).toMatchObject([
      { endpoint: 'ep_legacy', pending: DELIVERIES.filter(({ state }) => state === 'pending').length },
    ])
  })
})

test('an answer that takes too long is refused, and the database stops working at it', async () => {
  const slow = await testDatabase()
  await sql`create or replace function report.concurrency("from" timestamptz, "to" timestamptz, step interval)
    returns table (account text, bucket timestamptz, peak integer) language sql
    as 'select null::text, null::timestamptz, null::integer from pg_sleep(40)'`.execute(slow.db)

  const asked = runReport(slow.db, findQuestion('peak-concurrency'), { channels: 10 }, { withinMs: 200 })

  await expect(asked).rejects.toMatchObject({
    code: 'input_invalid',
    message: 'the answer takes too long: ask for less time',
  })
  const { rows } = await sql`
    select query from pg_stat_activity
    where datname = current_database() and state = 'active' and backend_type = 'client backend'
      and pid <> pg_backend_pid()`.execute(slow.db)
  expect(rows).toEqual([])
  await slow.drop()
})
