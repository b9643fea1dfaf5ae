// Databases for tests, without the test runner: the simulation also runs outside it.
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startPostgres } from '../../lib/local/postgres.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { removePostgres } from './remove-postgres.ts'

/** The migrated database that each test's own is cloned from. */
const TEMPLATE = 'rollcall_template'
const OBJECT_IN_USE = '55006'

/** A server of its own with the migrated template; its data is lost when it is stopped. */
export async function startTestServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-test-'))
  // Not 0700, or root's server account could not enter and the data would have to lie elsewhere.
  chmodSync(dataDir, 0o755)
  const postgres = await startPostgres({ dataDir, fsync: false, settings: { max_connections: '200' } })
  const stop = () => removePostgres(postgres, dataDir)
  try {
    await asAdmin(postgres.url, makeTemplate(postgres.url))
  } catch (error) {
    await stop()
    throw error
  }
  return { url: postgres.url, stop }
}

const makeTemplate = (url: string) => async (admin: pg.Client) => {
  await admin.query(`create database ${TEMPLATE}`)
  const db = openDatabase(url.replace(/[^/]+$/, TEMPLATE))
  await migrateToLatest(db)
  await db.destroy()
  // Nobody can be in it, so it can be cloned at any time.
  await admin.query(`alter database ${TEMPLATE} with is_template true allow_connections false`)
}

/** A migrated database of its own on the server; ready in some 30 ms. `drop` removes it, whoever is still connected. */
export async function cloneDatabase(server: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`
  await asAdmin(server, (admin) => clone(admin, name))
  return {
    url: server.replace(/[^/]+$/, name),
    drop: () => asAdmin(server, (admin) => admin.query(`drop database if exists ${name} with (force)`)),
  }
}

async function clone(admin: pg.Client, name: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; await sleep(50)) {
    try {
      await admin.query(`create database ${name} template ${TEMPLATE}`)
      return
    } catch (error) {
      const inUse = error instanceof pg.DatabaseError && error.code === OBJECT_IN_USE
      if (!inUse || Date.now() > deadline) throw error
    }
  }
}

async function asAdmin(url: string, action: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client({ connectionString: url })
  await admin.connect()
  try {
    await action(admin)
  } finally {
    await admin.end()
  }
}
