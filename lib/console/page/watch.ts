import type { LastTick } from '../schemas.ts'

/** Why an account is not seen: no tick ever, the last one too long ago, or failed; `incomplete`: seen in part. */
export type Blindness = 'never' | 'late' | 'failed' | 'incomplete'

/** An account that is not seen, and since when; null: never seen. */
export interface Blind {
  account: string
  why: Blindness
  since: Date | null
  /** The code of the fault of its last tick. */
  error: string | null
}

/** A tick is late after this, where nobody knows better. */
export const lateAfter = 60_000

/**
 * The accounts that are not seen at `now`, in milliseconds of the server's time. `lateMs` is after what time without a tick an account
 * counts as not seen.
 */
export function blindOf(ticks: readonly LastTick[], now: number, lateMs: number = lateAfter): Blind[] {
  return ticks.flatMap(({ account, listedAt, outcome, error, goodAt }) => {
    const since = goodAt === null ? null : new Date(goodAt)
    const blind = (why: Blindness) => [{ account, why, since, error }]
    if (listedAt === null || outcome === null) return blind('never')
    if (now - Date.parse(listedAt) > lateMs) return blind('late')
    if (outcome === 'failed') return blind('failed')
    return outcome === 'incomplete' ? blind('incomplete') : []
  })
}
