import type { Kysely } from 'kysely'
import { LEASE_MS, RETRY_FOR_MS, verdict } from './core/retry.ts'
import { sign } from './core/signature.ts'
import { post, type Poster } from './post.ts'
import type { Database } from './store/database.ts'
import { claim, type Claim, settle, type Settlement } from './store/delivery.ts'
import { explainDatabaseError } from './store/fault.ts'

/** What a drain did: attempts claimed, and what they came to. */
export interface DrainResult {
  claimed: number
  delivered: number
  retried: number
  dead: number
}

/** How much a drain may take on; times in milliseconds. */
export interface DrainOptions {
  /** The drain ends within it, even if more is due. */
  timeMs: number
  /** POSTs at once, in all and to one endpoint. */
  concurrency?: number
  perEndpoint?: number
  /** For one POST; the lease must outlast it. */
  postDeadlineMs?: number
  leaseMs?: number
  /** Chance for the jitter of retries, in [0, 1). */
  random?: () => number
}

/** Time kept for the last settle. */
const RESERVE_MS = 500
/** How soon deliveries that fall due are noticed while all POSTs under way are slow. */
const LOOK_AGAIN_MS = 250

/**
 * Delivers what is due until nothing is, or the time is nearly up. Throws only for the database: what was claimed then
 * falls due again when its lease ends. Any number of drains may run at once.
 */
export async function drain(db: Kysely<Database>, poster: Poster, options: DrainOptions): Promise<DrainResult> {
  try {
    return await claimAndPost(db, poster, options)
  } catch (error) {
    throw explainDatabaseError(error)
  }
}

async function claimAndPost(db: Kysely<Database>, poster: Poster, options: DrainOptions): Promise<DrainResult> {
  const { timeMs, concurrency = 200, perEndpoint = 8, postDeadlineMs = 15_000, leaseMs = LEASE_MS } = options
  const { random = Math.random } = options
  const end = performance.now() + timeMs - RESERVE_MS
  // What is claimed gets its full time; a drain that has less in all gives half of it.
  const lastClaimMs = Math.min(postDeadlineMs, timeMs / 2)
  const result: DrainResult = { claimed: 0, delivered: 0, retried: 0, dead: 0 }
  const inFlight = new Map<string, number>()
  const finished: Settlement[] = []
  let underWay = 0
  let wake = () => {}

  const start = async (claimed: Claim, leaseEnd: number) => {
    const { endpointId } = claimed
    underWay += 1
    inFlight.set(endpointId, (inFlight.get(endpointId) ?? 0) + 1)
    const deadlineMs = Math.min(postDeadlineMs, end - performance.now())
    const settlement = await attempt(poster, claimed, deadlineMs, leaseEnd, random)
    underWay -= 1
    inFlight.set(endpointId, (inFlight.get(endpointId) ?? 0) - 1)
    if (settlement) finished.push(settlement)
    wake()
  }

  for (;;) {
    const free = concurrency - underWay
    if (free > 0 && end - performance.now() > lastClaimMs) {
      const leaseEnd = performance.now() + leaseMs
      const claims = await claim(db, { limit: free, perEndpoint, inFlight, leaseMs, retryForMs: RETRY_FOR_MS })
      result.claimed += claims.length
      for (const claimed of claims) void start(claimed, leaseEnd)
    }
    if (underWay === 0 && finished.length === 0) return result
    if (finished.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_AGAIN_MS)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    if (finished.length > 0) {
      const batch = finished.splice(0)
      await settle(db, batch)
      for (const { verdict } of batch) result[COUNTED_AS[verdict.kind]] += 1
    }
  }
}

const COUNTED_AS = { delivered: 'delivered', retry: 'retried', disable: 'retried', dead: 'dead' } as const

/** One claimed delivery, sent and judged; nothing is sent, and nothing settled, when its lease might end meanwhile. */
async function attempt(
  poster: Poster,
  claimed: Claim,
  deadlineMs: number,
  leaseEnd: number,
  random: () => number,
): Promise<Settlement | undefined> {
  const startedAt = performance.now()
  if (startedAt + deadlineMs >= leaseEnd) return undefined
  const sentAt = new Date()
  const headers = {
    'content-type': 'application/cloudevents+json',
    'user-agent': 'Rollcall',
    ...sign(claimed.eventId, sentAt, claimed.body, claimed.secrets),
  }
  const outcome = await post(poster, claimed.url, { headers, body: claimed.body }, deadlineMs)
  const durationMs = Math.round(performance.now() - startedAt)
  return {
    claim: claimed,
    sentAt,
    durationMs,
    outcome,
    verdict: verdict(outcome, claimed.attempt, claimed.expired, random()),
  }
}
