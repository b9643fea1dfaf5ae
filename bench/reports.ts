// How long does each question of the cookbook take, over its days of a long history? Beside it a peer in the same run: reading
// the whole table of sessions once. `npm run bench -- reports --data-dir FOLDER`, as generate-history left it, or `--url URL`.
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import { startPostgres } from '../lib/local/postgres.ts'
import { migrateToLatest } from '../lib/migrate.ts'
import { rollUp } from '../lib/roll-up.ts'
import { openDatabase } from '../lib/store/database.ts'
import { runReport } from '../lib/store/report.ts'
import { QUESTIONS } from '../lib/store/report/cookbook.ts'
import { sizes } from './history/sizes.ts'
import type { Report } from './main.ts'
import { median } from './statistics.ts'

const ROUNDS = 5
const CHANNELS = 250

export async function reports(args: string[]): Promise<Report> {
  const { values } = parseArgs({ args, options: { url: { type: 'string' }, 'data-dir': { type: 'string' } } })
  if (values.url !== undefined) return measure(values.url)
  const dataDir = values['data-dir']
  if (dataDir === undefined) throw new Error('say of which history: --url URL or --data-dir FOLDER')
  const postgres = await startPostgres({ dataDir })
  try {
    return await measure(postgres.url)
  } finally {
    await postgres.stop()
  }
}

async function measure(url: string): Promise<Report> {
  const db = openDatabase(url, { connections: 1, queryTimeoutMs: 600_000 })
  try {
    await migrateToLatest(db)
    const beganAt = performance.now()
    const quarters = await rollUp(db, 86_400_000)
    const rollUpSeconds = (performance.now() - beganAt) / 1_000
    if (quarters > 0) await sql`vacuum (analyze) usage_quarter, usage_level, usage_until`.execute(db)
    console.log(`${quarters} quarters of an hour summed in ${rollUpSeconds.toFixed(1)} s`)

    const { rows: last } = await sql<{ to: string }>`select max(listed_at)::text as "to" from account`.execute(db)
    const whole = median(await times(ROUNDS, () => sql`select count(status) from session`.execute(db)))
    const table: Report['table'] = {}
    for (const question of QUESTIONS) {
      let rows = 0
      const ask = async () => {
        rows = (await runReport(db, question, { to: last[0]!.to, channels: CHANNELS })).rows.length
      }
      const [first = 0] = await times(1, ask)
      const ms = median(await times(ROUNDS, ask))
      table[question.name] = {
        rows,
        first_ms: Math.round(first),
        ms: Math.round(ms),
        of_reading_all: round(ms / whole),
      }
    }
    return { table, figures: { whole, quarters, rollUpSeconds, sizes: await sizes(db) } }
  } finally {
    await db.destroy()
  }
}

async function times(rounds: number, what: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const beganAt = performance.now()
    await what()
    taken.push(performance.now() - beganAt)
  }
  return taken
}

const round = (ratio: number) => Math.round(ratio * 1_000) / 1_000
