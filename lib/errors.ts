import { inert } from './inert.ts'

/** Every kind of fault Rollcall raises itself. Logs and exit messages carry the code; the README explains each. */
export type ErrorCode =
  | 'config_invalid' // a setting is missing or malformed: nothing was touched
  | 'secret_unreadable' // a secret that a setting names could not be read: nothing was touched
  | 'input_invalid' // an argument of a command or a request is wrong
  | 'not_found' // what was named does not exist
  | 'api_unreachable' // no complete answer from the Digital Human API in time
  | 'api_refused' // it answered with a code other than 0
  | 'api_answer_invalid' // it answered something that is not its protocol
  | 'database_unreachable' // no connection to Postgres, or lost
  | 'not_migrated' // the tables are missing or older than this code
  | 'migration_failed'
  | 'invoke_failed' // a function could not be invoked; its timer makes up for it
  | 'cloud_refused' // Tencent Cloud's API refused a call of a deployment; it did not take effect
  | 'cloud_unreachable' // nobody knows whether a call of a deployment took effect
  | 'deploy_failed' // a function did not become what it should
  | 'no_account_reconciled'
  | 'local_postgres_failed'

/**
 * A fault with a stable code and a message that says what to do. Never holds a secret, a stream address or a body:
 * it is logged as it is.
 */
export class AppError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AppError'
    this.code = code
  }
}

/** One line for a log or a terminal: the code where there is one, and the message without line breaks. */
export function describe(error: unknown): string {
  if (error instanceof AppError) return `${error.code}: ${oneLine(error.message)}`
  if (error instanceof Error) return `${error.name}: ${oneLine(error.message || codeOf(error))}`
  return oneLine(String(error))
}

/** The code that an error brought along, of Postgres, Node or the Tencent API; empty where there is none. */
export function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : ''
}

function oneLine(text: string): string {
  return inert(text.replaceAll(/\s*[\r\n]+\s*/g, ' ')).slice(0, 500)
}
