// What must hold after a run, computed from what the simulated API did and what the receivers saw, never from Rollcall's
// own tables; judge.ts then holds those against it. Each oracle gives its breaches, one line each.
import { liveAt, type Transition } from '../../lib/local/simulator/simulator.ts'
import type { ReceivedEvent } from '../support/receiver.ts'

/** As design section 3 has it, and not as the code says. */
const ABSENT_AFTER = 3

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

/** Before request number `at`, somebody decided that this endpoint need not get all that it had not got yet. */
export interface Pardon {
  endpoint: string
  at: number
}

export interface Evidence {
  truth: readonly Transition[]
  now: number
  /** In order of time. */
  listings: CommittedListing[]
  /** Whether statsession may have been asked without an answer, or not asked at all. */
  statFailed: boolean
  requests: SeenRequest[]
  pardons: Pardon[]
  /** What came to an address that nothing may be sent to. */
  trespasses: string[]
  /** An endpoint that wanted everything from the beginning to the end. */
  witness: string
  /** Endpoints that are there at the end and wanted everything since they were added, or from the start. */
  faithful: string[]
  /** Of these, those that began with everything; and likewise those that began with the sessions that lived then. */
  fromStart: string[]
  fromSnapshot: string[]
  /** What the witness got when, at the end, everything was sent to it again; null: it was not. */
  again: SeenRequest[] | null
  /** Endpoints that at some time wanted the latest event of each session only, and never less. */
  latest: string[]
  /** Endpoints that wanted everything, of which deliveries were given up. */
  mortal: string[]
  /** Endpoints that were sent something again, what they had not wanted before, too. */
  replayed: string[]
  /** An endpoint that wanted to know of those that are disabled, and of deliveries that are dead. */
  listener: string
  /** Endpoints that were found disabled at the end because they had answered 410. */
  gone: string[]
}

/** Of a run in which nobody is but the witness. */
export const NOBODY_ELSE = {
  pardons: [],
  trespasses: [],
  faithful: [],
  fromStart: [],
  fromSnapshot: [],
  latest: [],
  mortal: [],
  replayed: [],
  listener: 'nobody',
  gone: [],
  again: null,
} satisfies Partial<Evidence>

export type Oracle = (evidence: Evidence) => string[]

/** What one endpoint accepted, each id once, in the order in which it first did, by session: a request that failed gave it nothing. */
function lanes(requests: SeenRequest[], endpoint: string): Map<string, SeenRequest[]> {
  const seen = new Set<string>()
  const bySession = new Map<string, SeenRequest[]>()
  for (const request of requests) {
    if (request.endpoint !== endpoint || !isSuccess(request.answered) || seen.has(request.id)) continue
    seen.add(request.id)
    bySession.set(request.event.subject, [...(bySession.get(request.event.subject) ?? []), request])
  }
  return bySession
}

/** A lane's events by incarnation: each begins with its created. */
function incarnations(lane: SeenRequest[]): ReceivedEvent[][] {
  const lives: ReceivedEvent[][] = []
  for (const { event } of lane) {
    if (event.type === 'session.created' || lives.length === 0) lives.push([])
    lives.at(-1)!.push(event)
  }
  return lives
}

const isEnd = ({ type }: ReceivedEvent) => type === 'session.closed' || type === 'session.failed'
const isSuccess = (status: number | null) => status !== null && status >= 200 && status < 300
const hasEnded = (status: number | undefined) => status === 2 || status === 4

/** Folding what somebody received who knows everything gives the sessions that the API has live at the end, in their states. */
export const fold: Oracle = (evidence) =>
  [evidence.witness, ...evidence.fromStart, ...evidence.fromSnapshot].flatMap((endpoint) => foldOf(evidence, endpoint))

function foldOf({ truth, now, requests }: Evidence, endpoint: string): string[] {
  const state = new Map<string, string>()
  for (const [id, lane] of lanes(requests, endpoint)) {
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
    state.get(id) === live.get(id) ? [] : [`fold: ${id} is ${live.get(id)}, ${endpoint} was told ${state.get(id)}`],
  )
}

/**
 * Every session of a committed listing has one created; once gone, one end, of the kind and code of the truth. Only one
 * that was told as absent may come back, as a new incarnation.
 */
export const eachOnce: Oracle = ({ truth, listings, requests, witness, statFailed }) => {
  const told = lanes(requests, witness)
  const last = new Map(truth.map((step) => [step.sessionId, step]))
  const listed = new Set(listings.flatMap(({ items }) => items.map(({ id }) => id)))
  return [...listed].flatMap((id) => {
    const lives = incarnations(told.get(id) ?? [])
    const final = last.get(id)
    const breaches: string[] = lives.length === 0 ? [`once: ${id} is not told`] : []
    for (const [index, life] of lives.entries()) {
      const isLast = index === lives.length - 1
      const ends = life.filter(isEnd)
      const expected = isLast && !hasEnded(final?.to) ? 0 : 1
      if (life[0]?.type !== 'session.created') breaches.push(`once: ${id} does not begin with created`)
      if (ends.length !== expected) breaches.push(`once: ${id} has ${ends.length} ends, it is ${final?.to}`)
      const [end] = ends
      if (!isLast && end?.data.reason !== 'absent') breaches.push(`once: ${id} was created again after its end`)
      if (!end || !final || end.data.reason !== 'reported') continue
      const type = final.to === 4 ? 'session.failed' : 'session.closed'
      const code = end.data.error?.code ?? 0
      const silent = statFailed && end.data.error === null
      if (end.type !== type || (code !== final.errorCode && !silent)) {
        breaches.push(`cause: ${id} is told ${end.type} ${code}, it was ${type} ${final.errorCode}`)
      }
    }
    return breaches
  })
}

/**
 * No end without a cause: what was told as ended had ended in truth by the time the run is over, or is told as absent, and
 * then several complete listings in a row had lacked it.
 */
export const noFalseEnd: Oracle = ({ truth, listings, requests, witness }) => {
  const last = new Map(truth.map((step) => [step.sessionId, step.to]))
  const complete = listings.filter((listing) => listing.complete)
  // `observed.after` is when it was last there.
  const wasLacking = (id: string, after: Date) => {
    const since = complete.filter(({ listedAt }) => listedAt > after).slice(0, ABSENT_AFTER)
    return since.length === ABSENT_AFTER && since.every(({ items }) => items.every((item) => item.id !== id))
  }
  return [...lanes(requests, witness)].flatMap(([id, lane]) =>
    lane
      .filter(({ event }) => isEnd(event))
      .flatMap(({ event }) => {
        if (event.data.reason !== 'absent') {
          return hasEnded(last.get(id)) ? [] : [`false end: ${id} is told as ended and lives`]
        }
        return wasLacking(id, new Date(event.data.observed.after ?? NaN))
          ? []
          : [`false end: ${id} is told as absent and was listed`]
      }),
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

/** What the listener was told, of one type. */
const told = ({ requests, listener }: Evidence, type: string) =>
  [...lanes(requests, listener).values()]
    .flat()
    .map(({ event }) => event as unknown as { type: string; data: Record<string, unknown> })
    .filter((event) => event.type === type)
    .map(({ data }) => data)

/** The events that were told as dead, by name of the endpoint and id. */
const toldAsDead = (evidence: Evidence): Set<string> =>
  new Set(
    told(evidence, 'delivery.dead').flatMap(({ description, events }) =>
      (events as { id: string }[]).map(({ id }) => `${description as string} ${id}`),
    ),
  )

/**
 * In each lane events first arrive in order, and none before the one before it was answered with success, or was told as
 * dead.
 */
export const laneOrder: Oracle = (evidence) => {
  const { requests, pardons, replayed } = evidence
  const dead = toldAsDead(evidence)
  const last = new Map<string, string>()
  const breaches: string[] = []
  const highest = new Map<string, number>()
  const succeeded = new Map<string, number>()
  for (const [index, { endpoint, event, id, answered }] of requests.entries()) {
    for (const pardon of pardons.filter(({ at }) => at === index)) {
      for (const [lane, sequence] of highest) if (lane.startsWith(`${pardon.endpoint} `)) succeeded.set(lane, sequence)
    }
    const lane = `${endpoint} ${event.source} ${event.subject}`
    const sequence = Number(event.sequence)
    const before = highest.get(lane) ?? 0
    const isExcused = dead.has(`${endpoint} ${last.get(lane)}`)
    if (sequence > before && before > (succeeded.get(lane) ?? 0) && !isExcused) {
      breaches.push(`lane: ${id} came before the one before it was delivered`)
    }
    // One that was not wanted, and is after all, may be sent when the one after it was tried already.
    const isAllowed = dead.has(`${endpoint} ${id}`) || replayed.includes(endpoint)
    if (sequence < before && sequence > (succeeded.get(lane) ?? 0) && !isAllowed) breaches.push(`lane: ${id} came late`)
    if (sequence > before) last.set(lane, id)
    highest.set(lane, Math.max(before, sequence))
    if (isSuccess(answered)) succeeded.set(lane, Math.max(succeeded.get(lane) ?? 0, sequence))
  }
  return breaches
}

/** The witness got every position from 1 on, and of each incarnation every revision from 1 on. */
export const gapless: Oracle = ({ requests, witness }) => {
  const own = [...lanes(requests, witness)]
  const positions = own.flatMap(([, lane]) => lane.map(({ event }) => Number(event.sequence))).sort((a, b) => a - b)
  const breaches = positions.every((position, index) => position === index + 1)
    ? []
    : [`gap: ${positions.length} events, the last position is ${positions.at(-1)}`]
  for (const [id, lane] of own) {
    for (const life of incarnations(lane)) {
      const revisions = life.map(({ data }) => data.revision)
      if (!revisions.every((revision, index) => revision === index + 1)) {
        breaches.push(`gap: revisions of ${id} are ${revisions.join(' ')}`)
      }
    }
  }
  return breaches
}

/** Times of one session never go back, and each change happened in a window that has an inside. */
export const forwardTimes: Oracle = ({ requests, witness }) =>
  [...lanes(requests, witness)].flatMap(([id, lane]) =>
    lane.flatMap(({ event: { time, data } }, index) => {
      const { after, before } = data.observed
      const earlier = lane[index - 1]?.event.time ?? ''
      return (after === null || after < before) && earlier <= time ? [] : [`time: ${id} at ${time}, after ${earlier}`]
    }),
  )

/** Who wanted everything got everything from its first event on; who wanted the latest got each session's last. */
export const nothingLost: Oracle = ({ requests, witness, faithful, latest }) => {
  const sequences = (endpoint: string) =>
    [...lanes(requests, endpoint).values()].flat().map(({ event }) => Number(event.sequence))
  const all = Math.max(0, ...sequences(witness))
  const breaches = faithful.flatMap((endpoint) => {
    const own = sequences(endpoint)
    const missing = own.length === 0 ? 0 : all - Math.min(...own) + 1 - own.length
    return missing === 0 ? [] : [`lost: ${endpoint} lacks ${missing} events`]
  })
  for (const endpoint of latest) {
    const first = Math.min(...sequences(endpoint))
    const got = lanes(requests, endpoint)
    for (const [id, lane] of lanes(requests, witness)) {
      const final = lane.at(-1)!
      const isIts = Number(final.event.sequence) >= first
      if (isIts && !got.get(id)?.some((one) => one.id === final.id)) {
        breaches.push(`lost: ${endpoint} lacks the last of ${id}`)
      }
    }
  }
  return breaches
}

/** Who began with a snapshot knows each session it was told of from its creation on. */
export const wholeLives: Oracle = ({ requests, fromSnapshot }) =>
  fromSnapshot.flatMap((endpoint) =>
    [...lanes(requests, endpoint)].flatMap(([id, lane]) => {
      const revisions = lane.map(({ event }) => event.data.revision)
      return revisions[0] === 1 ? [] : [`snapshot: ${endpoint} knows ${id} by its revisions ${revisions.join(' ')}`]
    }),
  )

/** Who began with everything that was kept has everything. */
export const allFromStart: Oracle = ({ requests, witness, fromStart }) => {
  const got = (endpoint: string) => [...lanes(requests, endpoint).values()].flat().length
  return fromStart.flatMap((endpoint) =>
    got(endpoint) === got(witness) ? [] : [`start: ${endpoint} has ${got(endpoint)} of ${got(witness)} events`],
  )
}

/** What is sent again is everything, once, with the same bytes, in the order of each session. */
export const replayedWhole: Oracle = ({ requests, again, witness }) => {
  if (!again) return []
  const bodies = (seen: SeenRequest[]) =>
    [...lanes(seen, witness).values()].map((lane) => lane.map(({ body }) => body).join('\n')).sort()
  const [first, second] = [bodies(requests), bodies(again)]
  const isSame = first.length === second.length && first.every((lane, index) => lane === second[index])
  const count = [...lanes(requests, witness).values()].flat().length
  return isSame && again.length === count ? [] : [`replay: ${again.length} events came again, of ${count}`]
}

/** Who was told of dead deliveries knows of each event that an endpoint lacks. */
export const noSilentLoss: Oracle = (evidence) => {
  const { requests, witness, mortal } = evidence
  const dead = toldAsDead(evidence)
  const all = [...lanes(requests, witness).values()].flat()
  return mortal.flatMap((endpoint) => {
    const got = [...lanes(requests, endpoint).values()].flat()
    const first = Math.min(...got.map(({ event }) => Number(event.sequence)))
    const ids = new Set(got.map(({ id }) => id))
    return all
      .filter(({ event, id }) => Number(event.sequence) >= first && !ids.has(id) && !dead.has(`${endpoint} ${id}`))
      .map(({ id }) => `silent: ${endpoint} lacks ${id}, and nobody was told`)
  })
}

/** Nobody is disabled for a 410 silently, nor more often than it gave one. */
export const toldOfDisabled: Oracle = (evidence) => {
  const { requests, gone } = evidence
  const counted = (some: (string | undefined)[]) =>
    some.reduce((sums, name = '') => sums.set(name, (sums.get(name) ?? 0) + 1), new Map<string, number>())
  const because = told(evidence, 'endpoint.disabled').filter(({ reason }) => reason === 'gone')
  const times = counted(because.map(({ description }) => description as string))
  const answers = counted(requests.filter(({ answered }) => answered === 410).map(({ endpoint }) => endpoint))
  return [
    ...gone.filter((name) => !times.has(name)).map((name) => `disabled: ${name} is, and nobody was told`),
    ...[...times]
      .filter(([name, number]) => number > (answers.get(name) ?? 0))
      .map(([name, number]) => `disabled: ${name} is told ${number} times, it answered 410 ${answers.get(name) ?? 0}`),
  ]
}

/** Nothing was ever sent to a forbidden address, not even by a redirect. */
export const noTrespass: Oracle = ({ trespasses }) => trespasses.map((path) => `address: ${path} was sent`)

export const ORACLES: Record<string, Oracle> = {
  fold,
  eachOnce,
  noFalseEnd,
  oneIdOneBody,
  laneOrder,
  gapless,
  forwardTimes,
  nothingLost,
  wholeLives,
  allFromStart,
  replayedWhole,
  noSilentLoss,
  toldOfDisabled,
  noTrespass,
}
