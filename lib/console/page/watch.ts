import type { LastTick, Now, Watching } from '../schemas.ts'

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
    if (listedAt === null || outcome === null) return blind('never')
    if (outcome === 'failed') return blind('failed')
    if (lateAt !== null && now > Date.parse(lateAt)) return blind('late')
    return outcome === 'incomplete' ? blind('incomplete') : []
  })
}

/**
 * The peak of each bucket; null where nobody watched: there a gap of each of `accounts` accounts reaches over the whole of it. To say
 * 0 would be to say that nobody was live.
 */
export function watchedPeaks(
  concurrency: Now['concurrency'],
  gaps: Watching['gaps'],
  accounts: number,
): (number | null)[] {
  const spans = gaps.map(({ account, from, to }) => ({
    account,
    from: from === null ? -Infinity : Date.parse(from),
    to: to === null ? Infinity : Date.parse(to),
  }))
  return concurrency.map(({ at, peak }, index) => {
    const from = Date.parse(at)
    const next = concurrency[index + 1]
    const to = next ? Date.parse(next.at) : from + 1
    const blind = new Set(spans.filter((gap) => gap.from <= from && gap.to >= to).map(({ account }) => account))
    return blind.size > 0 && blind.size >= accounts ? null : peak
  })
}
