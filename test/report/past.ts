// Random pasts for the tests of reports, and the plain arithmetic that reports are held against: over lists in memory, without SQL.
import fc from 'fast-check'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import { sumQuarters } from '../../lib/store/usage.ts'

/** One life as the table keeps it; times in seconds since BEGAN. */
export interface Life {
  account: string
  project: string | null
  firstSeenAfter: number | null
  firstSeenAt: number
  /** Missing: nobody looked between. */
  readyAfter?: number
  readyAt: number | null
  startedAt: number | null
  /** Null: it lives. */
  endedAfter: number | null
  endedAt: number | null
  failed: boolean
  code: number | null
}

/** Before it, in New York, the clock was set forward; after it, in November, it is set back. */
export const BEGAN = Date.parse('2026-10-30T00:00:00Z') / 1_000
export const DAY = 86_400

export const ACCOUNTS = ['one', 'two']

const seconds = (days: number) => fc.integer({ min: 0, max: days * DAY })
// Whole minutes, too, so that many things happen in the same moment.
const moment = fc.oneof(
  seconds(5),
  fc.integer({ min: 0, max: 5 * 24 }).map((hour) => hour * 3_600),
)
const span = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 90 }),
  fc.integer({ min: 1, max: 3 * 3_600 }),
  fc.integer({ min: 1, max: 30 }).map((hours) => hours * 3_600),
  seconds(3),
)

const life: fc.Arbitrary<Life> = fc
  .record({
    account: fc.constantFrom(...ACCOUNTS),
    project: fc.constantFrom(null, '', 'p1', 'p2'),
    unseen: fc.option(span, { freq: 5 }),
    firstSeenAt: moment,
    untilReady: fc.option(span),
    untilStarted: fc.option(span),
    untilEnd: fc.option(span, { freq: 8 }),
    unsure: fc.option(span, { freq: 8 }),
    failed: fc.boolean(),
    code: fc.constantFrom(null, -111_003, 110_022, 4_711),
  })
  .map(({ account, project, unseen, firstSeenAt, untilReady, untilStarted, untilEnd, unsure, failed, code }) => {
    const endedAt = untilEnd === null ? null : firstSeenAt + untilEnd
    const within = (after: number, wait: number | null) =>
      wait === null || (endedAt !== null && after + wait > endedAt) ? null : after + wait
    const readyAt = within(firstSeenAt, untilReady)
    return {
      account,
      project,
      firstSeenAfter: unseen === null ? null : firstSeenAt - unseen,
      firstSeenAt,
      readyAt,
      startedAt: readyAt === null ? null : within(readyAt, untilStarted),
      endedAfter: endedAt === null || unsure === null ? null : endedAt - unsure,
      endedAt,
      failed,
      code: endedAt === null ? null : code,
    }
  })

export const past = fc.array(life, { maxLength: 40 })

const toDate = (second: number | null) => (second === null ? null : new Date((BEGAN + second) * 1_000))

/** For how many quarters of an hour the past has been summed when it is asked about: of none, of some, of all. */
export const summed = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9 * 96 }), fc.constant(20 * 96))

/** Writes the lives instead of those that are there, and sums some of them; nobody has looked since `listedAt`. */
export async function writePast(db: Kysely<Database>, lives: Life[], listedAt: Date, quarters = 0): Promise<void> {
  await sql`truncate usage_until, usage_level, usage_quarter`.execute(db)
  await db.deleteFrom('session').execute()
  await db.deleteFrom('account').execute()
  const accounts = await db
    .insertInto('account')
    .values(ACCOUNTS.map((name) => ({ name, listed_at: listedAt, complete_at: listedAt })))
    .returning(['id', 'name'])
    .execute()
  const ids = new Map(accounts.map(({ id, name }) => [name, id]))
  const rows = lives.map((one, index) => ({
    account_id: ids.get(one.account) ?? 0,
    session_id: `m${index}`,
    incarnation: 1,
    status: one.endedAt === null ? 1 : one.failed ? 4 : 2,
    started: one.startedAt !== null,
    extra: one.project === null ? null : JSON.stringify({ VirtualmanProjectId: one.project }),
    first_seen_after: toDate(one.firstSeenAfter),
    first_seen_at: toDate(one.firstSeenAt)!,
    ready_after: toDate(one.readyAfter ?? null),
    ready_at: toDate(one.readyAt),
    started_at: toDate(one.startedAt),
    ended_after: toDate(one.endedAfter),
    ended_at: toDate(one.endedAt),
    end_reason: one.endedAt === null ? null : ('reported' as const),
    error_code: one.code,
    revision: 1,
  }))
  if (rows.length > 0) await db.insertInto('session').values(rows).execute()
  // In several steps, as it comes about.
  for (let step = 0; step < 3; step += 1) {
    for (const { id } of accounts) await db.transaction().execute((tx) => sumQuarters(tx, id, Math.ceil(quarters / 3)))
  }
}

/** How many of these live at a moment. */
export const liveAt = (lives: Life[], at: number) =>
  lives.filter(({ firstSeenAt, endedAt }) => firstSeenAt <= at && (endedAt === null || endedAt > at)).length

/** The most that live at once from one moment up to another: the number changes only where one begins or ends. */
export const peakOf = (lives: Life[], from: number, to: number) =>
  Math.max(
    0,
    ...[from, ...lives.map(({ firstSeenAt }) => firstSeenAt)]
      .filter((at) => at >= from && at < to)
      .map((at) => liveAt(lives, at)),
  )

/** Seconds of a life within a span; none where it begins after it ends. */
export const overlap = (beganAt: number, endedAt: number, from: number, to: number) =>
  Math.max(0, Math.min(endedAt, to) - Math.max(beganAt, from))

/** When a day begins in a time zone, in seconds since BEGAN; days are counted from that of BEGAN in UTC. */
export function midnight(day: number, timeZone: string): number {
  const wanted = BEGAN + day * DAY
  const clock = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  const offset = (at: number) => {
    const name = clock.formatToParts(at * 1_000).find(({ type }) => type === 'timeZoneName')?.value ?? ''
    const [, sign, hours = '0', minutes = '0'] = /GMT([+-])(\d+):(\d+)/.exec(name) ?? []
    return (sign === '-' ? -1 : 1) * (Number(hours) * 3_600 + Number(minutes) * 60)
  }
  const guess = wanted - offset(wanted)
  return wanted - offset(guess) - BEGAN
}
