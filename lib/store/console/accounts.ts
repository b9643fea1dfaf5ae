import type { Kysely } from 'kysely'
import type { Database } from '../database.ts'

/** The names of all accounts there ever were. */
export async function listAccounts(db: Kysely<Database>): Promise<string[]> {
  const accounts = await db.selectFrom('account').select('name').orderBy('name').execute()
  return accounts.map(({ name }) => name)
}
