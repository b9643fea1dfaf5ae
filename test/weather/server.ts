// A Postgres of a test's own, safe on disk as a real one is, that the test may stop, crash and start again.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { type LocalPostgres, startPostgres } from '../../lib/local/postgres.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { eventually } from '../support/receiver.ts'
import { isAlive } from '../support/processes.ts'

export interface OwnServer {
  /** Of its migrated database. */
  url: string
  /** The folder with its data and its log. */
  home: string
  isRunning: () => boolean
  /** Ends it as an operator would: clients are cut, everything is written. */
  stop: () => Promise<void>
  /** Ends it as a power cut would: nothing is written, and it starts with a recovery. */
  crash: () => Promise<void>
  /** Starts it again where it was. */
  start: () => Promise<void>
  /** Stops it and removes its data. */
  remove: () => Promise<void>
}

/** Starts a server on `dataDir`, by default a new folder, and migrates its database. */
export async function startOwnServer(
  settings: Record<string, string> = {},
  dataDir = mkdtempSync(join(tmpdir(), 'rollcall-weather-')),
): Promise<OwnServer> {
  // Not 0700, or root's server account could not enter and the data would have to lie elsewhere.
  chmodSync(dataDir, 0o755)
  let postgres: LocalPostgres = await startPostgres({ dataDir, settings })
  const { url, home } = postgres
  let pid = serverPid(home)
  const gone = () => eventually('the server is gone', () => !isAlive(pid))
  const remove = async () => {
    await postgres.stop()
    rmSync(home, { recursive: true, force: true })
    rmSync(dataDir, { recursive: true, force: true })
  }
  try {
    const db = openDatabase(url, { connections: 1 })
    await migrateToLatest(db)
    await db.destroy()
  } catch (error) {
    await remove()
    throw error
  }
  return {
    url,
    home,
    isRunning: () => isAlive(pid),
    stop: () => postgres.stop(),
    crash: async () => {
      process.kill(pid, 'SIGQUIT')
      await gone()
      await postgres.stop()
    },
    start: async () => {
      postgres = await startPostgres({ dataDir, settings })
      pid = serverPid(home)
    },
    remove,
  }
}

const serverPid = (home: string) => Number(readFileSync(join(home, 'data/postmaster.pid'), 'utf8').split('\n')[0])

/** What the owner of a database may set for everyone who connects to it from now on. */
export async function setForDatabase(url: string, name: string, value: string): Promise<void> {
  const db = openDatabase(url, { connections: 1 })
  const database = sql.ref(new URL(url).pathname.slice(1))
  await sql`alter database ${database} set ${sql.ref(name)} = ${sql.lit(value)}`.execute(db)
  await db.destroy()
}
