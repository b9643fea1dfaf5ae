// The oracles of a soak, kept up while it runs: what the simulated API did on one side, what the subscribers saw on the
// other. A session is forgotten once every subscriber was told all of it, so memory does not grow with what was delivered.
import type { Transition } from '../../lib/local/simulator/simulator.ts'
import type { ReceivedEvent } from '../support/receiver.ts'
import { createPositions, fit, mark, missing, type Positions } from './positions.ts'

/** What can go wrong. */
export type Breach =
  | 'lost'
  | 'doubled'
  | 'order'
  | 'bytes'
  | 'revision'
  | 'cause'
  | 'false end'
  | 'signature'
  | 'record'
  | 'process'
  | 'growth'

export interface Ledger {
  subscribers: string[]
  positions: Positions
  /** Those of which somebody has still to be told something, or that nobody was told of. */
  sessions: Map<string, Life>
  breaches: Map<Breach, { count: number; first: string[] }>
  counts: Record<string, number>
  /** How long the API knows an ended session, on its own clock. */
  retentionMs: number
}

interface Life {
  /** By this real time it was there. */
  bornBy: number
  /** It ended after one real time and by the other; `at` is the moment on the API's clock. */
  end: { after: number; by: number; at: number; to: number; code: number } | undefined
  started: boolean
  /** A committed listing must have had it. */
  listed: boolean
  /** Committed listings that began after its end. */
  listingsSince: number
  lanes: Lane[]
}

/** What one subscriber was told of one session. */
interface Lane {
  highest: number
  succeeded: number
  revision: number
  /** The last step of a life that it was told. */
  step: number
  created: boolean
  started: boolean
  end: { failed: boolean; code: number; reason: string | null; apiAt: number } | undefined
}

const STEPS = ['session.created', 'session.ready', 'session.started', 'session.closed', 'session.failed']
const END = STEPS.indexOf('session.closed')
const ABSENT_AFTER = 3
const KEPT = 10

export function createLedger(subscribers: string[], retentionMs: number): Ledger {
  const positions = createPositions(subscribers.length)
  return { subscribers, positions, sessions: new Map(), breaches: new Map(), counts: {}, retentionMs }
}

export function count({ counts }: Ledger, what: string, by = 1): void {
  counts[what] = (counts[what] ?? 0) + by
}

export function breach({ breaches }: Ledger, kind: Breach, what: string, by = 1): void {
  const found = breaches.get(kind) ?? { count: 0, first: [] }
  found.count += by
  if (found.first.length < KEPT) found.first.push(`${kind}: ${what}`)
  breaches.set(kind, found)
}

/** A step of the truth, which happened in real time after `after` and until `before`. */
export function happened(ledger: Ledger, step: Transition, { after, before }: { after: number; before: number }): void {
  if (step.from === null) {
    const lanes = ledger.subscribers.map(() => {
      return { highest: 0, succeeded: 0, revision: 0, step: -1, created: false, started: false, end: undefined }
    })
    const life = { bornBy: before, end: undefined, started: false, listed: false, listingsSince: 0, lanes }
    ledger.sessions.set(step.sessionId, life)
    count(ledger, 'sessions')
  }
  const life = ledger.sessions.get(step.sessionId)
  if (!life) return
  life.started = step.started
  if (step.to === 2 || step.to === 4) {
    life.end = { after, by: before, at: step.at, to: step.to, code: step.errorCode }
  }
}

/** A tick that committed asked the API between these two moments: whoever lived through both was in its listing. */
export function committed({ sessions }: Ledger, { from, to }: { from: number; to: number }): void {
  for (const life of sessions.values()) {
    if (life.bornBy <= from && (!life.end || life.end.after >= to)) life.listed = true
    if (life.end && life.end.by <= from) life.listingsSince += 1
  }
}

/** A request of an event at a subscriber, at this moment of the API's clock. True when it is the first with it. */
export function received(
  ledger: Ledger,
  subscriber: number,
  request: { id: string; body: string; event: ReceivedEvent },
  apiAt: number,
): boolean {
  const { id, body, event } = request
  const name = ledger.subscribers[subscriber]
  const position = Number(event.sequence)
  count(ledger, 'requests')
  switch (fit(ledger.positions, position, id, body)) {
    case 'other id':
      breach(ledger, 'doubled', `position ${position} has a second id, ${id}, at ${name}`)
      break
    case 'other bytes':
      breach(ledger, 'bytes', `${id} came in other bytes to ${name}`)
      break
    case 'first':
      count(ledger, 'events')
      break
    case 'same':
      break
  }
  const lane = ledger.sessions.get(event.subject)?.lanes[subscriber]
  if (!mark(ledger.positions, subscriber, position)) {
    count(ledger, 'repeated')
    if (lane && position < lane.highest && position > lane.succeeded) {
      breach(ledger, 'order', `${id} came again to ${name} after a newer one, and had not succeeded`)
    }
    return false
  }
  count(ledger, 'deliveries')
  if (lane) told(ledger, event, lane, `${event.subject} at ${name}`, position, apiAt)
  else breach(ledger, 'doubled', `${event.type} of ${event.subject} at ${name}, which is told whole, or never lived`)
  return true
}

function told(ledger: Ledger, event: ReceivedEvent, lane: Lane, where: string, position: number, apiAt: number): void {
  const { type, data } = event
  if (position < lane.highest) breach(ledger, 'order', `${type} of ${where} came after a newer one`)
  else if (lane.highest > lane.succeeded) {
    breach(ledger, 'order', `${type} of ${where} came before the one before it was delivered`)
  }
  lane.highest = Math.max(lane.highest, position)
  if (data.revision !== lane.revision + 1) {
    breach(ledger, 'revision', `${where} goes from ${lane.revision} to ${data.revision}`)
  }
  lane.revision = data.revision

  const step = STEPS.indexOf(type)
  const isEnd = step >= END
  if (step === lane.step || lane.end) breach(ledger, 'doubled', `${where} is told ${type} after ${STEPS[lane.step]}`)
  else if (step < lane.step) breach(ledger, 'order', `${where} is told ${type} after ${STEPS[lane.step]}`)
  lane.step = Math.max(lane.step, step)
  lane.created ||= type === 'session.created'
  lane.started ||= type === 'session.started'
  if (!isEnd) return
  const { end } = ledger.sessions.get(event.subject)!
  if (!end) breach(ledger, 'false end', `${where} is told ${type} and lives`)
  lane.end = { failed: type === 'session.failed', code: data.error?.code ?? 0, reason: data.reason, apiAt }
}

/** The subscriber answered it with success. */
export function succeeded({ sessions }: Ledger, subscriber: number, { subject, sequence }: ReceivedEvent): void {
  const lane = sessions.get(subject)?.lanes[subscriber]
  if (lane) lane.succeeded = Math.max(lane.succeeded, Number(sequence))
}

/** Judges and forgets the sessions that have ended and that everybody was told of. Every tick so far must be known. */
export function sweep(ledger: Ledger): void {
  for (const [id, life] of ledger.sessions) {
    const isWhole = ({ end, highest, succeeded: answered }: Lane) => end !== undefined && highest === answered
    if (!life.end || !life.lanes.every(isWhole)) continue
    for (const [subscriber, lane] of life.lanes.entries()) {
      judge(ledger, life, lane, `${id} at ${ledger.subscribers[subscriber]}`)
    }
    count(ledger, `ended ${life.lanes[0]?.end?.reason}`)
    count(ledger, 'told whole')
    ledger.sessions.delete(id)
  }
}

/** Section 3 of the design: the end that the API reports, and without its word `gone` or `absent`. */
function judge(ledger: Ledger, { end, started, listingsSince }: Life, lane: Lane, where: string): void {
  if (!lane.created) breach(ledger, 'lost', `${where} has an end and no beginning`)
  if (!end || !lane.end) return
  const { failed, code, reason, apiAt } = lane.end
  if (reason === 'reported') {
    const isTrue = failed === (end.to === 4) && code === end.code && lane.started === started
    const said = `${failed ? 'failed' : 'closed'} ${code}, started ${lane.started}`
    if (!isTrue) breach(ledger, 'cause', `${where} is told ${said}; it was ${end.to} ${end.code}, started ${started}`)
    return
  }
  const isDue =
    (reason === 'gone' && apiAt >= end.at + ledger.retentionMs) ||
    (reason === 'absent' && listingsSince >= ABSENT_AFTER)
  if (failed || code !== 0 || !isDue) breach(ledger, 'cause', `${where} is told ${reason}, which was not due`)
}

/** The end of it all: every session has ended and nothing is pending; `position` is the account's last. */
export function finish(ledger: Ledger, position: number): void {
  sweep(ledger)
  for (const [id, { lanes, listed }] of ledger.sessions) {
    if (!listed && lanes.every(({ highest }) => highest === 0)) {
      count(ledger, 'too short to be seen')
      continue
    }
    for (const [subscriber, lane] of lanes.entries()) {
      const where = `${id} at ${ledger.subscribers[subscriber]}`
      if (lane.highest === 0) breach(ledger, 'lost', `${where} was listed and never told`)
      else if (!lane.end) breach(ledger, 'lost', `${where} has ended and is told as alive`)
    }
  }
  const last = Math.max(position, ledger.positions.last)
  for (const [subscriber, name] of ledger.subscribers.entries()) {
    const absent = missing(ledger.positions, subscriber, last)
    const some = absent.slice(0, KEPT).join(' ')
    if (absent.length > 0) breach(ledger, 'lost', `${name} never got ${absent.length} events: ${some}`, absent.length)
  }
}
