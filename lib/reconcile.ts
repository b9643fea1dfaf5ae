import type { Kysely } from 'kysely'
import pMap from 'p-map'
import { type ChangeType, diff, type Evidence, toAsk, type Transition } from './core/diff.ts'
import { eventsOf } from './core/event.ts'
import { answerDigestOf, changedPart, digestOf, fingerprintsOf } from './core/fingerprint.ts'
import { AppError, describe } from './errors.ts'
import { newId } from './id.ts'
import { type Api, listSessions, statSession } from './ivh/client.ts'
import { countSessions, readListing } from './ivh/protocol.ts'
import { type AccountState, advanceAccount, lockAccount, ensureAccount } from './store/account.ts'
import type { Database } from './store/database.ts'
import { appendEvents, fanOut } from './store/event.ts'
import { explainDatabaseError } from './store/fault.ts'
import { readKnown, saveTransitions } from './store/session.ts'
import { saveFailure, saveSnapshot, saveUnchanged } from './store/snapshot.ts'

/** One Tencent account to reconcile. */
export interface Account {
  name: string
  api: Api
}

/** What a tick did. `listed` is null where no listing was had; `reason` says why a tick was skipped or failed. */
export interface TickResult {
  account: string
  outcome: 'committed' | 'unchanged' | 'skipped' | 'failed'
  listed: number | null
  complete: boolean
  events: number
  deliveries: number
  /** Sessions that statsession was asked for, and how many it explained. */
  asked: number
  answered: number
  reason: string | null
  /** What the listing had that no documentation has, told when it was not there byte for byte the last time; unreadable items. */
  unknown: string[]
  unreadable: number
}

/** How long a tick may take; what is not done by then is left to the next. */
export interface TickOptions {
  /** For all accounts together (default 60 s): an account that is not begun by then fails. */
  timeMs?: number
  /** For one listing, all tries together. */
  listDeadlineMs?: number
  /** For all statsession calls of one tick; who was not asked by then is asked on the next tick. */
  statDeadlineMs?: number
}

/** Mostly waiting for the API: one that hangs must not keep the others from beginning. */
const ACCOUNTS_AT_ONCE = 256
const STATS_AT_ONCE = 16
/** The most that one tick asks statsession for. */
export const STATS_PER_TICK = 500
const STAT_DEADLINE_MS = 2_000
const LEAST_TIME_MS = 500

/** A tick of every account, several at once, within `timeMs`. Never throws: an account's failure is its own result. */
export function reconcile(db: Kysely<Database>, accounts: Account[], options: TickOptions = {}): Promise<TickResult[]> {
  const { timeMs = 60_000, listDeadlineMs = 10_000, statDeadlineMs = 10_000 } = options
  const end = performance.now() + timeMs
  const tickOrFail = async (account: Account) => {
    const leftMs = end - performance.now()
    if (leftMs < LEAST_TIME_MS) return { ...failedResult(account), reason: 'there was no time left for it' }
    // A fifth is kept for the database.
    const deadlines = {
      listDeadlineMs: Math.min(listDeadlineMs, leftMs * 0.4),
      statDeadlineMs: Math.min(statDeadlineMs, leftMs * 0.4),
    }
    return tick(db, account, deadlines).catch((error: unknown) => {
      return { ...failedResult(account), reason: describe(explainDatabaseError(error)) }
    })
  }
  return pMap(accounts, tickOrFail, { concurrency: ACCOUNTS_AT_ONCE })
}

/**
 * One tick: lists the account's sessions, asks after those that the listing lacks, and commits what changed with its
 * events and deliveries in one transaction. Throws when it could not list or commit; then nothing of it is stored but
 * that it failed. Safe to run twice, late, or at the same time as another.
 */
export async function tick(db: Kysely<Database>, account: Account, options: TickOptions = {}): Promise<TickResult> {
  const startedAt = performance.now()
  const durationMs = () => Math.round(performance.now() - startedAt)
  const state = await ensureAccount(db, account.name)
  try {
    return await listAndCommit(db, account, state, options, durationMs)
  } catch (error) {
    const failure = {
      accountId: state.id,
      listedAt: state.now,
      error: describe(explainDatabaseError(error)),
      durationMs: durationMs(),
    }
    // The first fault is the one to tell; when the database is gone too, there is nowhere to keep it.
    await saveFailure(db, failure).catch(() => undefined)
    throw error
  }
}

async function listAndCommit(
  db: Kysely<Database>,
  account: Account,
  state: AccountState,
  { listDeadlineMs = 10_000, statDeadlineMs = 10_000 }: TickOptions,
  durationMs: () => number,
): Promise<TickResult> {
  const { id: accountId, now: listedAt } = state
  const answer = await listSessions(account.api, listDeadlineMs)
  const bytesDigest = digestOf(answer.bytes)
  const isSavedAsUnchanged = (digest: string, sessionCount: number) => {
    const answerDigest = answerDigestOf(bytesDigest, digest)
    return saveUnchanged(db, { accountId, listedAt, digest, answerDigest, sessionCount, durationMs: durationMs() })
  }

  // The very bytes of last time need not be read.
  if (state.digest !== null && answerDigestOf(bytesDigest, state.digest) === state.answerDigest) {
    const listed = countSessions(answer.items)
    const result = { ...failedResult(account), outcome: 'unchanged' as const, listed, complete: true }
    if (await isSavedAsUnchanged(state.digest, listed)) return result
  }

  const listing = readListing(answer.items)
  const sessionCount = listing.sessions.length
  const { unreadable, unknown } = listing
  const listed = { ...failedResult(account), listed: sessionCount, complete: unreadable === 0, unreadable, unknown }
  const skipped = (reason: 'busy' | 'stale') => ({ ...listed, outcome: 'skipped' as const, reason })

  const fingerprints = fingerprintsOf(listing, state.fingerprints)
  const digest = digestOf(fingerprints)
  const isEqual = listed.complete && digest === state.digest
  if (isEqual && (await isSavedAsUnchanged(digest, sessionCount))) return { ...listed, outcome: 'unchanged' }

  const part = changedPart(listing, fingerprints, state.fingerprints, state.digest)
  const known = await readKnown(db, accountId, part)
  const ids = toAsk(known, part.listing)
  const { evidence, unasked } = await gather(account.api, ids, statDeadlineMs)
  const asked = { asked: ids.length - unasked.size, answered: evidence.size }

  return db.transaction().execute(async (tx) => {
    const locked = await lockAccount(tx, accountId)
    if (!locked) return skipped('busy')
    // Another tick has committed since this one began: its listing may be the newer one, whichever began first.
    if (locked.listedAt?.getTime() !== state.listedAt?.getTime()) return skipped('stale')

    // The database's clock may have been set back meanwhile.
    const before = locked.now > listedAt ? locked.now : listedAt
    const window = { after: locked.listedAt, completeAfter: locked.completeAt, before }
    const { transitions, complete, settled } = diff(known, part.listing, evidence, window, unasked)
    const changes = countChanges(transitions)
    const eventCount = Object.values(changes).reduce((sum, count) => sum + count, 0)
    // Made as they are appended: the bodies of all at once would be most of the memory that a first tick takes.
    const events = eventsOf(transitions, account.name, locked.position, () => newId('evt_'))

    const incarnationIds = await saveTransitions(tx, accountId, transitions, listedAt)
    await appendEvents(tx, accountId, events, incarnationIds)
    const deliveries = eventCount > 0 ? await fanOut(tx, accountId, locked.position) : 0
    await saveSnapshot(tx, { accountId, listedAt, complete, sessionCount, changes, durationMs: durationMs() })
    const position = locked.position + eventCount
    const completeAt = complete ? listedAt : locked.completeAt
    const seen = settled
      ? { digest, fingerprints, answerDigest: answerDigestOf(bytesDigest, digest) }
      : { digest: null, fingerprints: null, answerDigest: null }
    await advanceAccount(tx, accountId, { listedAt, completeAt, position, ...seen })
    return { ...listed, ...asked, outcome: 'committed', complete, events: eventCount, deliveries }
  })
}

/** Whether an account failed since the database could not be reached, or refused who we say we are. */
export function lostDatabase(results: TickResult[]): boolean {
  return results.some(({ reason }) => reason?.startsWith('database_unreachable: '))
}

/** Throws `no_account_reconciled`, with each account's reason, when every one failed. */
export function assertReconciled(results: TickResult[]): void {
  if (results.some((result) => result.outcome !== 'failed')) return
  const accountsBy = new Map<string, string[]>()
  for (const { account, reason } of results) {
    accountsBy.set(reason ?? '', [...(accountsBy.get(reason ?? '') ?? []), account])
  }
  const reasons = [...accountsBy].map(([reason, names]) => `${namesOf(names)}: ${reason}`).join('; ')
  throw new AppError('no_account_reconciled', `no account could be reconciled: ${reasons}`)
}

const namesOf = (names: string[]) =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`

function failedResult({ name }: Account): TickResult {
  const counts = { listed: null, complete: false, events: 0, deliveries: 0, asked: 0, answered: 0, unreadable: 0 }
  return { account: name, outcome: 'failed', ...counts, reason: null, unknown: [] }
}

/** What statsession says of each id, as far as number and time allow; `unasked` are those beyond. */
async function gather(api: Api, ids: string[], deadlineMs: number) {
  const end = performance.now() + deadlineMs
  const evidence = new Map<string, Evidence>()
  const unasked = new Set(ids)
  const ask = async (id: string) => {
    const leftMs = end - performance.now()
    if (leftMs <= 0) return
    unasked.delete(id)
    // One that hangs must not use up the time of all.
    const answer = await statSession(api, id, Math.min(leftMs, STAT_DEADLINE_MS)).catch(() => undefined)
    if (answer) evidence.set(id, answer)
  }
  await pMap(ids.slice(0, STATS_PER_TICK), ask, { concurrency: STATS_AT_ONCE })
  return { evidence, unasked }
}

function countChanges(transitions: Transition[]): Record<ChangeType, number> {
  const counts = { created: 0, ready: 0, started: 0, closed: 0, failed: 0 }
  for (const { changes } of transitions) for (const change of changes) counts[change] += 1
  return counts
}
