import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { postsOf } from './core/batch.ts'
import {
  FULL_PACE,
  HANGS_AFTER_MS,
  LEASE_MS,
  type Outcome,
  POST_DEADLINE_MS,
  RETRY_FOR_MS,
  verdict,
} from './core/retry.ts'
import type { Keyring } from './core/seal.ts'
import { newId } from './id.ts'
import { type Content, messageFor } from './message.ts'
import { openPlaces } from './places.ts'
import { post, type Poster } from './post.ts'
import type { Database } from './store/database.ts'
import { claim, type Claim, untilRate } from './store/claim.ts'
import { release } from './store/release.ts'
import { settle, type Settlement } from './store/settle.ts'
import { explainDatabaseError } from './store/fault.ts'
import { announceStalled } from './store/operator.ts'

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
  /** What opens the secrets of endpoints. */
  keyring?: Keyring
  /** Chance for the jitter of retries, in [0, 1). */
  random?: () => number
}

/** The deliveries of one POST, all to one endpoint. */
type PostClaims = [Claim, ...Claim[]]

/** A claimed POST. Times by `performance.now()`. */
interface Post {
  endpointId: string
  claims: PostClaims
  leaseEnd: number
  startBy: number
}

const ALWAYS = { retryForMs: RETRY_FOR_MS, hangsAfterMs: HANGS_AFTER_MS }
/** Time kept for the last settle. */
const RESERVE_MS = 500
/**
 * How soon deliveries that fall due are noticed while all POSTs under way are slow. What a commit makes has an invocation of
 * its own: drains that wait for one slow endpoint must not ask for it all the time, so each waits twice as long as before.
 */
const LOOK_AGAIN_MS = { first: 50, longest: 2_000 }
/** What ends within it of the first is settled together, unless it is half of what is held. */
const COLLECT_MS = 10
/** What was claimed ahead waits no longer for its place: an endpoint that was changed must not get what is meant for the old one. */
const LONGEST_WAIT_MS = 1_000
/** Where an endpoint has a rate: what it leaves unused for longer is lost. */
const LONGEST_LOOK_FOR_RATE_MS = 250

/**
 * Delivers what is due until nothing is, or the time is nearly up. Throws only for the database, when what was claimed falls due
 * again as its lease ends, and, once all else is done, for a key that is missing. Any number of drains may run at once.
 */
export async function drain(db: Kysely<Database>, poster: Poster, options: DrainOptions): Promise<DrainResult> {
  try {
    await announceStalled(db)
    return await claimAndPost(db, poster, options)
  } catch (error) {
    throw explainDatabaseError(error)
  }
}

async function claimAndPost(db: Kysely<Database>, poster: Poster, options: DrainOptions): Promise<DrainResult> {
  const {
    timeMs,
    concurrency = 200,
    perEndpoint = FULL_PACE,
    postDeadlineMs = POST_DEADLINE_MS,
    leaseMs = LEASE_MS,
  } = options
  const end = performance.now() + timeMs - RESERVE_MS
  // What is claimed gets its full time; a drain that has less in all gives half of it.
  const lastClaimMs = Math.min(postDeadlineMs, timeMs / 2)
  const result: DrainResult = { claimed: 0, delivered: 0, retried: 0, dead: 0 }
  let settlements: Settlement[] = []
  let lookMs = LOOK_AGAIN_MS.first
  let longestLookMs = LOOK_AGAIN_MS.longest
  let fault: unknown

  const places = openPlaces<Post>({
    concurrency,
    perEndpoint,
    send: async ({ claims, leaseEnd }) => {
      const deadlineMs = Math.min(postDeadlineMs, end - performance.now())
      const { settlements: own, fault: met } = await attempt(poster, claims, deadlineMs, leaseEnd, options)
      settlements.push(...own)
      fault ??= met
      return own.every(({ verdict }) => verdict.kind === 'delivered')
    },
  })
  const mayClaim = () => end - performance.now() > lastClaimMs
  const settleEnded = async () => {
    const { unsent } = places.take()
    const ended = settlements
    settlements = []
    if (ended.length > 0) await settle(db, ended)
    for (const { verdict } of ended) result[COUNTED_AS[verdict.kind]] += 1
    const unsentClaims = unsent.flatMap(({ claims }) => claims)
    if (unsentClaims.length > 0) await release(db, unsentClaims)
    result.claimed -= unsentClaims.length
  }
  const claimMore = async () => {
    const { held, limit } = places.demand()
    if (limit <= 0 || !mayClaim()) return
    const askedAt = performance.now()
    const claims = await claim(db, { ...ALWAYS, limit, perEndpoint, held, leaseMs })
    // It may have taken until there is no time to answer: the endpoints must not be blamed for that.
    if (!mayClaim()) return release(db, claims)
    result.claimed += claims.length
    if (claims.some(({ isRated }) => isRated)) longestLookMs = LONGEST_LOOK_FOR_RATE_MS
    const times = { leaseEnd: askedAt + leaseMs, startBy: Math.min(askedAt + LONGEST_WAIT_MS, end - lastClaimMs) }
    places.add(postsOf(claims).map((claims) => ({ endpointId: claims[0].endpointId, claims, ...times })))
  }

  try {
    for (;;) {
      await settleEnded()
      await claimMore()
      if (places.count() > 0) {
        const hasEnded = await places.untilEnded(lookMs, COLLECT_MS)
        lookMs = hasEnded ? LOOK_AGAIN_MS.first : Math.min(2 * lookMs, longestLookMs)
        continue
      }
      const waitMs = mayClaim() ? await untilRate(db) : null
      if (waitMs === null) break
      await sleep(Math.min(waitMs, LONGEST_LOOK_FOR_RATE_MS))
    }
  } finally {
    places.close()
  }
  if (fault instanceof Error) throw fault
  return result
}

const COUNTED_AS = { delivered: 'delivered', retry: 'retried', disable: 'retried', dead: 'dead' } as const

/** One POST with the events of its claims, sent and judged; neither sent nor settled when their lease might end meanwhile. */
async function attempt(
  poster: Poster,
  claims: PostClaims,
  deadlineMs: number,
  leaseEnd: number,
  { keyring = [], random = Math.random }: Pick<DrainOptions, 'keyring' | 'random'>,
): Promise<{ settlements: Settlement[]; fault?: unknown }> {
  const startedAt = performance.now()
  if (startedAt + deadlineMs >= leaseEnd) return { settlements: [] }
  const sentAt = new Date()
  const [first] = claims
  let outcome: Outcome
  let fault: unknown
  try {
    const message = messageFor(first, contentOf(claims), sentAt, keyring)
    outcome = await post(poster, first.url, message, deadlineMs)
  } catch (error) {
    // A key that is missing: the others get theirs all the same.
    fault = error
    outcome = { kind: 'local_fault' }
  }
  const durationMs = Math.round(performance.now() - startedAt)
  const settlements = claims.map((claim) => {
    const standing = { ...claim, batched: claims.length }
    const judged = verdict(outcome, standing, random())
    return { claim, sentAt, durationMs, outcome, verdict: judged, isFirst: claim === first }
  })
  return { settlements, fault }
}

/** The bytes are those of the events, one or several; a batch has an id of its own, and each event keeps its own. */
function contentOf(claims: PostClaims): Content {
  const [first, second] = claims
  if (!second) return { id: first.eventId, body: first.body, type: 'application/cloudevents+json' }
  const body = `[${claims.map((claim) => claim.body).join(',')}]`
  return { id: newId('batch_'), body, type: 'application/cloudevents-batch+json' }
}
