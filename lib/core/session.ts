/** What the API says of a session at one moment. `status` is its number; unknown numbers are kept. */
export interface Look {
  userId: string | null
  status: number
  started: boolean
  driverType: number | null
  playStreamAddr: string | null
  /** Further fields the API sent, as they came; null when there were none. */
  extra: Record<string, unknown> | null
}

/** One readable item of a listing. */
export interface ListedSession {
  id: string
  look: Look
}

/** The API's whole answer on one tick: each id once, in any order. */
export interface Listing {
  sessions: ListedSession[]
  /** How many items could not be read. */
  unreadable: number
  /** Status numbers and field names that no documentation has, for the log; they are kept all the same. */
  unknown: string[]
}

/** When a change happened: after `after` (null: nobody watched before) and not later than `before`. */
export interface Window {
  after: Date | null
  before: Date
}

/** Why a session ended: `reported` as ended, `gone` (statsession does not know it), `absent` from the lists. */
export type EndReason = 'reported' | 'gone' | 'absent'

/** The API's own code and message for an end; null where it gave none. */
export type ApiFault = { code: number; message: string } | null

/** When and why a session ended; whether it closed or failed is its look's status. */
export interface End extends Window {
  reason: EndReason
  error: ApiFault
}

/** One incarnation of a session id, from first seen to ended, as Rollcall knows it. */
export interface Session {
  id: string
  incarnation: number
  look: Look
  firstSeen: Window
  ready: Window | null
  started: Window | null
  end: End | null
  /** The number of its events so far. */
  revision: number
  /** Set while listings lack it unexplained: the last listing that had it, and how many complete ones since did not. */
  missing: { since: Date; times: number } | null
}

/** Ready: the stream exists, started or not. Source of the four numbers: Tencent 1211/109. */
export const IN_PROGRESS = 1
/** Ended in order; final. */
export const CLOSED = 2
/** Created, the model is loading. */
export const PREPARING = 3
/** The stream could not be created; final. */
export const FAILED = 4

/** A status as events and reports name it; `unknown` for numbers no page documents. */
export type StatusName = 'preparing' | 'in_progress' | 'closed' | 'failed' | 'unknown'

/** The word for a status number, as events and reports use it. */
export function statusName(status: number): StatusName {
  switch (status) {
    case IN_PROGRESS:
      return 'in_progress'
    case CLOSED:
      return 'closed'
    case PREPARING:
      return 'preparing'
    case FAILED:
      return 'failed'
    default:
      return 'unknown'
  }
}

/** Closed and failed are final; every other number, known or not, is a session that may still hold its channel. */
export function isFinal(status: number): boolean {
  return status === CLOSED || status === FAILED
}

/**
 * The listing made of the items in any order. An id that comes twice counts once, with its liveliest look: while any
 * item says that a session lives, nothing is closed.
 */
export function makeListing(items: Iterable<ListedSession>, unreadable: number, unknown: string[] = []): Listing {
  const byId = new Map<string, ListedSession>()
  for (const item of items) {
    const known = byId.get(item.id)
    if (!known || outranks(item.look, known.look)) byId.set(item.id, item)
  }
  return { sessions: [...byId.values()], unreadable, unknown }
}

function outranks(a: Look, b: Look): boolean {
  if (liveliness(a.status) !== liveliness(b.status)) return liveliness(a.status) > liveliness(b.status)
  if (a.started !== b.started) return a.started
  return lookKey(a) > lookKey(b)
}

function liveliness(status: number): number {
  const rank = [FAILED, CLOSED, undefined, PREPARING, IN_PROGRESS].indexOf(status)
  return rank === -1 ? 2 : rank
}

/** A text that is equal for equal looks, whatever the order of their further fields. */
export function lookKey(look: Look): string {
  const { status, started, userId, driverType, playStreamAddr, extra } = look
  return jsonOf([status, started, userId, driverType, playStreamAddr, extra])
}

/** JSON in which objects are lists of their keys and values, in the order of keys. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(inOrder(value))
}

/** As entries, because no key means anything there, as `__proto__` would. */
function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(inOrder)
  const entries: unknown[] = []
  for (const key of Object.keys(value).sort()) entries.push(key, inOrder((value as Record<string, unknown>)[key]))
  return { entries }
}
