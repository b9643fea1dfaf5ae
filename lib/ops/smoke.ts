import * as v from 'valibot'
import { findDeclared, type Service } from '../deploy/service.ts'
import type { Cloud } from '../tencent.ts'
import { ask } from './ask.ts'
import type { Told } from './told.ts'

const summarySchema = v.object({
  accounts: v.array(
    v.object({
      account: v.string(),
      outcome: v.picklist(['committed', 'unchanged', 'skipped', 'failed']),
      listed: v.nullable(v.number()),
      events: v.number(),
      deliveries: v.number(),
      reason: v.nullable(v.string()),
    }),
  ),
})

/** One tick of every account, now. A tick that another one kept from its work is fine. Throws what ask.ts throws. */
export async function smoke(cloud: Cloud, service: Service): Promise<Told> {
  const { accounts } = await ask(cloud, findDeclared(service, 'reconcile'), summarySchema)
  const failed = accounts.filter(({ outcome }) => outcome === 'failed')
  return {
    isWell: failed.length === 0,
    json: { ok: failed.length === 0, accounts },
    lines: accounts.map(({ account, outcome, listed, events, deliveries, reason }) => {
      const came = listed === null ? '' : `, ${listed} live, ${events} events, ${deliveries} deliveries`
      return `${account}: ${outcome}${outcome === 'skipped' ? ` (${reason})` : ''}${came}`
    }),
    problems: failed.map(({ account, reason }) => `account ${account} failed: ${reason}`),
  }
}
