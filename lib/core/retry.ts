// What to do about one attempt. Time and chance are arguments.

/**
 * What one POST met: an answer, or the stage at which it went wrong. `local_fault` is trouble of this machine or its
 * network, of which the endpoint knows nothing.
 */
export type Outcome =
  | { kind: 'answered'; status: number; retryAfterMs: number | null }
  | { kind: 'forbidden_address' | 'dns_failed' | 'connect_failed' | 'tls_failed' | 'timeout' | 'broken_answer' }
  | { kind: 'local_fault' }

/** What we do about it. `holdMs` asks the whole endpoint to be left alone that long, not only this delivery. */
export type Verdict =
  | { kind: 'delivered' }
  | { kind: 'retry'; delayMs: number; holdMs: number }
  | { kind: 'dead' }
  | { kind: 'disable'; reason: 'gone' }

const SECOND = 1_000
const HOUR = 3_600 * SECOND

/** The longest wait before try 2, 3, 4 …: 5 s doubled each time up to 6 h; the real one is a random share of it. */
export const FIRST_DELAY_MS = 5 * SECOND
/** Where the doubling ends. */
export const LONGEST_DELAY_MS = 6 * HOUR
/** How long a delivery is tried before it is dead, from its first attempt. */
export const RETRY_FOR_MS = 72 * HOUR
/** How long a claimed delivery is ours: longer than one POST can take, short enough to be soon retried after a crash. */
export const LEASE_MS = 30 * SECOND
/** The most that a receiver's `retry-after` can ask for. */
export const LONGEST_HOLD_MS = HOUR

/** The longest wait after attempt number `attempt`, counted from 1. */
export function longestDelayMs(attempt: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 30))
}

/**
 * Success is 2xx. 410 disables the endpoint and keeps the delivery; 400, 413 and 415 would say the same of the same
 * bytes for ever, so they are final; everything else, redirects too, is tried again with full jitter until `expired`.
 * `random` is in [0, 1).
 */
export function verdict(outcome: Outcome, attempt: number, expired: boolean, random: number): Verdict {
  if (outcome.kind === 'answered') {
    const { status } = outcome
    if (status >= 200 && status < 300) return { kind: 'delivered' }
    if (status === 410) return { kind: 'disable', reason: 'gone' }
    if (status === 400 || status === 413 || status === 415) return { kind: 'dead' }
  }
  if (expired) return { kind: 'dead' }
  const delayMs = Math.floor(random * longestDelayMs(attempt))
  const asked = outcome.kind === 'answered' && [429, 503].includes(outcome.status) ? outcome.retryAfterMs : null
  return asked === null
    ? { kind: 'retry', delayMs, holdMs: 0 }
    : { kind: 'retry', delayMs: Math.max(delayMs, asked), holdMs: asked }
}

/**
 * The wait that a `retry-after` header asks for, in either form (seconds, or an HTTP date), clamped to
 * 0 … LONGEST_HOLD_MS; null for none and for junk. Source: RFC 9110, 10.2.3.
 */
export function retryAfterMs(header: string | undefined, now: Date): number | null {
  const text = header?.trim() ?? ''
  const asked = /^\d+$/.test(text)
    ? Number(text) * SECOND
    : HTTP_DATE.test(text)
      ? Date.parse(text) - now.getTime()
      : NaN
  return Number.isNaN(asked) ? null : Math.min(Math.max(asked, 0), LONGEST_HOLD_MS)
}

const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
