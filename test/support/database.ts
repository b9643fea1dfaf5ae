import type { Kysely } from 'kysely'
import { inject } from 'vitest'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { cloneDatabase } from './clone.ts'

export interface TestDatabase {
  db: Kysely<Database>
  url: string
  /** Closes `db` and removes the database, whoever is still connected. */
  drop(): Promise<void>
}

/** A migrated database of its own for a test file or a test. */
export async function testDatabase(): Promise<TestDatabase> {
  const database = await cloneDatabase(inject('postgresUrl'))
  const db = openDatabase(database.url)
  return { db, url: database.url, drop: () => db.destroy().then(() => database.drop()) }
}

/** Further connections to a database: who has to wait for a lock there fails after 2 s. */
export const openImpatient = (url: string): Kysely<Database> => openDatabase(`${url}?options=-c%20lock_timeout%3D2000`)
