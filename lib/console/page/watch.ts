import type { LastTick } from '../schemas.ts'

/** Why an account is not seen: no tick ever, the last one too long ago, or failed; `incomplete`: its last list was not whole. */
type Blindness = 'never' | 'late' | 'failed' | 'incomplete'

/** An account that is not seen, and since when; null: never seen. */
export interface Blind {
  account: string
  why: Blindness
  since: Date | null
  /** The code of the fault of its last tick. */
  error: string | null
}

/** Since when nobody watches each account that is not seen, in milliseconds. */
export function blindSinceOf(ticks: readonly LastTick[], now: number): ReadonlyMap<string, number> {
  const blind = blindOf(ticks, now).filter(({ why }) => why !== 'incomplete')
  return new Map(blind.flatMap(({ account, since }) => (since ? [[account, since.getTime()]] : [])))
}

/** The accounts that are not seen at `now`, in milliseconds of the server's time. When an account is late, the server knows. */
export function blindOf(ticks: readonly LastTick[], now: number): Blind[] {
  return ticks.flatMap(({ account, listedAt, outcome, error, goodAt, lateAt }) => {
    const since = goodAt === null ? null : new Date(goodAt)
    const blind = (why: Blindness) => [{ account, why, since, error }]
    // Ticks are kept for a while only; that there was a good one is known for ever.
    if (listedAt === null || outcome === null) return blind(since === null ? 'never' : 'late')
    if (outcome === 'failed') return blind('failed')
    if (lateAt !== null && now > Date.parse(lateAt)) return blind('late')
    return outcome === 'incomplete' ? blind('incomplete') : []
  })
}

const WEEK_MS = 7 * 86_400_000

/** What to warn of: all that is not seen, but for accounts that nobody has listed for a week while others are seen. */
export function warningsOf(ticks: readonly LastTick[], now: number): Blind[] {
  const others = ticks.filter(({ listedAt, goodAt }) => {
    const last = listedAt ?? goodAt
    return last === null || now - Date.parse(last) < WEEK_MS
  })
  const isAnySeen = others.some((tick) => blindOf([tick], now).every(({ why }) => why === 'incomplete'))
  return blindOf(isAnySeen ? others : ticks, now)
}
