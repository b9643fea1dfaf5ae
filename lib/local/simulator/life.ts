// The life of sessions: what happens to them by itself, and when. Every change of a session goes through `transition`,
// which writes the truth log; nothing else may set a status.
import { messageOf } from './codes.ts'
import type { Fate } from './fate.ts'
import type { Settings } from './settings.ts'
import type { Cause, Status, Transition } from './truth.ts'

/** One session as the API keeps it. The fields that change do so in place. */
export interface Session {
  readonly id: string
  readonly userId: string
  readonly projectId: string | null
  readonly assetKey: string | null
  readonly protocol: 'rtmp' | 'trtc' | 'webrtc'
  readonly driverType: 1 | 3
  readonly fate: Fate
  status: Status
  started: boolean
  /** Null until the stream is ready, kept after the end. */
  playStreamAddr: string | null
  /** The last creation, readiness, start or heartbeat: idleness counts from here. */
  activeAt: number
  endedAt: number | null
  errorCode: number
  errorMessage: string
}

/** The part of the simulator that lives: its sessions, and the log of all that happened to them. */
export interface Life {
  readonly settings: Settings
  /** Live ones, and ended ones for as long as an answer may mention them. */
  readonly sessions: Map<string, Session>
  readonly truth: Transition[]
  /** The moment up to which everything has happened; never goes back, whatever the clock does. */
  reached: number
  /** Before it nothing is due under those settings, or people who act at ten thousand sessions would look through them all each time. */
  quiet?: { until: number; settings: string }
}

/** A session's end, as statsession will tell it. */
export interface Ending {
  status: 2 | 4
  errorCode: number
  errorMessage?: string
}

/** True for a session that holds a slot: preparing or in progress. */
export function isLive(session: Session): boolean {
  return session.status === 1 || session.status === 3
}

/** Applies one change to a session and logs it; a time before `reached` counts as `reached`, so the log stays in order. */
export function transition(life: Life, session: Session, cause: Cause, at: number, after: Partial<Session>): void {
  life.reached = Math.max(life.reached, at)
  const from = cause === 'create' ? null : session.status
  Object.assign(session, after)
  life.truth.push({
    at: life.reached,
    time: new Date(life.reached).toISOString(),
    sessionId: session.id,
    userId: session.userId,
    from,
    to: session.status,
    started: session.started,
    cause,
    errorCode: session.errorCode,
    errorMessage: session.errorMessage,
  })
  if (life.quiet) life.quiet.until = Math.min(life.quiet.until, dueAt(session, life.settings))
}

/** The stream is there: it has an address, and idleness counts from now. */
export function becomeReady(life: Life, session: Session, cause: 'create' | 'ready', at: number): void {
  transition(life, session, cause, at, { status: 1, activeAt: at, playStreamAddr: streamAddress(session) })
}

/** Ends a live session for good. */
export function end(life: Life, session: Session, cause: Cause, at: number, ending: Ending): void {
  const { status, errorCode, errorMessage = messageOf(errorCode) } = ending
  transition(life, session, cause, at, { status, errorCode, errorMessage, endedAt: Math.max(at, life.reached) })
}

/** Lets everything happen that is due at or before `at`, in time order and at its own time; forgets what is past retention. */
export function live(life: Life, at: number): void {
  const { sessions, settings } = life
  const reached = Math.max(life.reached, at)
  // They may be changed at any time.
  const times = `${settings.idleCloseSeconds} ${keptMs(settings)}`
  if (life.quiet?.settings !== times || life.quiet.until <= reached) {
    const due: (Step & { session: Session })[] = []
    for (const session of sessions.values()) {
      if (!isLive(session) || dueAt(session, settings) > at) continue
      due.push(...upcoming(session, settings).map((step) => ({ ...step, session })))
    }
    due.sort((a, b) => a.at - b.at)
    for (const step of due) if (step.at <= at) happen(life, step.session, step.cause, step.at)
    life.quiet = { until: Infinity, settings: times }
    for (const session of sessions.values()) {
      const nextAt = dueAt(session, settings)
      if (!isLive(session) && nextAt <= reached) sessions.delete(session.id)
      else life.quiet.until = Math.min(life.quiet.until, nextAt)
    }
  }
  life.reached = reached
}

const keptMs = ({ retentionSeconds, lingerSeconds }: Settings) => Math.max(retentionSeconds, lingerSeconds) * 1000

/** When the first of the `upcoming` steps is due, or an ended session is forgotten. */
function dueAt({ status, activeAt, fate, endedAt }: Session, settings: Settings): number {
  if (endedAt !== null) return endedAt + keptMs(settings)
  return Math.min(status === 3 ? fate.readyAt : fate.breaksAt, activeAt + settings.idleCloseSeconds * 1000)
}

interface Step {
  at: number
  cause: 'ready' | 'failed' | 'broken' | 'idle'
}

/** The rest of a live session's life if nobody touches it: at most readiness and an end. */
function upcoming({ status, activeAt, fate }: Session, settings: Settings): Step[] {
  const idleMs = settings.idleCloseSeconds * 1000
  const endAfter = (active: number): Step =>
    fate.breaksAt <= active + idleMs ? { at: fate.breaksAt, cause: 'broken' } : { at: active + idleMs, cause: 'idle' }
  if (status === 1) return [endAfter(activeAt)]
  if (activeAt + idleMs < fate.readyAt) return [{ at: activeAt + idleMs, cause: 'idle' }]
  if (fate.failureCode !== 0) return [{ at: fate.readyAt, cause: 'failed' }]
  return [{ at: fate.readyAt, cause: 'ready' }, endAfter(fate.readyAt)]
}

function happen(life: Life, session: Session, cause: Step['cause'], at: number): void {
  switch (cause) {
    case 'ready':
      return becomeReady(life, session, cause, at)
    case 'failed':
      return end(life, session, cause, at, { status: 4, errorCode: session.fate.failureCode })
    case 'broken':
      return end(life, session, cause, at, { status: 2, errorCode: -111002 })
    case 'idle': {
      const { idleErrorCode: errorCode, idleErrorMessage: errorMessage } = life.settings
      return end(life, session, cause, at, { status: 2, errorCode, errorMessage })
    }
  }
}

function streamAddress({ id, protocol }: Session): string {
  switch (protocol) {
    case 'rtmp':
      return `rtmp://live.qq.com/live/${id}`
    case 'webrtc':
      return `webrtc://live.qq.com/live/${id}?min_delay_ms=100`
    case 'trtc':
      // A credential, as the real address may carry one: it must never be seen in a log.
      return `trtc://cloud.tencent.com/room/${id}?userSig=secret-${id}`
  }
}
