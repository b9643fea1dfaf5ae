// Each oracle of the soak is seen to fail, on a record of requests that is doctored to show what it must notice. No doubles.
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { sign } from '../../lib/core/signature.ts'
import type { Transition } from '../../lib/local/simulator/simulator.ts'
import type { ReceivedEvent } from '../support/receiver.ts'
import { addTo, percentile } from './histogram.ts'
import { type Breach, committed, createLedger, finish, happened, type Ledger, received, succeeded } from './ledger.ts'
import { checkRecorded } from './record.ts'
import { verdict } from './report.ts'
import { growth, type Sample } from './samples.ts'
import { verify } from './subscribers.ts'

const RETENTION_MS = 60_000

interface Request {
  subscriber: number
  id: string
  position: number
  type: string
  revision: number
  answered: number
  started?: boolean
  code?: number
  reason?: string
  /** Makes the bytes differ. */
  mark?: string
}

interface Story {
  truth: Pick<Transition, 'at' | 'from' | 'to' | 'started' | 'errorCode'>[]
  /** When listings began, in real time, which here is the API's. */
  listings: number[]
  requests: Request[]
  /** When the requests came. */
  toldAt: number
}

const TYPES = ['session.created', 'session.ready', 'session.started', 'session.closed']

/** One session, told whole to two subscribers. */
function story(): Story {
  return {
    truth: [
      { at: 1_000, from: null, to: 3, started: false, errorCode: 0 },
      { at: 2_000, from: 3, to: 1, started: false, errorCode: 0 },
      { at: 3_000, from: 1, to: 1, started: true, errorCode: 0 },
      { at: 4_000, from: 1, to: 2, started: true, errorCode: 110022 },
    ],
    listings: [1_500, 2_500, 3_500, 4_500],
    requests: [0, 1].flatMap((subscriber) =>
      TYPES.map((type, index) => ({
        subscriber,
        id: `evt_${index + 1}`,
        position: index + 1,
        type,
        revision: index + 1,
        answered: 204,
        ...(type === 'session.closed' && { code: 110022, reason: 'reported' }),
      })),
    ),
    toldAt: 5_000,
  }
}

function play({ truth, listings, requests, toldAt }: Story): Ledger {
  const ledger = createLedger(['one', 'two'], RETENTION_MS)
  for (const step of truth) {
    const rest = { time: '', sessionId: 'm1', userId: 'u', cause: 'create' as const, errorMessage: '' }
    happened(ledger, { ...step, to: step.to, ...rest }, { after: step.at - 5, before: step.at })
  }
  for (const from of listings) committed(ledger, { from, to: from + 100 })
  for (const request of requests) {
    const event = eventOf(request)
    const body = JSON.stringify({ event, mark: request.mark })
    received(ledger, request.subscriber, { id: request.id, body, event }, toldAt)
    if (request.answered === 204) succeeded(ledger, request.subscriber, event)
  }
  finish(ledger, 4)
  return ledger
}

function eventOf({ id, position, type, revision, code, reason }: Request): ReceivedEvent {
  const data = { revision, reason: reason ?? null, error: code === undefined ? null : { code, message: '' } }
  return { id, type, subject: 'm1', sequence: String(position), data } as ReceivedEvent
}

const kinds = ({ breaches }: Ledger) => [...breaches.keys()]

test('a session that is told as it was breaches nothing', () => {
  const ledger = play(story())

  expect(verdict(ledger)).toEqual({ held: true, lines: ['soak: held'] })
  expect(ledger.counts).toMatchObject({ events: 4, deliveries: 8, 'told whole': 1 })
  expect(ledger.sessions.size).toBe(0)
})

test('an event that one subscriber never got is lost, and the verdict says so', () => {
  const { requests, ...rest } = story()

  const ledger = play({ ...rest, requests: requests.filter((one) => one.subscriber === 0 || one.position !== 2) })

  expect(verdict(ledger).held).toBe(false)
  expect(verdict(ledger).lines).toContain('lost: two never got 1 events: 2')
  expect(verdict(ledger).lines.at(-1)).toMatch(/^soak: \d+ breaches$/)
})

const end = (requests: Request[], change: Partial<Request>) =>
  requests.map((one) => (one.position === 4 ? { ...one, ...change } : one))
const closedWithout = (requests: Request[], reason: string) =>
  end(requests, { reason, code: 0 }).map((one) => ({ ...one, ...(one.position === 4 && { code: 0 }) }))

const DOCTORED: [what: string, kind: Breach, doctor: (told: Story) => Partial<Story>][] = [
  ['a session that was listed and never told', 'lost', () => ({ requests: [] })],
  [
    'a session that ended and is told as alive',
    'lost',
    (told) => ({ requests: told.requests.filter((one) => one.position < 4) }),
  ],
  ['a beginning that was left out', 'lost', (told) => ({ requests: told.requests.filter((one) => one.position > 1) })],
  [
    'a second id for an event',
    'doubled',
    (told) => ({ requests: [...told.requests, { ...told.requests[1]!, id: 'evt_other' }] }),
  ],
  [
    'a change that is told twice, in two events',
    'doubled',
    (told) => ({ requests: [...told.requests, { ...told.requests[3]!, id: 'evt_5', position: 5, revision: 5 }] }),
  ],
  [
    'other bytes the second time',
    'bytes',
    (told) => ({ requests: [...told.requests, { ...told.requests[3]!, mark: 'other' }] }),
  ],
  [
    'an event before the one before it',
    'order',
    (told) => ({ requests: [told.requests[1]!, told.requests[0]!, ...told.requests.slice(2)] }),
  ],
  [
    'an event while the one before it had failed',
    'order',
    (told) => ({ requests: told.requests.map((one) => (one.position === 2 ? { ...one, answered: 500 } : one)) }),
  ],
  [
    'a failed one that comes again after a newer one',
    'order',
    (told) => {
      const [first, second, ...others] = told.requests
      return { requests: [{ ...first!, answered: 500 }, { ...second!, answered: 500 }, first!, ...others] }
    },
  ],
  [
    'a revision left out',
    'revision',
    (told) => ({
      requests: told.requests.map((one) => ({ ...one, revision: one.revision + (one.position > 2 ? 1 : 0) })),
    }),
  ],
  ['another code', 'cause', (told) => ({ requests: end(told.requests, { code: 7 }) })],
  ['a failure that was none', 'cause', (told) => ({ requests: end(told.requests, { type: 'session.failed' }) })],
  ['a start that was left out', 'cause', (told) => ({ requests: told.requests.filter((one) => one.position !== 3) })],
  ['an end as gone while the API knows it', 'cause', (told) => ({ requests: closedWithout(told.requests, 'gone') })],
  ['an end as absent after one listing', 'cause', (told) => ({ requests: closedWithout(told.requests, 'absent') })],
  ['an end of a session that lives', 'false end', (told) => ({ truth: told.truth.slice(0, 3) })],
]

test.each(DOCTORED)('%s is noticed: %s', (_, kind, doctor) => {
  const told = story()

  expect(kinds(play({ ...told, ...doctor(told) }))).toContain(kind)
})

test('a session too short to be in any listing need not be told', () => {
  const untold = play({ ...story(), listings: [], requests: [] })

  // Positions that nobody got are lost whoever's they were.
  expect(untold.counts['too short to be seen']).toBe(1)
  expect(verdict(untold).lines.filter((line) => line.includes('m1'))).toEqual([])
})

test('an end as gone is right once the API has forgotten, as absent after three listings without an answer', () => {
  const told = story()
  const gone = { ...told, requests: closedWithout(told.requests, 'gone'), toldAt: 4_000 + RETENTION_MS }
  const absent = { ...told, requests: closedWithout(told.requests, 'absent'), listings: [1_500, 4_500, 5_500, 6_500] }

  expect([kinds(play(gone)), kinds(play(absent))]).toEqual([[], []])
})

test('a repeat with the same id and bytes is counted and breaches nothing', () => {
  const told = story()

  const ledger = play({ ...told, requests: told.requests.flatMap((one) => [one, one]) })

  expect(kinds(ledger)).toEqual([])
  expect(ledger.counts).toMatchObject({ deliveries: 8, repeated: 8, requests: 16 })
})

test('a signature by another secret is noticed, one by the right secret is not', () => {
  const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
  const headers = sign('evt_1', new Date(), '{}', [secret])
  const ledger = createLedger(['steady'], RETENTION_MS)

  verify(ledger, 'steady', new Webhook(secret), '{}', headers)
  expect(kinds(ledger)).toEqual([])
  verify(ledger, 'steady', new Webhook(`whsec_${Buffer.alloc(24, 2).toString('base64')}`), '{}', headers)
  expect(kinds(ledger)).toEqual(['signature'])
})

test.each([
  ['an event that nobody received', { position: 5, id: 'evt_5', body: '{}' }, 4],
  ['an event in other bytes', { position: 4, id: 'evt_4', body: '{}' }, 3],
  [
    'a position left out',
    { position: 4, id: 'evt_4', body: JSON.stringify({ event: eventOf(story().requests[3]!) }) },
    2,
  ],
])('%s is noticed on record', (_, recorded, after) => {
  const ledger = play(story())

  checkRecorded(ledger, recorded, after)

  expect(kinds(ledger)).toEqual(['record'])
})

test('what was received is on record as it was', () => {
  const ledger = play(story())

  checkRecorded(ledger, { position: 4, id: 'evt_4', body: JSON.stringify({ event: eventOf(story().requests[3]!) }) }, 3)

  expect(kinds(ledger)).toEqual([])
})

test('memory that grows by more than a fifth and 10 MB is growth; a peak or a slow start is not', () => {
  const level: Sample = {
    seconds: 0,
    reconcileMb: 80,
    webhookMb: 80,
    ownMb: 100,
    openSessions: 100,
    pending: 500,
    due: 400,
    openIndexesKb: 1_000,
    smallTablesKb: 16,
    deadShare: 0,
    snapshots: 0,
  }
  const samples = (webhookMb: (n: number) => number) =>
    Array.from({ length: 20 }, (_, n) => ({ ...level, webhookMb: webhookMb(n) }))

  expect(growth(samples((n) => 80 + n * 4))).toEqual(['webhookMb went from 108 to 148'])
  expect(growth(samples((n) => (n === 17 ? 900 : 80)))).toEqual([])
  expect(growth(samples((n) => (n < 5 ? 20 : 80)))).toEqual([])
  expect(growth(samples((n) => 80 + n * 4).slice(0, 11))).toEqual([])
})

test('percentiles are right to 5 %', () => {
  const histogram: number[] = []
  for (let ms = 1; ms <= 1_000; ms += 1) addTo(histogram, ms)

  expect(percentile(histogram, 0.5)).toBeGreaterThan(475)
  expect(percentile(histogram, 0.5)).toBeLessThan(525)
  expect(percentile(histogram, 0.99)).toBeGreaterThan(940)
  expect(percentile([], 0.5)).toBe(0)
})
