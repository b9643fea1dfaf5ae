// What all tests share: one server with a migrated template database, and dist/ built once from the sources they test.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../lib/local/postgres.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { removePostgres } from './remove-postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the database `rollcall`, as superuser; it holds nothing. */
    postgresUrl: string
  }
}

/** The migrated database that each test's own is cloned from. */
export const TEMPLATE = 'rollcall_template'

/** Runs once before all test files; what it returns runs once after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  build(project.config.root)
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-test-'))
  // Not 0700, or root's server account could not enter and the data would have to lie elsewhere.
  chmodSync(dataDir, 0o755)
  const postgres = await startPostgres({ dataDir, fsync: false, settings: { max_connections: '200' } })
  try {
    await makeTemplate(postgres.url)
  } catch (error) {
    await removePostgres(postgres, dataDir)
    throw error
  }
  project.provide('postgresUrl', postgres.url)
  return () => removePostgres(postgres, dataDir)
}

async function makeTemplate(url: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url })
  await admin.connect()
  try {
    await admin.query(`create database ${TEMPLATE}`)
    const db = openDatabase(url.replace(/[^/]+$/, TEMPLATE))
    await migrateToLatest(db)
    await db.destroy()
    // Nobody can be in it, so it can be cloned at any time.
    await admin.query(`alter database ${TEMPLATE} with is_template true allow_connections false`)
  } finally {
    await admin.end()
  }
}

function build(root: string): void {
  const functions = join(root, 'functions')
  const isThere =
    existsSync(functions) && readdirSync(functions).length > 0 && existsSync(join(root, 'lib/cli/main.ts'))
  if (isThere) execFileSync(process.execPath, ['build.mjs'], { cwd: root, stdio: 'inherit' })
}
