import { readConfig } from '../lib/config.ts'
import { drain, type DrainResult } from '../lib/deliver.ts'
import { describe } from '../lib/errors.ts'
import { openLog } from '../lib/log.ts'
import { openPoster } from '../lib/post.ts'
import { prune } from '../lib/prune.ts'
import { isTimer, timeLimitMs } from '../lib/scf.ts'
import { openDatabase } from '../lib/store/database.ts'

const open = () => {
  const config = readConfig(process.env, ['databaseUrl', 'addressGuard', 'keyring', 'retention', 'logLevel'])
  const { databaseUrl, addressGuard, keyring, retention, logLevel } = config
  const log = openLog(logLevel, console.log)
  return { db: openDatabase(databaseUrl), poster: openPoster(addressGuard), keyring, retention, log }
}

/** Opened by the first invocation, kept while the instance is warm. */
let services: ReturnType<typeof open> | undefined

/** The share of a timer's invocation that is for the removal of what is old, and the most of it. */
const PRUNE_SHARE = 0.1
const LONGEST_PRUNE_MS = 2_000

/**
 * Invoked by reconcile after a commit, and by its own timer → a drain. A timer's is followed by a prune, whose time is kept for
 * it: where there is always something to deliver, there would never be any. Throws when the database fails, or a key is missing.
 */
export async function main_handler(event: unknown, context: unknown): Promise<DrainResult> {
  const { db, poster, keyring, retention, log } = (services ??= open())
  const startedAt = performance.now()
  const timeMs = timeLimitMs(context)
  const pruneMs = isTimer(event) ? Math.min(timeMs * PRUNE_SHARE, LONGEST_PRUNE_MS) : 0
  const result = await drain(db, poster, { timeMs: timeMs - pruneMs, keyring })
  // What was delivered is delivered: to throw, upon which SCF begins anew, would help nobody.
  const pruned = pruneMs > 0 ? await prune(db, retention, pruneMs).catch(describe) : null
  const durationMs = Math.round(performance.now() - startedAt)
  log(typeof pruned === 'string' ? 'error' : 'info', 'drained', { ...result, pruned, durationMs })
  return result
}
