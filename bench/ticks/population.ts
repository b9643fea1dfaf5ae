// The sessions of an account as its listings show them, and how they change from one tick to the next. Chance has no part in
// it: every run lists the same. All that is done with it keeps the shares of preparing, ready and started sessions.
import { createHash } from 'node:crypto'

/** An item of a listing, as the API gives it. */
export interface Item {
  SessionId: string
  UserId: string
  SessionStatus: number
  PlayStreamAddr?: string
  DriverType: number
  IsSessionStarted: boolean
}

/** What changed between two listings: sessions, not fields. */
export interface Changes {
  created: number
  /** Became ready, or were started. */
  moved: number
  ended: number
  /** How many events that is. */
  events: number
}

interface Member {
  item: Item
  /** Its place in the listing: the API's order is none. */
  rank: number
}

/** Who is where in life; the oldest first. */
export interface Population {
  preparing: Member[]
  ready: Member[]
  started: Member[]
  /** Those that ended, and are listed as closed once. */
  closed: Member[]
  /** Counts of all that ever happened. */
  born: number
  steps: number
  arrivals: number
  moves: number
}

const IN_PROGRESS = 1
const CLOSED = 2
const PREPARING = 3
/** One of so many prepares, and another is ready but not started. */
const SHARE = 20
/** More than a tick asks statsession for are listed as closed: each tick is to see each end at once. */
const MOST_VANISHED = 500

/** So many sessions. */
export function populate(size: number): Population {
  const population: Population = {
    preparing: [],
    ready: [],
    started: [],
    closed: [],
    born: 0,
    steps: 0,
    arrivals: 0,
    moves: 0,
  }
  for (let index = 0; index < size; index += 1) {
    const member = bear(population)
    if (index % SHARE === 0) population.preparing.push(member)
    else if (index % SHARE === SHARE / 2) population.ready.push(inProgress(member))
    else population.started.push(started(member))
  }
  return population
}

/**
 * Changes so many sessions: a third appear (half of them preparing, half started already), a third move (from preparing to
 * ready, from ready to started), a third end. Of the ends 500 vanish, those beyond are listed as closed until
 * the next change.
 */
export function change(population: Population, count: number): Changes {
  if (count === 0) return { created: 0, moved: 0, ended: 0, events: 0 }
  const kinds: ['created', 'moved', 'ended'] = ['created', 'moved', 'ended']
  const changes: Changes = { created: 0, moved: 0, ended: 0, events: 0 }
  for (let index = 0; index < count; index += 1) changes[kinds[population.steps++ % kinds.length] ?? 'created'] += 1

  // All are taken before any is put: a session changes once.
  const toReady = alternate(population.moves, changes.moved)
  const readied = population.preparing.splice(0, toReady)
  const begun = population.ready.splice(0, changes.moved - toReady)
  const ended = population.started.splice(0, changes.ended)
  if (readied.length + begun.length < changes.moved || ended.length < changes.ended) {
    throw new Error(`${count} changes are more than ${population.born} sessions allow`)
  }
  const toPrepare = alternate(population.arrivals, changes.created)
  population.moves += changes.moved
  population.arrivals += changes.created
  population.ready.push(...readied.map(inProgress))
  population.started.push(...begun.map(started))
  for (let index = 0; index < changes.created; index += 1) {
    if (index < toPrepare) population.preparing.push(bear(population))
    else population.started.push(started(bear(population)))
  }
  population.closed = ended.slice(MOST_VANISHED).map(closed)
  // One that appears as started has been created, and got ready, too.
  changes.events = toPrepare + 3 * (changes.created - toPrepare) + changes.moved + changes.ended
  return changes
}

/** How many of the next `count` of an alternating series are of the first kind; `before` came already. */
const alternate = (before: number, count: number) => Math.floor((count + ((before + 1) % 2)) / 2)

/** What the API lists now, in no order. */
export function listing({ started, ready, preparing, closed }: Population): Item[] {
  return [...started, ...ready, ...preparing, ...closed].sort((a, b) => a.rank - b.rank).map(({ item }) => item)
}

/** Whether statsession has forgotten a session that ended: half of them. */
export const isForgotten = (sessionId: string) => Number(sessionId.at(-1)) % 2 === 0

function bear(population: Population): Member {
  const number = (population.born += 1)
  // Increasing, as those of the documentation look.
  const SessionId = `m${318_552_187_863_000_000n + BigInt(number) * 7_919n}`
  const UserId = `user_${hash(String(number)).slice(0, 16)}`
  const item = { SessionId, UserId, SessionStatus: PREPARING, DriverType: 1, IsSessionStarted: false }
  return { item, rank: Math.imul(number, 0x9e3779b1) }
}

function inProgress({ item, rank }: Member): Member {
  const address = `rtmp://live.qq.com/live/${item.SessionId}?txSecret=${hash(item.SessionId)}`
  return { item: { ...item, SessionStatus: IN_PROGRESS, PlayStreamAddr: address }, rank }
}

function started(member: Member): Member {
  const { item, rank } = member.item.SessionStatus === IN_PROGRESS ? member : inProgress(member)
  return { item: { ...item, IsSessionStarted: true }, rank }
}

const closed = ({ item, rank }: Member): Member => ({ item: { ...item, SessionStatus: CLOSED }, rank })

const hash = (text: string) => createHash('md5').update(text).digest('hex')
