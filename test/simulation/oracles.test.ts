// Oracles that a broken run rarely meets, each seen to notice what it is for, on evidence made by hand.
import { expect, test } from 'vitest'
import type { ReceivedEvent } from '../support/receiver.ts'
import {
  allFromStart,
  type Evidence,
  NOBODY_ELSE,
  laneOrder,
  noSilentLoss,
  nothingLost,
  replayedWhole,
  type SeenRequest,
  toldOfDisabled,
  wholeLives,
} from './oracles.ts'

/** A request with the `sequence`-th event, which is its session's `revision`-th. */
function request(endpoint: string, sequence: number, subject: string, revision: number): SeenRequest {
  const id = `evt_${sequence}`
  const event = { id, sequence: String(sequence), subject, source: '/accounts/default', data: { revision } }
  return { endpoint, id, body: JSON.stringify(event), event: event as unknown as ReceivedEvent, answered: 204 }
}

const all = (endpoint: string) => [
  request(endpoint, 1, 'a', 1),
  request(endpoint, 2, 'b', 1),
  request(endpoint, 3, 'a', 2),
  request(endpoint, 4, 'b', 2),
]
const evidence = (others: SeenRequest[], more: Partial<Evidence>): Evidence => ({
  ...NOBODY_ELSE,
  truth: [],
  now: 0,
  listings: [],
  statFailed: false,
  requests: [...all('witness'), ...others],
  witness: 'witness',
  ...more,
})

test('who wanted the latest of each session and lacks one is noticed', () => {
  const [first, , latestOfA, latestOfB] = all('one')

  expect(nothingLost(evidence([first!, latestOfA!, latestOfB!], { latest: ['one'] }))).toEqual([])
  expect(nothingLost(evidence([first!, latestOfA!], { latest: ['one'] }))).toEqual(['lost: one lacks the last of b'])
})

test('who wanted everything from its first event on and lacks one is noticed', () => {
  const [, second, third, fourth] = all('one')

  expect(nothingLost(evidence([second!, third!, fourth!], { faithful: ['one'] }))).toEqual([])
  expect(nothingLost(evidence([second!, fourth!], { faithful: ['one'] }))).toEqual(['lost: one lacks 1 events'])
})

test('what was refused, and never sent again, is lacking', () => {
  const [first, second, third, fourth] = all('one')
  const refused = { ...second!, answered: 500 }

  expect(nothingLost(evidence([first!, refused, second!, third!, fourth!], { faithful: ['one'] }))).toEqual([])
  expect(nothingLost(evidence([first!, refused, third!, fourth!], { faithful: ['one'] }))).toEqual([
    'lost: one lacks 1 events',
  ])
})

test('who began with everything and lacks the beginning is noticed', () => {
  expect(allFromStart(evidence(all('one'), { fromStart: ['one'] }))).toEqual([])
  expect(allFromStart(evidence(all('one').slice(1), { fromStart: ['one'] }))).toEqual(['start: one has 3 of 4 events'])
})

test('who began with a snapshot and knows a session by halves is noticed', () => {
  const ofB = all('one').filter(({ event }) => event.subject === 'b')

  expect(wholeLives(evidence(ofB, { fromSnapshot: ['one'] }))).toEqual([])
  expect(wholeLives(evidence(ofB.slice(1), { fromSnapshot: ['one'] }))).toEqual([
    'snapshot: one knows b by its revisions 2',
  ])
})

test('a replay that leaves one out, doubles one, changes order or bytes is noticed', () => {
  const [first, second, third, fourth] = all('witness')
  const changed = { ...second!, body: second!.body.replace('"revision":1', '"revision":9') }
  const notices = (again: SeenRequest[]) => replayedWhole(evidence([], { again })).length > 0

  expect(notices([first!, second!, third!, fourth!])).toBe(false)
  expect(notices([second!, first!, fourth!, third!])).toBe(false)
  expect(notices([first!, second!, third!])).toBe(true)
  expect(notices([first!, second!, third!, fourth!, fourth!])).toBe(true)
  expect(notices([third!, first!, second!, fourth!])).toBe(true)
  expect(notices([first!, changed, third!, fourth!])).toBe(true)
})

/** What the listener is told of an endpoint. */
function telling(type: string, data: Record<string, unknown>): SeenRequest {
  const event = { id: 'evt_told', type, sequence: '1', subject: 'ep', source: '/operator', data }
  return { endpoint: 'listener', id: 'evt_told', body: '', event: event as unknown as ReceivedEvent, answered: 204 }
}

test('what is dead may be lacking, and be overtaken, but only when somebody is told', () => {
  const [first, second, , fourth] = all('one')
  const refused = { ...second!, answered: 500 }
  const known = { mortal: ['one'], listener: 'listener' }
  const told = telling('delivery.dead', { description: 'one', events: [{ id: 'evt_2' }, { id: 'evt_3' }] })

  expect(noSilentLoss(evidence([first!, refused, fourth!, told], known))).toEqual([])
  expect(laneOrder(evidence([first!, refused, fourth!, told], known))).toEqual([])
  expect(noSilentLoss(evidence([first!, refused, fourth!], known))).toEqual([
    'silent: one lacks evt_3, and nobody was told',
    'silent: one lacks evt_2, and nobody was told',
  ])
  expect(laneOrder(evidence([first!, refused, fourth!], known))).toHaveLength(1)
})

test('who is disabled without a word, or called disabled without a cause, is noticed', () => {
  const known = { gone: ['one'], listener: 'listener' }
  const refused = { ...all('one')[0]!, answered: 410 }
  const told = telling('endpoint.disabled', { description: 'one', reason: 'gone' })

  expect(toldOfDisabled(evidence([refused, told], known))).toEqual([])
  expect(toldOfDisabled(evidence([refused], known))).toEqual(['disabled: one is, and nobody was told'])
  expect(toldOfDisabled(evidence([told], known))).toHaveLength(1)
})
