import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import pg from 'pg'
import { inject } from 'vitest'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { TEMPLATE } from './global-setup.ts'

export interface TestDatabase {
  db: Kysely<Database>
  url: string
  /** Closes `db` and removes the database, whoever is still connected. */
  drop(): Promise<void>
}

const OBJECT_IN_USE = '55006'

/** A migrated database of its own for a test file or a test; ready in some 30 ms. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl')
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`
  await asAdmin(server, (admin) => clone(admin, name))
  const url = server.replace(/[^/]+$/, name)
  const db = openDatabase(url)
  const drop = async (): Promise<void> => {
    await db.destroy()
    await asAdmin(server, (admin) => admin.query(`drop database if exists ${name} with (force)`))
  }
  return { db, url, drop }
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
