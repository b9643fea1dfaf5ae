import { readConfig } from '../lib/config.ts'
import { drain, type DrainResult } from '../lib/deliver.ts'
import { openLog } from '../lib/log.ts'
import { openPoster } from '../lib/post.ts'
import { timeLimitMs } from '../lib/scf.ts'
import { openDatabase } from '../lib/store/database.ts'

const open = () => {
  const config = readConfig(process.env, ['databaseUrl', 'addressGuard', 'keyring', 'logLevel'])
  const { databaseUrl, addressGuard, keyring, logLevel } = config
  const log = openLog(logLevel, console.log)
  return { db: openDatabase(databaseUrl), poster: openPoster(addressGuard), keyring, log }
}

/** Opened by the first invocation, kept while the instance is warm. */
let services: ReturnType<typeof open> | undefined

/** Invoked by reconcile after a commit, and by its own timer → a drain. Throws when the database fails, or a key is missing. */
export async function main_handler(_event: unknown, context: unknown): Promise<DrainResult> {
  const { db, poster, keyring, log } = (services ??= open())
  const startedAt = performance.now()
  const result = await drain(db, poster, { timeMs: timeLimitMs(context), keyring })
  log('info', 'drained', { ...result, durationMs: Math.round(performance.now() - startedAt) })
  return result
}
