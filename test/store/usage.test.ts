// When quarters of an hour are summed, and by whom. A real Postgres, no doubles. That the sums are right is tested in
// test/report/arithmetic.test.ts, that they stay so in test/report/final.test.ts.
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { rollUp } from '../../lib/roll-up.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { findUnsummed, SUM_STEP, sumQuarters } from '../../lib/store/usage.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

/** An account whose last complete listing was so many minutes ago, with one session that has lived for ten hours. */
async function watched(name: string, minutesAgo: number): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    insert into account (name, listed_at, complete_at)
    select ${name}, now() - at, now() - at from (select ${minutesAgo} * interval '1 minute' as at) as last
    returning id`.execute(database.db)
  const id = rows[0]!.id
  await sql`
    insert into session (account_id, session_id, incarnation, status, started, first_seen_at, revision)
    values (${id}, 'm1', 1, 1, false, now() - interval '10 hours', 1)`.execute(database.db)
  return id
}

const sum = (id: number, limit?: number) => database.db.transaction().execute((tx) => sumQuarters(tx, id, limit))

/** By how many minutes the sums of an account end before now. */
async function behind(id: number): Promise<number | undefined> {
  const { rows } = await sql<{ minutes: number }>`
    select extract(epoch from now() - until)::float8 / 60 as minutes from usage_until where account_id = ${id}`.execute(
    database.db,
  )
  return rows[0]?.minutes
}

/** The end of a quarter that is not in the last so many minutes. */
const aQuarterBefore = (minutes: number) => (value: number | undefined) =>
  value !== undefined && value >= minutes && value < minutes + 15.1

test('nothing is summed of what was not listed to the end', async () => {
  const one = await watched('one', 50)

  expect(await rollUp(database.db, 60_000)).toBeGreaterThan(30)

  expect(await behind(one)).toSatisfy(aQuarterBefore(50))
  expect(await findUnsummed(database.db)).toEqual([])
})

test('nothing is summed since a session that is missing was seen last', async () => {
  const one = await watched('one', 5)
  await sql`update session set missing_since = now() - interval '2 hours', missing_times = 1`.execute(database.db)

  await rollUp(database.db, 60_000)

  expect(await behind(one)).toSatisfy(aQuarterBefore(120))
})

test('nothing is summed that is still to come, after the clock was set back', async () => {
  const one = await watched('one', -120)

  await rollUp(database.db, 60_000)

  expect(await behind(one)).toSatisfy(aQuarterBefore(0))
})

test('an account without a complete listing, or without a session, is left in peace', async () => {
  const blind = await watched('blind', 0)
  await sql`update account set complete_at = null`.execute(database.db)
  const empty = await watched('empty', 0)
  await sql`delete from session where account_id = ${empty}`.execute(database.db)

  expect(await rollUp(database.db, 60_000)).toBe(0)

  expect(await behind(blind)).toBeUndefined()
  expect(await behind(empty)).toSatisfy(aQuarterBefore(0))
  expect(await findUnsummed(database.db)).toEqual([])
})

test('an account that cannot be summed does not keep the others from it', async () => {
  const [one, two] = [await watched('one', 0), await watched('two', 0)]
  // As nothing that Rollcall writes would have it: one ends that had not begun.
  await sql`insert into usage_until values (${one}, usage_quarter_of(now() - interval '9 hours'))`.execute(database.db)
  await sql`update session set status = 2, ended_at = now() - interval '8 hours', end_reason = 'gone' where account_id = ${one}`.execute(
    database.db,
  )

  await expect(rollUp(database.db, 60_000)).rejects.toThrow('usage_level_not_negative')

  expect(await behind(two)).toSatisfy(aQuarterBefore(0))
})

test('a step is bounded; in however little time there is one, of who is behind the most', async () => {
  const [one, two] = [await watched('one', 0), await watched('two', 0)]

  expect(await sum(one, 3)).toBe(3)
  const before = await behind(one)
  expect(await rollUp(database.db, 0)).toBe(SUM_STEP)

  expect(await behind(one)).toBeCloseTo(before!, 0)
  expect(await behind(two)).toBeLessThan(before!)
})

test('what was summed is what is told, until it is taken away to be summed anew', async () => {
  const one = await watched('one', 0)
  await rollUp(database.db, 60_000)
  const tell = async () => {
    const { rows } = await sql<{ sessions: number; peak: number }>`
      select sum(sessions)::integer as sessions,
        (select max(peak) from report.concurrency(now() - interval '2 days', now(), '1 day')) as peak
      from report.usage(now() - interval '2 days', now())`.execute(database.db)
    return rows[0]
  }
  await sql`update usage_quarter set sessions = 7 where sessions = 1`.execute(database.db)
  await sql`update usage_level set live = 9`.execute(database.db)

  expect(await tell()).toEqual({ sessions: 7, peak: 9 })
  await sql`delete from usage_until where account_id = ${one}`.execute(database.db)
  expect(await tell()).toEqual({ sessions: 1, peak: 1 })
})

test('who finds another one at it passes on, and who is stopped in the middle leaves nothing', async () => {
  const one = await watched('one', 0)
  await sum(one, 1)
  const before = await behind(one)
  const other = openDatabase(database.url, { connections: 1 })
  const stopped = other.transaction().execute(async (tx) => {
    await sumQuarters(tx, one)
    expect(await sum(one)).toBe(0)
    expect(await rollUp(database.db, 60_000)).toBe(0)
    throw new Error('stopped')
  })

  await expect(stopped).rejects.toThrow('stopped')
  await other.destroy()
  expect(await behind(one)).toBeCloseTo(before!, 0)
  expect(await rollUp(database.db, 60_000)).toBeGreaterThan(30)
})
