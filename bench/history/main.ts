// `npm run generate-history -- [options]`: fills an empty database with a history to measure reports on.
import { chmodSync, mkdirSync } from 'node:fs'
import { Command } from 'commander'
import { AppError, describe } from '../../lib/errors.ts'
import { startPostgres } from '../../lib/local/postgres.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { explainDatabaseError } from '../../lib/store/fault.ts'
import { generateHistory } from './generate.ts'
import type { HistorySettings } from './settings.ts'
import { sizes } from './sizes.ts'

const command = new Command('npm run generate-history --')
  .description('fills an empty database with a history to measure reports on')
  .option('--days <n>', 'how long it is', '365')
  .option('--sessions-per-day <n>', 'on average', '20000')
  .option('--tick-seconds <n>', 'between two looks; divides an hour', '10')
  .option('--seed <n>', 'the same one gives the same history', '1')
  .option('--event-days <n>', 'for so many of the last days there are events and deliveries', '30')
  .option('--endpoints <n>', 'who get the events', '3')
  .option('--until <time>', 'when it ends, a full hour (default: the one that has begun)')
  .option('--url <url>', 'a migrated, empty database (default: DATABASE_URL)')
  .option('--data-dir <folder>', 'instead: a Postgres of its own, made in this folder and kept')
  .parse()
const values = command.opts<{
  days: string
  sessionsPerDay: string
  tickSeconds: string
  seed: string
  eventDays: string
  endpoints: string
  until?: string
  url?: string
  dataDir?: string
}>()

try {
  await run(readHistory())
} catch (error) {
  console.error(describe(explainDatabaseError(error)))
  process.exitCode = 1
}

/** Into the database at `--url` or DATABASE_URL, or into a local Postgres of its own below `--data-dir`, which is kept. */
async function run(history: HistorySettings): Promise<void> {
  const { dataDir } = values
  const url = values.url ?? process.env['DATABASE_URL']
  if (dataDir === undefined) {
    if (url === undefined) throw new AppError('input_invalid', 'say where: --url, DATABASE_URL or --data-dir FOLDER')
    return fill(url, history)
  }
  mkdirSync(dataDir, { recursive: true })
  // Or root's server account could not enter.
  chmodSync(dataDir, 0o755)
  // What a crash costs can be generated again.
  const settings = { shared_buffers: '1GB', max_wal_size: '8GB', autovacuum: 'off' }
  const postgres = await startPostgres({ dataDir, fsync: false, settings })
  // Ctrl-C and `timeout` must not leave the server behind.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void postgres.stop().finally(() => process.exit(130)))
  }
  try {
    const db = openDatabase(postgres.url)
    await migrateToLatest(db)
    await db.destroy()
    await fill(postgres.url, history)
  } finally {
    await postgres.stop()
  }
}

async function fill(url: string, history: HistorySettings): Promise<void> {
  // A year is cleaned up in one statement.
  const db = openDatabase(url, { connections: 1, queryTimeoutMs: 3_600_000 })
  const beganAt = performance.now()
  const seconds = () => `${Math.round((performance.now() - beganAt) / 1_000)} s`
  try {
    await generateHistory(db, history, ({ number, from }) => {
      console.log(`day ${number + 1} of ${history.days}, from ${from.toISOString()}: ${seconds()}`)
    })
    console.log(`${history.days} days until ${history.until.toISOString()} from seed ${history.seed}: ${seconds()}`)
    console.table(await sizes(db))
  } finally {
    await db.destroy()
  }
}

function readHistory(): HistorySettings {
  const history = {
    days: whole('--days', values.days, 1),
    sessionsPerDay: whole('--sessions-per-day', values.sessionsPerDay, 1),
    tickSeconds: whole('--tick-seconds', values.tickSeconds, 1),
    seed: whole('--seed', values.seed, 0),
    eventDays: whole('--event-days', values.eventDays, 0),
    endpoints: whole('--endpoints', values.endpoints, 0),
    until: readUntil(values.until),
  }
  if (3_600 % history.tickSeconds !== 0) throw new AppError('input_invalid', '--tick-seconds does not divide an hour')
  return history
}

function whole(option: string, text: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new AppError('input_invalid', `${option} ${text} is no whole number from ${least} on`)
  }
  return Number(text)
}

/** A full hour: by default, the one that has begun. */
function readUntil(text: string | undefined): Date {
  const hourMs = 3_600_000
  const until = text === undefined ? Math.floor(Date.now() / hourMs) * hourMs : Date.parse(text)
  if (!(until % hourMs === 0)) {
    throw new AppError('input_invalid', `--until ${text} is no full hour, such as 2026-11-01T00:00:00Z`)
  }
  return new Date(until)
}
