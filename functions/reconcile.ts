import { readConfig } from '../lib/config.ts'
import { describe } from '../lib/errors.ts'
import { openLog } from '../lib/log.ts'
import { assertReconciled, lostDatabase, reconcile, type TickResult } from '../lib/reconcile.ts'
import { cloudOf, ownName, timeLimitMs } from '../lib/scf.ts'
import { accountsOf, invokeOthers, shareIn, type Uninvoked } from '../lib/share.ts'
import { openDatabase } from '../lib/store/database.ts'
import { invokeFunction } from '../lib/tencent.ts'
import { keepWarm } from '../lib/warm.ts'

const open = async () => {
  const config = await readConfig(process.env, [
    'databaseUrl',
    'accounts',
    'shares',
    'webhookFunction',
    'cloud',
    'logLevel',
  ])
  return {
    ...config,
    db: openDatabase(config.databaseUrl),
    cloud: cloudOf(config.cloud, process.env),
    log: openLog(config.logLevel, console.log),
  }
}

const warm = keepWarm(open, ({ db }) => db.destroy())

/** For the invocation of the webhook function, and the log. */
const RESERVE_MS = 500

/** What an invocation did, and the shares of other instances that none could be invoked for. */
interface Reconciled {
  accounts: TickResult[]
  uninvoked: Uninvoked[]
}

/**
 * Timer → a tick of every account, or of the first share of them while other instances are invoked for the rest; an event that
 * asks for a share → a tick of each account in it. Invokes the webhook function when there is something to deliver. Throws when
 * no account could be reconciled, so that the platform shows it and may retry, which is harmless.
 */
export async function main_handler(event: unknown, context: unknown): Promise<Reconciled> {
  const startedAt = performance.now()
  const asked = shareIn(event)
  return warm(async ({ db, accounts: all, shares, webhookFunction, cloud, log }, drop) => {
    const openedMs = performance.now() - startedAt
    // Who does not know what it is called cannot share.
    const share = asked ?? { index: 0, of: ownName(context) === '' ? 1 : Math.min(shares, all.length) }
    const accounts = accountsOf(all, share)
    const [results, uninvoked] = await Promise.all([
      reconcile(db, accounts, { timeMs: timeLimitMs(context) - RESERVE_MS - openedMs }),
      asked ? [] : invokeOthers(cloud, ownName(context), share.of),
    ])
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
    const fields = { accounts: results.length, share, events, deliveries, invoked, uninvoked, failed, odd, durationMs }
    const isWell = failed.length + uninvoked.length === 0
    log(!isWell ? 'error' : odd.length > 0 ? 'warn' : 'info', 'reconciled', fields)
    // A share may be empty: of a list of accounts that has become shorter.
    if (accounts.length > 0) assertReconciled(results)
    return { accounts: results, uninvoked }
  })
}
