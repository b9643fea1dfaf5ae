import type { Kysely } from 'kysely'
import { AppError } from '../errors.ts'
import { listAccounts } from '../store/console/accounts.ts'
import type { Database } from '../store/database.ts'

export const unknownAccount = () => new AppError('not_found', 'there is no account of that name')

/** Throws `not_found` where somebody asks for an account that never was. */
export async function assertAccount(db: Kysely<Database>, account: string | undefined): Promise<void> {
  if (account !== undefined && !(await listAccounts(db)).includes(account)) throw unknownAccount()
}
