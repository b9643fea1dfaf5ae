import { readConfig } from '../lib/config.ts'
import { drain, type DrainResult } from '../lib/deliver.ts'
import { openLog } from '../lib/log.ts'
import { openPoster } from '../lib/post.ts'
import { timeLimitMs } from '../lib/scf.ts'
import { openDatabase } from '../lib/store/database.ts'

const open = () => {
  const { databaseUrl, addressGuard, logLevel } = readConfig(process.env, ['databaseUrl', 'addressGuard', 'logLevel'])
  return { db: openDatabase(databaseUrl), poster: openPoster(addressGuard), log: openLog(logLevel, console.log) }
}

/** Opened by the first invocation, kept while the instance is warm. */
let services: ReturnType<typeof open> | undefined

/** Invoked by reconcile after a commit, and by its own timer → a drain. Throws only when the database fails. */
export async function main_handler(_event: unknown, context: unknown): Promise<DrainResult> {
  const { db, poster, log } = (services ??= open())
  const startedAt = performance.now()
  const result = await drain(db, poster, { timeMs: timeLimitMs(context) })
  log('info', 'drained', { ...result, durationMs: Math.round(performance.now() - startedAt) })
  return result
}
