// What must hold after a run, computed from what the simulated API did and what the receivers saw, never from Rollcall's
// own tables; two oracles then hold its tables against that. Each gives its breaches, one line each.
import { liveAt, type Transition } from '../../lib/local/simulator/simulator.ts'
import type { ReceivedEvent } from '../support/receiver.ts'

/** A list as the API answered it to a tick that committed. */
export interface CommittedListing {
  listedAt: Date
  complete: boolean
  items: { id: string; status: number; started: boolean }[]
}

/** One request as a receiver saw it, and the status it answered; null when it gave none. */
export interface SeenRequest {
  endpoint: string
  id: string
  body: string
  event: ReceivedEvent
  answered: number | null
}

export interface Evidence {
  truth: readonly Transition[]
  now: number
  listings: CommittedListing[]
  requests: SeenRequest[]
  /** An endpoint that wanted everything from the beginning to the end. */
  witness: string
}

export type Oracle = (evidence: Evidence) => string[]

/** The requests of one endpoint, each id once, in the order of first arrival, by session. */
function lanes(requests: SeenRequest[], endpoint: string): Map<string, SeenRequest[]> {
  const seen = new Set<string>()
  const bySession = new Map<string, SeenRequest[]>()
  for (const request of requests) {
    if (request.endpoint !== endpoint || seen.has(request.id)) continue
    seen.add(request.id)
    bySession.set(request.event.subject, [...(bySession.get(request.event.subject) ?? []), request])
  }
  return bySession
}

const isEnd = ({ type }: ReceivedEvent) => type === 'session.closed' || type === 'session.failed'
const isSuccess = (status: number | null) => status !== null && status >= 200 && status < 300

/** Folding what the witness received gives the sessions that the API has live at the end, in their states. */
export const fold: Oracle = ({ truth, now, requests, witness }) => {
  const state = new Map<string, string>()
  for (const [id, lane] of lanes(requests, witness)) {
    for (const { event } of lane) {
      const { status, started } = event.data.session
      if (isEnd(event)) state.delete(id)
      else state.set(id, `${status} ${started}`)
    }
  }
  const live = new Map(
    liveAt({ truth }, now).map((session) => {
      const status = session.status === 1 ? 'in_progress' : 'preparing'
      return [session.sessionId, `${status} ${session.started}`]
    }),
  )
  const ids = new Set([...state.keys(), ...live.keys()])
  return [...ids].flatMap((id) =>
    state.get(id) === live.get(id) ? [] : [`fold: ${id} is ${live.get(id)}, events say ${state.get(id)}`],
  )
}

/** Every session of a committed listing has one created; once gone, one end, of the kind and code of the truth. */
export const eachOnce: Oracle = ({ truth, listings, requests, witness }) => {
  const told = lanes(requests, witness)
  const last = new Map(truth.map((step) => [step.sessionId, step]))
  const listed = new Set(listings.flatMap(({ items }) => items.map(({ id }) => id)))
  return [...listed].flatMap((id) => {
    const events = (told.get(id) ?? []).map(({ event }) => event)
    const created = events.filter(({ type }) => type === 'session.created').length
    const ends = events.filter(isEnd)
    const final = last.get(id)
    const gone = final !== undefined && (final.to === 2 || final.to === 4)
    const breaches: string[] = []
    if (created !== 1) breaches.push(`once: ${id} has ${created} created`)
    if (ends.length !== (gone ? 1 : 0)) breaches.push(`once: ${id} has ${ends.length} ends, it is ${final?.to}`)
    const [end] = ends
    if (end && gone && end.data.reason === 'reported') {
      const type = final.to === 4 ? 'session.failed' : 'session.closed'
      const code = end.data.error?.code ?? 0
      if (end.type !== type || code !== final.errorCode) {
        breaches.push(`cause: ${id} is told ${end.type} ${code}, it was ${type} ${final.errorCode}`)
      }
    }
    return breaches
  })
}

/** No end without a cause: what was told as ended had ended in truth by the time the run is over. */
export const noFalseEnd: Oracle = ({ truth, requests, witness }) => {
  const last = new Map(truth.map((step) => [step.sessionId, step.to]))
  return [...lanes(requests, witness)].flatMap(([id, lane]) =>
    lane.some(({ event }) => isEnd(event)) && (last.get(id) === 1 || last.get(id) === 3)
      ? [`false end: ${id} is told as ended and lives`]
      : [],
  )
}

/** One webhook-id is one byte string, on every try and at every endpoint. */
export const oneIdOneBody: Oracle = ({ requests }) => {
  const bodies = new Map<string, string>()
  return requests.flatMap(({ id, body }) => {
    const known = bodies.get(id) ?? body
    bodies.set(id, known)
    return known === body ? [] : [`bytes: ${id} differs between two requests`]
  })
}

/** In each lane events first arrive in order, and none before the one before it was answered with success. */
export const laneOrder: Oracle = ({ requests }) => {
  const breaches: string[] = []
  const highest = new Map<string, number>()
  const succeeded = new Map<string, number>()
  for (const { endpoint, event, id, answered } of requests) {
    const lane = `${endpoint} ${event.source} ${event.subject}`
    const sequence = Number(event.sequence)
    const before = highest.get(lane) ?? 0
    if (sequence > before && before > (succeeded.get(lane) ?? 0)) {
      breaches.push(`lane: ${id} came before the one before it was delivered`)
    }
    if (sequence < before && sequence > (succeeded.get(lane) ?? 0)) breaches.push(`lane: ${id} came late`)
    highest.set(lane, Math.max(before, sequence))
    if (isSuccess(answered)) succeeded.set(lane, Math.max(succeeded.get(lane) ?? 0, sequence))
  }
  return breaches
}

/** The witness got every position from 1 on, and of each session every revision from 1 on. */
export const gapless: Oracle = ({ requests, witness }) => {
  const own = [...lanes(requests, witness)]
  const positions = own.flatMap(([, lane]) => lane.map(({ event }) => Number(event.sequence))).sort((a, b) => a - b)
  const breaches = positions.every((position, index) => position === index + 1)
    ? []
    : [`gap: ${positions.length} events, the last position is ${positions.at(-1)}`]
  for (const [id, lane] of own) {
    const revisions = lane.map(({ event }) => event.data.revision)
    if (!revisions.every((revision, index) => revision === index + 1)) {
      breaches.push(`gap: revisions of ${id} are ${revisions.join(' ')}`)
    }
  }
  return breaches
}

export const ORACLES: Record<string, Oracle> = { fold, eachOnce, noFalseEnd, oneIdOneBody, laneOrder, gapless }
