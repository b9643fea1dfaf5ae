// Whoever asks about the past: a login of their own with the role rollcall_report, and no other right.
import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import pg from 'pg'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { writeKnownData } from './known-rows.ts'

export interface Analyst {
  client: pg.Client
  url: string
  /** Ends the connection and removes the login. */
  leave(): Promise<void>
}

export async function openAnalyst({ db, url }: TestDatabase): Promise<Analyst> {
  const name = `analyst_${randomBytes(4).toString('hex')}`
  await sql.raw(`create role ${name} login password 'secret' in role rollcall_report`).execute(db)
  const own = new URL(url)
  own.username = name
  own.password = 'secret'
  const client = new pg.Client({ connectionString: own.href })
  await client.connect()
  const leave = async () => {
    await client.end()
    await sql.raw(`drop role ${name}`).execute(db)
  }
  return { client, url: own.href, leave }
}

/** A database of its own with the known data, and an analyst of it. */
export async function openKnownData(): Promise<{ database: TestDatabase; analyst: Analyst; close(): Promise<void> }> {
  const database = await testDatabase()
  await writeKnownData(database.db)
  const analyst = await openAnalyst(database)
  return { database, analyst, close: () => analyst.leave().then(() => database.drop()) }
}
