// Compares what is known of an account's sessions with a new listing and says what became of each. It must never end a
// session without one cause: a listing that says so, statsession that says so, or three complete listings without it.
import {
  CLOSED,
  type EndReason,
  FAILED,
  IN_PROGRESS,
  isFinal,
  PREPARING,
  type ApiFault,
  type Listing,
  type Look,
  type Session,
  type Window,
  lookKey,
} from './session.ts'

/** Complete listings in a row without a session, and without a word from statsession, until it counts as closed. */
export const ABSENT_AFTER = 3

/** A step of a session's life. */
export type ChangeType = 'created' | 'ready' | 'started' | 'closed' | 'failed'

/** What statsession said of one session; a session it could not be asked for has none. */
export type Evidence =
  { kind: 'found'; status: number; started: boolean; playStreamAddr: string | null; error: ApiFault } | { kind: 'gone' }

/** What is known before a tick: the open sessions, and the last incarnation of ended ids that the listing names. */
export interface Known {
  open: Session[]
  ended: ReadonlyMap<string, number>
}

/** One session's step between two snapshots; `changes` are in life order, and empty when only its look changed. */
export interface Transition {
  before: Session | null
  after: Session
  changes: ChangeType[]
}

/** Between the last committed listing (null on the first tick) and the moment all answers were in. */
export interface TickWindow extends Window {
  /** The last complete listing, if that is an older one: only then was a session that is new now surely not there. */
  completeAfter?: Date | null
}

/** What a listing changed. */
export interface Diff {
  /** Only sessions that changed in any way: ended ones first, each group in the order of ids. */
  transitions: Transition[]
  /** False when the listing was short or had unreadable items: then nothing counts as absent, nor, with the latter, as gone. */
  complete: boolean
  /** Complete, and no session is missing: an equal listing next time has nothing to tell. */
  settled: boolean
}

/** The ids to ask statsession for: open sessions that the listing lacks, and ends it reports without saying why. */
export function toAsk(known: Known, listing: Listing): string[] {
  const listed = new Map(listing.sessions.map((session) => [session.id, session.look]))
  const open = new Set(known.open.map((session) => session.id))
  const lacking = known.open
    .filter((session) => !listed.has(session.id))
    // Longest missing first, so that a budget too small for all starves none of them.
    .sort((a, b) => Number(a.missing?.since ?? Infinity) - Number(b.missing?.since ?? Infinity))
  const ending = listing.sessions.filter(
    ({ id, look }) => isFinal(look.status) && (open.has(id) || !known.ended.has(id)),
  )
  return [...lacking, ...ending].map((session) => session.id)
}

/**
 * What became of each session. `unasked` are ids that statsession was not asked for, for want of time: who is lacking waits;
 * who is listed as ended has ended, without a word why. Equal input in any order gives the equal answer; a listing equal to
 * what is known gives no transitions.
 */
export function diff(
  known: Known,
  listing: Listing,
  evidence: ReadonlyMap<string, Evidence>,
  window: TickWindow,
  unasked: ReadonlySet<string> = new Set(),
): Diff {
  const listed = new Map(listing.sessions.map((session) => [session.id, session.look]))
  const open = new Map(known.open.map((session) => [session.id, session]))
  const short = known.open.some(({ id }) => !listed.has(id) && isAlive(evidence.get(id)))
  const complete = !short && listing.unreadable === 0

  const { before, after, completeAfter = after } = window
  const transitions: Transition[] = []
  const add = (transition: Transition | null) => {
    if (transition) transitions.push(transition)
  }
  for (const { id, look } of listing.sessions) {
    const session = open.get(id)
    if (session) add(seen(session, look, evidence.get(id), window))
    // An ended id returns only as surely alive: an unknown status may be one more word for its end.
    else if (!known.ended.has(id) || ALIVE.includes(look.status)) {
      const incarnation = (known.ended.get(id) ?? 0) + 1
      add(appeared(id, incarnation, look, evidence.get(id), { after: completeAfter, before }))
    }
  }
  let settled = complete
  for (const session of known.open) {
    if (listed.has(session.id)) continue
    const counts = complete && !unasked.has(session.id)
    const facts = { counts, readable: listing.unreadable === 0 }
    const transition = lacking(session, evidence.get(session.id), facts, window)
    add(transition)
    if (!transition?.after.end) settled = false
  }

  const ended = (transition: Transition) => (transition.after.end ? 0 : 1)
  transitions.sort((a, b) => ended(a) - ended(b) || (a.after.id < b.after.id ? -1 : 1))
  return { transitions, complete, settled }
}

const ALIVE = [IN_PROGRESS, PREPARING]

function isAlive(evidence: Evidence | undefined): boolean {
  return evidence?.kind === 'found' && ALIVE.includes(evidence.status)
}

/** A session that was not open: created, and at once as far along as the look says. */
function appeared(
  id: string,
  incarnation: number,
  look: Look,
  evidence: Evidence | undefined,
  window: Window,
): Transition {
  const created: Session = {
    id,
    incarnation,
    look,
    firstSeen: window,
    ready: null,
    started: null,
    end: null,
    revision: 1,
    missing: null,
  }
  const { after, changes } = seen(created, look, evidence, window) ?? { after: created, changes: [] }
  return { before: null, after, changes: ['created', ...changes] }
}

/** An open session with a look at it, from the listing or from statsession: what the look adds to its life. */
function seen(session: Session, look: Look, evidence: Evidence | undefined, tick: Window): Transition | null {
  const window = { after: session.missing ? session.missing.since : tick.after, before: tick.before }
  const after: Session = { ...session, look, missing: null }
  const changes: ChangeType[] = []
  const step = (change: ChangeType) => {
    changes.push(change)
    after.revision += 1
  }
  if (!after.ready && (look.status === IN_PROGRESS || look.started)) {
    after.ready = window
    step('ready')
  }
  if (!after.started && look.started) {
    after.started = window
    step('started')
  }
  if (isFinal(look.status)) {
    const error = evidence?.kind === 'found' && isFinal(evidence.status) ? evidence.error : null
    after.end = { ...window, reason: 'reported', error }
    step(look.status === FAILED ? 'failed' : 'closed')
  }
  const same = changes.length === 0 && !session.missing && lookKey(look) === lookKey(session.look)
  return same ? null : { before: session, after, changes }
}

/** An open session that the listing lacks: statsession's word counts as a last look; without one it waits. */
function lacking(
  session: Session,
  evidence: Evidence | undefined,
  listing: { counts: boolean; readable: boolean },
  tick: Window,
): Transition | null {
  if (evidence?.kind === 'found' && (isAlive(evidence) || isFinal(evidence.status))) {
    const { status, started, playStreamAddr } = evidence
    const look = {
      ...session.look,
      status,
      started: started || session.look.started,
      playStreamAddr: playStreamAddr ?? session.look.playStreamAddr,
    }
    return seen(session, look, evidence, tick)
  }
  // With unreadable items in the listing, this session may be one of them.
  if (evidence?.kind === 'gone' && listing.readable) return close(session, 'gone', tick)

  const since = session.missing?.since ?? tick.after ?? tick.before
  const times = (session.missing?.times ?? 0) + (listing.counts ? 1 : 0)
  if (times >= ABSENT_AFTER) return close(session, 'absent', tick)
  if (session.missing?.times === times) return null
  return { before: session, after: { ...session, missing: { since, times } }, changes: [] }
}

function close(session: Session, reason: EndReason, tick: Window): Transition {
  const window = { after: session.missing ? session.missing.since : tick.after, before: tick.before }
  const after: Session = {
    ...session,
    look: { ...session.look, status: CLOSED },
    end: { ...window, reason, error: null },
    missing: null,
    revision: session.revision + 1,
  }
  return { before: session, after, changes: ['closed'] }
}
