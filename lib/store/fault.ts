import { AppError, codeOf } from '../errors.ts'

/** Class 08 and 57P0x: the connection failed or the server is going down. The rest is Node's. */
const UNREACHABLE = /^(08...|57P0.|53300|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH)$/
/** A table, a column, a function or a schema that is not there. */
const UNDEFINED = new Set(['42P01', '42703', '42883', '3F000'])
const REFUSED = /^(28...|3D000)$/

/**
 * What a person can do about an error of the database, as `database_unreachable` or `not_migrated`; any other error as it
 * is. The URL stays out of it: it holds the password.
 */
export function explainDatabaseError(error: unknown): unknown {
  const code = codeOf(error)
  const options = { cause: error }
  if (UNDEFINED.has(code)) {
    return new AppError(
      'not_migrated',
      'the database lacks tables of this version: run `npx rollcall migrate`',
      options,
    )
  }
  if (UNREACHABLE.test(code) || isLost(error) || isLate(error)) {
    const why = code || (isLate(error) ? 'no answer in time' : 'connection lost')
    const message = `Postgres cannot be reached (${why}): check DATABASE_URL and that it runs`
    return new AppError('database_unreachable', message, options)
  }
  if (REFUSED.test(code)) {
    const message = `Postgres refused the connection (${code}): check user, password and database in DATABASE_URL`
    return new AppError('database_unreachable', message, options)
  }
  return error
}

const says = (error: unknown, words: RegExp) => error instanceof Error && words.test(error.message)
const isLost = (error: unknown) => says(error, /Connection terminated|connection error and is not queryable/)
const isLate = (error: unknown) => says(error, /Query read timeout|timeout exceeded when trying to connect/)
