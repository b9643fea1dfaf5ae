import { readConfig } from '../lib/config.ts'
import { describe } from '../lib/errors.ts'
import { openLog } from '../lib/log.ts'
import { assertReconciled, lostDatabase, reconcile, type TickResult } from '../lib/reconcile.ts'
import { cloudOf, timeLimitMs } from '../lib/scf.ts'
import { openDatabase } from '../lib/store/database.ts'
import { invokeFunction } from '../lib/tencent.ts'
import { keepWarm } from '../lib/warm.ts'

const open = async () => {
  const config = await readConfig(process.env, ['databaseUrl', 'accounts', 'webhookFunction', 'cloud', 'logLevel'])
  const { accounts, webhookFunction } = config
  const cloud = cloudOf(config.cloud, process.env)
  return {
    db: openDatabase(config.databaseUrl),
    accounts,
    webhookFunction,
    cloud,
    log: openLog(config.logLevel, console.log),
  }
}

const warm = keepWarm(open, ({ db }) => db.destroy())

/** For the invocation of the webhook function, and the log. */
const RESERVE_MS = 500

/**
 * Timer → a tick of every account. Invokes the webhook function when there is something to deliver. Throws when no
 * account could be reconciled, so that the platform shows it and may retry, which is harmless.
 */
export async function main_handler(_event: unknown, context: unknown): Promise<{ accounts: TickResult[] }> {
  const startedAt = performance.now()
  return warm(async ({ db, accounts, webhookFunction, cloud, log }, drop) => {
    const openedMs = performance.now() - startedAt
    const results = await reconcile(db, accounts, { timeMs: timeLimitMs(context) - RESERVE_MS - openedMs })
    if (lostDatabase(results)) drop()

    const deliveries = results.reduce((sum, result) => sum + result.deliveries, 0)
    let invoked: string | null = null
    if (deliveries > 0 && webhookFunction !== undefined) {
      invoked = await invokeFunction(cloud, webhookFunction).then(() => webhookFunction, describe)
    }

    const failed = results.filter((result) => result.outcome === 'failed')
    const odd = results.filter((result) => result.unknown.length > 0 || (result.listed !== null && !result.complete))
    const events = results.reduce((sum, result) => sum + result.events, 0)
    const durationMs = Math.round(performance.now() - startedAt)
    const fields = { accounts: results.length, events, deliveries, invoked, failed, odd, durationMs }
    log(failed.length > 0 ? 'error' : odd.length > 0 ? 'warn' : 'info', 'reconciled', fields)
    assertReconciled(results)
    return { accounts: results }
  })
}
