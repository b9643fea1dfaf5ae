import { AppError } from '../errors.ts'

/** Throws `not_found` where somebody asked for an account, and none was found. */
export function assertAccount(account: string | undefined, found: readonly unknown[]): void {
  if (account !== undefined && found.length === 0) throw new AppError('not_found', 'there is no account of that name')
}
