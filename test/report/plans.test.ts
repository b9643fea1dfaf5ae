// No question about a few days may read through a big table: then it would take longer with every month there is. What Postgres
// counts that it read, inside of functions too, is compared with what is there. A real Postgres with a generated history.
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateHistory } from '../../bench/history/generate.ts'
import { runReport } from '../../lib/store/report.ts'
import { QUESTIONS } from '../../lib/store/report/cookbook.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

const DAYS = 60
const UNTIL = new Date('2026-06-01T00:00:00Z')
/** The three days that are asked about are a twentieth. */
const A_GREAT_PART = 0.2
const BIG = ['session', 'session_version', 'snapshot', 'delivery', 'event', 'usage_level', 'usage_quarter']

let database: TestDatabase
/** One connection: counts are told by whoever read. */
let db: Kysely<Database>
let rows: Record<string, number>

beforeAll(async () => {
  database = await testDatabase()
  db = openDatabase(database.url, { connections: 1 })
  await generateHistory(db, {
    days: DAYS,
    sessionsPerDay: 400,
    tickSeconds: 120,
    seed: 1,
    eventDays: 40,
    endpoints: 2,
    until: UNTIL,
  })
  rows = Object.fromEntries(
    await Promise.all(
      BIG.map(async (table) => {
        const { rows: counted } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table)}`.execute(db)
        return [table, counted[0]!.n] as const
      }),
    ),
  )
}, 120_000)
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

/** Rows, or entries of indexes, that were read of each table so far. */
async function read(): Promise<Map<string, number>> {
  await sql`select pg_stat_force_next_flush()`.execute(db)
  const { rows: counts } = await sql<{ name: string; read: number }>`
    select relname as name, seq_tup_read + (
      select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes as index where index.relid = tables.relid)::bigint as read
    from pg_stat_user_tables as tables`.execute(db)
  return new Map(counts.map(({ name, read: many }) => [name, many]))
}

test.each(QUESTIONS.map((question) => [question.name, question] as const))('%s', async (_, question) => {
  const from = new Date(UNTIL.getTime() - 3 * 86_400_000).toISOString()
  await read()
  const before = await read()

  await runReport(db, question, { from, to: UNTIL.toISOString(), channels: 5, timezone: 'UTC' })

  const after = await read()
  const shares = BIG.map(
    (table) => [table, ((after.get(table) ?? 0) - (before.get(table) ?? 0)) / rows[table]!] as const,
  )
  expect(shares.filter(([, share]) => share > A_GREAT_PART)).toEqual([])
})
