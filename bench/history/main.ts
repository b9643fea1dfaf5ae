// `npm run generate-history -- [options]`: fills an empty database with a history to measure reports on.
import { chmodSync, mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { AppError, describe } from '../../lib/errors.ts'
import { startPostgres } from '../../lib/local/postgres.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { explainDatabaseError } from '../../lib/store/fault.ts'
import { generateHistory } from './generate.ts'
import type { HistorySettings } from './settings.ts'
import { sizes } from './sizes.ts'

const { values } = parseArgs({
  options: {
    days: { type: 'string', default: '365' },
    'sessions-per-day': { type: 'string', default: '20000' },
    'tick-seconds': { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    'event-days': { type: 'string', default: '30' },
    endpoints: { type: 'string', default: '3' },
    until: { type: 'string' },
    url: { type: 'string' },
    'data-dir': { type: 'string' },
  },
})

try {
  await run(readHistory())
} catch (error) {
  console.error(describe(explainDatabaseError(error)))
  process.exitCode = 1
}

/** Into the database at `--url` or DATABASE_URL, or into a local Postgres of its own below `--data-dir`, which is kept. */
async function run(history: HistorySettings): Promise<void> {
  const dataDir = values['data-dir']
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
    days: whole('days', 1),
    sessionsPerDay: whole('sessions-per-day', 1),
    tickSeconds: whole('tick-seconds', 1),
    seed: whole('seed', 0),
    eventDays: whole('event-days', 0),
    endpoints: whole('endpoints', 0),
    until: readUntil(values.until),
  }
  if (3_600 % history.tickSeconds !== 0) throw new AppError('input_invalid', '--tick-seconds does not divide an hour')
  return history
}

function whole(
  name: 'days' | 'sessions-per-day' | 'tick-seconds' | 'seed' | 'event-days' | 'endpoints',
  least: number,
) {
  const text = values[name]
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new AppError('input_invalid', `--${name} ${text} is no whole number from ${least} on`)
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
