import { tick } from '../../lib/reconcile.ts'
import type { OpenPeer } from './peer.ts'

/** Rollcall's own tick, of an account for each size. */
export const rollcall: OpenPeer = (db, api, size) => {
  const name = `size${size}`
  return {
    prepare: async () => undefined,
    tick: async () => {
      const result = await tick(db, { name, api })
      if (result.outcome === 'skipped' || result.outcome === 'failed' || !result.complete) {
        throw new Error(`a tick came to nothing: ${JSON.stringify(result)}`)
      }
      return result.events
    },
    live: `session join account on account.id = account_id where name = '${name}' and ended_at is null`,
  }
}
