import { type Kysely, sql } from 'kysely'
import type { Database } from '../database.ts'

/** The names of all accounts there ever were. */
export async function listAccounts(db: Kysely<Database>): Promise<string[]> {
  const accounts = await db.selectFrom('account').select('name').orderBy('name').execute()
  return accounts.map(({ name }) => name)
}

/** Whether the database answers at all. Throws what it throws. */
export async function askDatabase(db: Kysely<Database>): Promise<void> {
  await sql`select 1`.execute(db)
}
