// What to do about one attempt. Time and chance are arguments.

/**
 * What one POST met: an answer, or the stage at which it went wrong. `local_fault` is trouble of this machine or its
 * network, of which the endpoint knows nothing.
 */
export type Outcome =
  | { kind: 'answered'; status: number; retryAfterMs: number | null }
  | { kind: 'forbidden_address' | 'dns_failed' | 'connect_failed' | 'tls_failed' | 'timeout' | 'broken_answer' }
  | { kind: 'local_fault' }

/** What the claim of a delivery knows of its endpoint's past and its own. */
export interface Standing {
  /** The number of this attempt since it was queued, from 1. */
  attempt: number
  /** It has been tried for long enough: a failure now is the last. */
  expired: boolean
  /** Attempts that failed at its endpoint since the last success, and for how long it has been failing. */
  failures: number
  failingForMs: number
  /** Its endpoint has failed for DISABLE_AFTER_MS without a success, over several events. */
  hopeless: boolean
  /** How many events the POST had. */
  batched: number
}

/**
 * What we do about it. `holdMs` asks the whole endpoint to be left alone that long, since the receiver wants it so;
 * `pauseMs`, since it fails. A fault that is not `theirs` is not counted against the endpoint.
 */
export type Verdict =
  | { kind: 'delivered' }
  | { kind: 'retry'; delayMs: number; holdMs: number; pauseMs: number; theirs: boolean }
  | { kind: 'dead'; pauseMs?: number }
  | { kind: 'disable'; reason: 'gone' | 'failing' }

const SECOND = 1_000
const HOUR = 3_600 * SECOND

/** The longest wait before try 2, 3, 4 …: 5 s doubled each time up to 6 h; the real one is a random share of it. */
export const FIRST_DELAY_MS = 5 * SECOND
/** Where the doubling ends. */
export const LONGEST_DELAY_MS = 6 * HOUR
/** How long a delivery is tried before it is dead, from its first attempt. */
export const RETRY_FOR_MS = 72 * HOUR
/** How long one POST may take. */
export const POST_DEADLINE_MS = 15 * SECOND
/** How long a claimed delivery is ours: longer than one POST can take, short enough to be soon retried after a crash. */
export const LEASE_MS = 30 * SECOND
/**
 * An endpoint with a POST under way for longer is left to the drains that wait for it, which look for what is due, too. Or one
 * that hangs would keep each new drain busy for as long as a POST may last.
 */
export const HANGS_AFTER_MS = 250
/** The most that a receiver's `retry-after` can ask for. */
export const LONGEST_HOLD_MS = HOUR
/** POSTs under way at once to one endpoint; fewer while it recovers. */
export const FULL_PACE = 8
/** Failures in a row after which an endpoint is paused before each further attempt. */
export const PAUSE_AFTER = 5
/** The longest pause between two attempts at an endpoint that fails. */
export const LONGEST_PAUSE_MS = 60 * SECOND
/** How long an endpoint may do nothing but fail before it is disabled, */
export const DISABLE_AFTER_MS = 120 * HOUR
/** and at how many events at least. */
export const DISABLE_AFTER_EVENTS = 3

/** The longest wait after attempt number `attempt`, counted from 1. */
export function longestDelayMs(attempt: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 30))
}

/**
 * The longest pause before the next attempt at an endpoint that has failed so often, for so long: half as long as it has been
 * failing, so that one that is soon back is soon noticed, up to a minute.
 */
export function longestPauseMs(failures: number, failingForMs: number): number {
  return failures < PAUSE_AFTER ? 0 : Math.min(LONGEST_PAUSE_MS, failingForMs / 2)
}

const FINAL = [400, 413, 415]

/**
 * Success is 2xx. 410 disables the endpoint and keeps the delivery; 400, 413 and 415 would say the same of the same
 * bytes for ever, so they are final, but of a batch, whose events are then sent one by one. Everything else, redirects
 * too, is tried again with full jitter until `expired`, unless the endpoint is hopeless. Our own side's faults end nothing.
 * `random` is in [0, 1).
 */
export function verdict(outcome: Outcome, standing: Standing, random: number): Verdict {
  const delayMs = Math.floor(random * longestDelayMs(standing.attempt))
  if (outcome.kind === 'local_fault') return { kind: 'retry', delayMs, holdMs: 0, pauseMs: 0, theirs: false }
  const status = outcome.kind === 'answered' ? outcome.status : 0
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  if (status === 410) return { kind: 'disable', reason: 'gone' }
  if (FINAL.includes(status)) {
    return standing.batched > 1 ? { kind: 'retry', delayMs: 0, holdMs: 0, pauseMs: 0, theirs: false } : { kind: 'dead' }
  }
  if (standing.hopeless) return { kind: 'disable', reason: 'failing' }
  const pauseMs = Math.floor(((1 + random) / 2) * longestPauseMs(standing.failures + 1, standing.failingForMs))
  if (standing.expired) return { kind: 'dead', ...(pauseMs > 0 && { pauseMs }) }
  const asked = outcome.kind === 'answered' && [429, 503].includes(status) ? outcome.retryAfterMs : null
  return { kind: 'retry', delayMs: Math.max(delayMs, asked ?? 0), holdMs: asked ?? 0, pauseMs, theirs: true }
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
