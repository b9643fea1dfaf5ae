// The simulator of the Digital Human session API, without the network: its state, its clock, and what callers may do.
// It is the independent truth of the tests, so it must never import Rollcall's own code.
import { type Chance, chances, text } from './chance.ts'
import { refuse, type Refusal } from './codes.ts'
import { drawFate } from './fate.ts'
import type { Fault } from './faults.ts'
import { becomeReady, end, isLive, type Life, live, type Session, transition } from './life.ts'
import { defaults, parseSettings, type Settings } from './settings.ts'

export type { Refusal } from './codes.ts'
export type { Fault } from './faults.ts'
export type { Session } from './life.ts'
export type { Settings } from './settings.ts'
export { liveAt, type LiveSession, type Transition } from './truth.ts'

/** One simulated account. `settings` and `faults` may be changed at any time and count from the next call on. */
export interface Simulator extends Life {
  readonly appkey: string
  readonly accessToken: string
  /** Milliseconds on the clock that sessions live by. */
  now(): number
  /** Milliseconds on the clock that signatures are held against. */
  wallClock(): number
  readonly faults: Fault[]
  /** HTTP calls so far by endpoint, whatever they were answered; unknown paths count as `other`. */
  readonly calls: Map<string, number>
  /** Told of the items of every list as it is answered, for a test that must know what was seen. */
  onListing?: ((items: object[]) => void) | undefined
  readonly chance: Record<'keys' | 'life' | 'answers' | 'traffic', Chance>
}

/** A call's result, or why the API refused it. */
export type Outcome<Result> = { ok: Result } | Refusal

/**
 * An empty account. The same seed, clock and calls give the same run; without keys, the seed gives them too.
 * Throws when a setting is unknown or wrong.
 */
export function createSimulator(
  options: {
    seed?: number
    appkey?: string
    accessToken?: string
    now?: () => number
    wallClock?: () => number
    settings?: Partial<Settings>
  } = {},
): Simulator {
  const chance = chances(options.seed ?? 1, ['keys', 'life', 'answers', 'traffic'])
  const now = options.now ?? Date.now
  return {
    appkey: options.appkey ?? text(chance.keys, '0123456789abcdef', 32),
    accessToken: options.accessToken ?? text(chance.keys, '0123456789abcdef', 32),
    now,
    wallClock: options.wallClock ?? Date.now,
    settings: { ...structuredClone(defaults), ...structuredClone(parseSettings(options.settings ?? {})) },
    faults: [],
    calls: new Map(),
    sessions: new Map(),
    truth: [],
    reached: now(),
    chance,
  }
}

/** Lets everything happen that is due by now (or by `at`), each at its own time. Every call does this first. */
export function advance(simulator: Simulator, at: number = simulator.now()): void {
  live(simulator, at)
}

/** What a creation asks for. Exactly one of the project and the asset; a given `sessionId` lets an ended id return. */
export interface Creation {
  userId: string
  projectId?: string
  assetKey?: string
  protocol?: Session['protocol']
  driverType?: Session['driverType']
  sessionId?: string
}

/**
 * Creates a session, preparing or (cached) ready at once, and closes the one of the same user (110022).
 * Refused with 100001 or 100008, it changes nothing.
 */
export function createSession(simulator: Simulator, creation: Creation, at?: number): Outcome<Session> {
  advance(simulator, at)
  const { settings, sessions, reached } = simulator
  const { userId, projectId = null, assetKey = null, protocol = 'rtmp', driverType = 1 } = creation
  const id = creation.sessionId ?? newSessionId(simulator)
  const holders = [...sessions.values()].filter(isLive)
  const displaced = settings.displaceSameUser ? holders.filter((session) => session.userId === userId) : []
  if (userId === '') return refuse(100001, 'UserId is empty')
  if ((projectId === null) === (assetKey === null)) return refuse(100001, 'either a project or an asset is needed')
  if (holders.some((session) => session.id === id)) return refuse(100001, 'SessionId is live')
  if (holders.length - displaced.length >= settings.capacity) return refuse(100008)

  for (const session of displaced) end(simulator, session, 'displaced', reached, { status: 2, errorCode: 110022 })
  const fate = drawFate(simulator.chance.life, settings, reached)
  const session: Session = {
    id,
    userId,
    projectId,
    assetKey,
    protocol,
    driverType,
    fate,
    status: 3,
    started: false,
    playStreamAddr: null,
    activeAt: reached,
    endedAt: null,
    errorCode: 0,
    errorMessage: '',
  }
  // A returning id takes a new place, so that the map stays in order of creation.
  sessions.delete(id)
  sessions.set(id, session)
  if (fate.readyAt <= reached && fate.failureCode === 0) becomeReady(simulator, session, 'create', reached)
  else transition(simulator, session, 'create', reached, {})
  return { ok: session }
}

/** The caller takes the session into use. A second start changes nothing; 110014 while it prepares. */
export function startSession(simulator: Simulator, sessionId: string, at?: number): Outcome<Session> {
  return withLiveSession(simulator, sessionId, at, (session) => {
    if (session.status === 3) return refuse(110014)
    const { reached } = simulator
    if (!session.started) transition(simulator, session, 'start', reached, { started: true, activeAt: reached })
    return { ok: session }
  })
}

/** Closes a session, preparing or ready; 110013 when it has ended already, 110018 when it is not known (any more). */
export function closeSession(simulator: Simulator, sessionId: string, at?: number): Outcome<Session> {
  return withLiveSession(simulator, sessionId, at, (session) => {
    end(simulator, session, 'close', simulator.reached, { status: 2, errorCode: 0 })
    return { ok: session }
  })
}

/** A drive or a WebSocket heartbeat: idleness counts from here. In reality it does not come by this HTTP API. */
export function heartbeat(simulator: Simulator, sessionId: string, at?: number): Outcome<Session> {
  return withLiveSession(simulator, sessionId, at, (session) => {
    if (session.status === 3) return refuse(110014)
    session.activeAt = simulator.reached
    return { ok: session }
  })
}

/** The platform ends a session now: a preparing one fails (4), a ready one breaks (2), with this code. */
export function breakSession(simulator: Simulator, sessionId: string, errorCode = -111002): Outcome<Session> {
  return withLiveSession(simulator, sessionId, undefined, (session) => {
    if (session.status === 3) end(simulator, session, 'failed', simulator.reached, { status: 4, errorCode })
    else end(simulator, session, 'broken', simulator.reached, { status: 2, errorCode })
    return { ok: session }
  })
}

function withLiveSession(
  simulator: Simulator,
  sessionId: string,
  at: number | undefined,
  act: (session: Session) => Outcome<Session>,
): Outcome<Session> {
  advance(simulator, at)
  const session = simulator.sessions.get(sessionId)
  if (session === undefined || isForgotten(simulator, session)) return refuse(110018)
  return isLive(session) ? act(session) : refuse(110013)
}

/** True once statsession and closesession no longer know an ended session, although a list may still show it. */
export function isForgotten({ settings, reached }: Simulator, { endedAt }: Session): boolean {
  return endedAt !== null && reached >= endedAt + settings.retentionSeconds * 1000
}

function newSessionId({ sessions, chance }: Simulator): string {
  for (;;) {
    const id = `m${text(chance.life, '123456789', 1)}${text(chance.life, '0123456789', 17)}`
    if (!sessions.has(id)) return id
  }
}
