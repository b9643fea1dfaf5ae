import { readConfig } from '../lib/config.ts'
import { drain, type DrainResult } from '../lib/deliver.ts'
import { describe } from '../lib/errors.ts'
import { openLog } from '../lib/log.ts'
import { openPoster } from '../lib/post.ts'
import { prune } from '../lib/prune.ts'
import { rollUp } from '../lib/roll-up.ts'
import { isTimer, timeLimitMs } from '../lib/scf.ts'
import { openDatabase } from '../lib/store/database.ts'
import { keepWarm } from '../lib/warm.ts'

const open = async () => {
  const config = await readConfig(process.env, ['databaseUrl', 'addressGuard', 'keyring', 'retention', 'logLevel'])
  const { databaseUrl, addressGuard, keyring, retention, logLevel } = config
  const log = openLog(logLevel, console.log)
  return { db: openDatabase(databaseUrl), poster: openPoster(addressGuard), keyring, retention, log }
}

const warm = keepWarm(open, ({ db }) => db.destroy())

/** The share of a timer's invocation that is for sums, and for the removal of what is old, each; and the most of it. */
const CARE_SHARE = 0.1
const LONGEST_CARE_MS = 2_000

/**
 * Invoked by reconcile after a commit, and by its own timer → a drain. A timer's is followed by sums for reports and a prune,
 * whose time is kept for them: where there is always something to deliver, there would never be any. Throws when the database
 * fails, or a key is missing.
 */
export async function main_handler(event: unknown, context: unknown): Promise<DrainResult> {
  const startedAt = performance.now()
  return warm(async ({ db, poster, keyring, retention, log }) => {
    const timeMs = timeLimitMs(context) - (performance.now() - startedAt)
    const careMs = isTimer(event) ? Math.min(timeMs * CARE_SHARE, LONGEST_CARE_MS) : 0
    const result = await drain(db, poster, { timeMs: timeMs - 2 * careMs, keyring })
    // What was delivered is delivered: to throw, upon which SCF begins anew, would help nobody.
    const summed = careMs > 0 ? await rollUp(db, careMs).catch(describe) : null
    const pruned = careMs > 0 ? await prune(db, retention, careMs).catch(describe) : null
    const durationMs = Math.round(performance.now() - startedAt)
    const isWell = typeof summed !== 'string' && typeof pruned !== 'string'
    log(isWell ? 'info' : 'error', 'drained', { ...result, summed, pruned, durationMs })
    return result
  })
}
