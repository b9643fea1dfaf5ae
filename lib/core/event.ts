import type { ChangeType, Transition } from './diff.ts'
import { IN_PROGRESS, PREPARING, type Session, type StatusName, statusName, type Window } from './session.ts'

/** A change as subscribers name it. */
export type EventType = `session.${ChangeType}`

/** All there are, in the order of a session's life. */
export const EVENT_TYPES: readonly EventType[] = [
  'session.created',
  'session.ready',
  'session.started',
  'session.closed',
  'session.failed',
]

/** What operators may want to know of Rollcall itself. No filter but their own names lets these pass. */
export const OPERATOR_EVENT_TYPES = ['endpoint.disabled', 'delivery.dead', 'tick.stalled'] as const
/** One of OPERATOR_EVENT_TYPES, and what a ping sends. */
export type OperatorEventType = (typeof OPERATOR_EVENT_TYPES)[number] | 'webhook.ping'

/** What an endpoint without a filter of its own gets. */
export const DEFAULT_EVENT_TYPES: readonly EventType[] = ['session.started', 'session.closed', 'session.failed']

/** The message made of a change. `body` is what is signed and sent, the same bytes on every try. */
export interface SessionEvent {
  id: string
  /** Gapless and increasing for each account. */
  position: number
  type: EventType
  sessionId: string
  incarnation: number
  /** Gapless from 1 for each incarnation. */
  revision: number
  time: Date
  body: string
}

interface State {
  status: StatusName
  started: boolean
}

/**
 * The events of all transitions, in their order and one at a time, with positions that follow `position`. `newId` gives an id never given
 * before. Each event shows its session as it was right after its own change, and `previous` as it was right before: in the
 * API's own order of statuses, the state one event earlier. Body: CloudEvents 1.0 JSON.
 */
export function* eventsOf(
  transitions: Transition[],
  account: string,
  position: number,
  newId: () => string,
): Generator<SessionEvent> {
  for (const { before, after, changes } of transitions) {
    let previous = before && lastState(before)
    for (const [step, change] of changes.entries()) {
      const isLast = step === changes.length - 1
      const reached = { position: position + 1, revision: after.revision - changes.length + step + 1 }
      const state = isLast ? lastState(after) : passingState(change)
      yield eventOf(after, change, { account, id: newId(), ...reached, state, previous })
      previous = state
      position += 1
    }
  }
}

function lastState(session: Session): State {
  return { status: statusName(session.look.status), started: session.started !== null }
}

/** What a session passed through when a later change of the same tick followed. */
function passingState(change: ChangeType): State {
  return { status: statusName(change === 'created' ? PREPARING : IN_PROGRESS), started: change === 'started' }
}

function eventOf(
  session: Session,
  change: ChangeType,
  place: { account: string; id: string; position: number; revision: number; state: State; previous: State | null },
): SessionEvent {
  const { account, id, position, revision, state, previous } = place
  const window = windowOf(session, change)
  const end = change === 'closed' || change === 'failed' ? session.end : null
  const type = `session.${change}` as const
  const body = JSON.stringify({
    specversion: '1.0',
    id,
    source: `/accounts/${account}`,
    type,
    subject: session.id,
    time: window.before.toISOString(),
    datacontenttype: 'application/json',
    sequence: sequenceText(position),
    partitionkey: session.id,
    data: {
      account,
      revision,
      session: {
        id: session.id,
        userId: session.look.userId,
        status: state.status,
        started: state.started,
        driverType: session.look.driverType,
        playStreamAddr: session.look.playStreamAddr,
        firstSeenAt: timeOf(session.firstSeen),
        readyAt: change === 'created' ? null : timeOf(session.ready),
        startedAt: state.started ? timeOf(session.started) : null,
        endedAt: timeOf(end),
      },
      previous,
      reason: end?.reason ?? null,
      error: end?.error ?? null,
      observed: { after: window.after?.toISOString() ?? null, before: window.before.toISOString() },
    },
  })
  const { incarnation } = session
  return { id, position, type, sessionId: session.id, incarnation, revision, time: window.before, body }
}

function windowOf(session: Session, change: ChangeType): Window {
  const windows = {
    created: session.firstSeen,
    ready: session.ready,
    started: session.started,
    closed: session.end,
    failed: session.end,
  }
  return windows[change] ?? session.firstSeen
}

function timeOf(window: Window | null): string | null {
  return window?.before.toISOString() ?? null
}

/**
 * The body of an event about Rollcall itself, as CloudEvents 1.0 JSON. `subject` is the endpoint or account it is about;
 * sequences of these increase, with gaps. Nothing secret may be in `data`.
 */
export function operatorEvent(
  type: OperatorEventType,
  event: { id: string; subject: string; time: Date; sequence: number; data: unknown },
): string {
  const { id, subject, time, sequence, data } = event
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: '/rollcall',
    type,
    subject,
    time: time.toISOString(),
    datacontenttype: 'application/json',
    sequence: sequenceText(sequence),
    partitionkey: subject,
    data,
  })
}

const sequenceText = (position: number) => String(position).padStart(20, '0')
