import { between, type Chance, happens, pick } from './chance.ts'
import type { Settings } from './settings.ts'

/** What is drawn for a session at its creation, before anybody touches it. */
export interface Fate {
  /** When preparing ends, in readiness or in failure. */
  readonly readyAt: number
  /** 0: it will be ready. */
  readonly failureCode: number
  /** Infinity: the stream holds. */
  readonly breaksAt: number
  /** 0 to 1, for whatever concerns a fixed share of the sessions. */
  readonly lot: number
}

/** The fate of a session that is created at `at` (ms). */
export function drawFate(chance: Chance, settings: Settings, at: number): Fate {
  // All draws are made in every case, so that changing one share leaves the rest of a seeded run alone.
  const cached = happens(chance, settings.cachedShare)
  const failed = happens(chance, settings.failedShare)
  const broken = happens(chance, settings.brokenShare)
  const failureCode = pick(chance, settings.failureCodes) ?? -111003
  const preparingMs = Math.round(between(chance, settings.preparingSeconds) * 1000)
  const brokenAfterMs = Math.round(between(chance, settings.brokenAfterSeconds) * 1000)
  const readyAt = at + (cached && !failed ? 0 : preparingMs)
  return {
    readyAt,
    failureCode: failed ? failureCode : 0,
    breaksAt: broken ? readyAt + brokenAfterMs : Infinity,
    lot: between(chance, [0, 1]),
  }
}
