import { tick } from '../../lib/reconcile.ts'
import type { OpenPeer } from './peer.ts'

/** Of each size. */
export const accountOf = (size: number) => `size${size}`

/** Rollcall's own tick. */
export const rollcall: OpenPeer = (db, api, size) => {
  const account = { name: accountOf(size), api }
  const tickOnce = async () => {
    const result = await tick(db, account)
    const { outcome, events } = result
    if (outcome !== 'unchanged' && !(outcome === 'committed' && events > 0)) {
      throw new Error(`a tick came to nothing: ${JSON.stringify(result)}`)
    }
    return events
  }
  return {
    prepare: async () => void (await tickOnce()),
    tick: tickOnce,
    live: `session join account on account.id = account_id where name = '${account.name}' and ended_at is null`,
  }
}
