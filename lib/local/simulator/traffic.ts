// People who use the API: they create sessions, start most of them, drive them for a while and close most of them. It
// acts through the simulator's calls alone, so whatever it does is in the truth log.
import { between, happens, pick, type Range } from './chance.ts'
import { isLive } from './life.ts'
import type { Settings } from './settings.ts'
import { advance, closeSession, createSession, heartbeat, type Simulator, startSession } from './simulator.ts'

/** How people behave. Shares (0 to 1) are of the sessions. */
export interface TrafficOptions {
  sessionsPerMinute: number
  /** Creations at the very beginning, besides (0). */
  initialSessions?: number
  /** From seeing a session ready to startsession ([1, 5]). */
  startAfterSeconds?: Range
  /** From start to close, short ones more often than long ones ([60, 900]). */
  lengthSeconds?: Range
  /** Between two heartbeats (30). */
  heartbeatSeconds?: number
  /** Never started: the slot is held until it is idle for too long (0.05). */
  leakedShare?: number
  /** Started, then neither driven nor closed (0.05). */
  abandonedShare?: number
  /** Created by a user who has a live session, which that closes (0.05). */
  displacedShare?: number
  /** Where sessions are created, evenly; a name that begins with `asset` is an asset (two projects and an asset). */
  places?: string[]
}

/** Settings and behaviour that show starts, closes and failures within half a minute, for people who watch. */
export const lively: { settings: Partial<Settings>; traffic: TrafficOptions } = {
  settings: {
    preparingSeconds: [1, 5],
    cachedShare: 0.3,
    failedShare: 0.2,
    brokenShare: 0.1,
    brokenAfterSeconds: [3, 30],
    fields: 11,
    shuffle: true,
  },
  traffic: {
    sessionsPerMinute: 40,
    initialSessions: 10,
    lengthSeconds: [10, 60],
    leakedShare: 0.02,
    abandonedShare: 0.02,
    displacedShare: 0.08,
  },
}

/** People at work, as far as they have been let. */
export interface Traffic {
  /** Lets people do everything they have in mind up to that moment (ms), each act at its own time; then time passes to it. */
  step(untilMs: number): void
}

/** People who begin now. The simulator's seed decides all they do, however finely time is stepped. */
export function traffic(simulator: Simulator, options: TrafficOptions): Traffic {
  const crowd: Crowd = { ...usual, ...options, simulator, agenda: [], users: 0 }
  const beginAt = Math.max(simulator.now(), simulator.reached)
  for (let i = 0; i < crowd.initialSessions; i += 1) plan(crowd, beginAt, (at) => create(crowd, at))
  planArrival(crowd, beginAt)
  return {
    step: (untilMs) => {
      for (let next = crowd.agenda[0]; next !== undefined && next.at <= untilMs; next = crowd.agenda[0]) {
        crowd.agenda.shift()
        advance(simulator, next.at)
        next.act(next.at)
      }
      advance(simulator, untilMs)
    },
  }
}

/** Lets people act in real time, four times a second, until the returned function is called. Does not keep the process alive. */
export function runTraffic(simulator: Simulator, options: TrafficOptions = lively.traffic): () => void {
  const people = traffic(simulator, options)
  people.step(simulator.now())
  const timer = setInterval(() => people.step(simulator.now()), 250).unref()
  return () => clearInterval(timer)
}

const usual = {
  initialSessions: 0,
  startAfterSeconds: [1, 5] as Range,
  lengthSeconds: [60, 900] as Range,
  heartbeatSeconds: 30,
  leakedShare: 0.05,
  abandonedShare: 0.05,
  displacedShare: 0.05,
  places: ['project-a', 'project-b', 'asset-c'],
}

interface Crowd extends Required<TrafficOptions> {
  simulator: Simulator
  /** What people have in mind, in order of time. */
  agenda: { at: number; act: (at: number) => void }[]
  users: number
}

function plan({ agenda }: Crowd, moment: number, act: (at: number) => void): void {
  const at = Math.round(moment)
  const later = agenda.findIndex((other) => other.at > at)
  agenda.splice(later === -1 ? agenda.length : later, 0, { at, act })
}

function planArrival(crowd: Crowd, at: number): void {
  if (crowd.sessionsPerMinute <= 0) return
  // Exponential gaps: people arrive independently of each other.
  const gapMs = (-Math.log(1 - between(crowd.simulator.chance.traffic, [0, 1])) * 60_000) / crowd.sessionsPerMinute
  plan(crowd, at + gapMs, (then) => {
    create(crowd, then)
    planArrival(crowd, then)
  })
}

function create(crowd: Crowd, at: number): void {
  const { simulator, places, displacedShare, leakedShare } = crowd
  const chance = simulator.chance.traffic
  const live = happens(chance, displacedShare) ? [...simulator.sessions.values()].filter(isLive) : []
  const userId = pick(chance, live)?.userId ?? `user-${(crowd.users += 1)}`
  const place = pick(chance, places) ?? 'project-a'
  const where = place.startsWith('asset') ? { assetKey: place } : { projectId: place }
  const leaked = happens(chance, leakedShare)
  const outcome = createSession(simulator, { userId, driverType: happens(chance, 0.5) ? 1 : 3, ...where }, at)
  if ('ok' in outcome && !leaked) awaitReady(crowd, outcome.ok.id, at)
}

function awaitReady(crowd: Crowd, id: string, at: number): void {
  plan(crowd, at + 1000, (now) => {
    const status = crowd.simulator.sessions.get(id)?.status
    if (status === 3) awaitReady(crowd, id, now)
    if (status === 1) plan(crowd, now + milliseconds(crowd, crowd.startAfterSeconds), (then) => start(crowd, id, then))
  })
}

function start(crowd: Crowd, id: string, at: number): void {
  const outcome = startSession(crowd.simulator, id, at)
  if (!('ok' in outcome) || happens(crowd.simulator.chance.traffic, crowd.abandonedShare)) return
  const lengthMs = Math.min(milliseconds(crowd, crowd.lengthSeconds), milliseconds(crowd, crowd.lengthSeconds))
  drive(crowd, id, at, at + lengthMs)
}

function drive(crowd: Crowd, id: string, at: number, closeAt: number): void {
  const nextAt = at + crowd.heartbeatSeconds * 1000
  if (nextAt >= closeAt) return plan(crowd, closeAt, (then) => void closeSession(crowd.simulator, id, then))
  plan(crowd, nextAt, (now) => {
    if ('ok' in heartbeat(crowd.simulator, id, now)) drive(crowd, id, now, closeAt)
  })
}

function milliseconds({ simulator }: Crowd, range: Range): number {
  return between(simulator.chance.traffic, range) * 1000
}
