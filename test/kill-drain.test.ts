// A draining process of the built bundle is killed while many POSTs are in flight, and another one sweeps. Receivers are on
// real sockets and slow to answer; Tencent's API is the simulator. SEED=n chooses the moment of the kill again.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain } from '../lib/deliver.ts'
import { between, chances } from '../lib/local/simulator/chance.ts'
import { closeSession, createSession, startSession } from '../lib/local/simulator/simulator.ts'
import { tick } from '../lib/reconcile.ts'
import { loopBundle } from './support/bundle.ts'
import { eventually, type Received, type ReceivedEvent } from './support/receiver.ts'
import { loopbackPoster, openWorld, type SimulatedAccount, type World } from './support/world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const SESSIONS = 40
const LIFE = ['session.created', 'session.ready', 'session.started', 'session.closed']
/** How often the platform's timer invokes the function. */
const SWEEP_MS = 5_000
/** The promise. */
const WITHIN_MS = 45_000

type Subscriber = Awaited<ReturnType<World['subscribe']>>
/** One event as it arrived, be it in a batch. */
interface Arrival {
  event: ReceivedEvent
  /** That it cannot have taken: it said so. */
  refused: boolean
}

let world: World
let api: SimulatedAccount
let subscribers: Record<string, Subscriber>
/** Requests that were answered with a failure. */
const refused = new Set<Received>()
/** Event ids that were claimed and not settled at the kill, by endpoint. */
const claimed: Record<string, string[]> = {}
let probeLeaseMs: number | null
let tookMs: number

/** New sessions from their creation to their end; a tick after each step. */
async function live(count: number): Promise<void> {
  const created = Array.from({ length: count }, (_, n) =>
    createSession(api.simulator, { userId: `u${n}`, projectId: 'p' }),
  )
  const ids = created.map((outcome) => ('ok' in outcome ? outcome.ok.id : ''))
  for (const step of [() => undefined, startSession, closeSession]) {
    for (const id of ids) step(api.simulator, id)
    api.clock.now += 1_000
    await tick(world.db, api.account)
  }
}

beforeAll(async () => {
  world = await openWorld()
  api = await world.simulate('default', { cachedShare: 1 })
  const chance = chances(SEED, ['answers', 'kill'])
  const underWay = new Map<string, number>()
  const slowly = (name: string, ms: [number, number]) => () => (response: ServerResponse) => {
    underWay.set(name, (underWay.get(name) ?? 0) + 1)
    const answer = () => {
      underWay.set(name, (underWay.get(name) ?? 0) - 1)
      response.writeHead(204).end()
    }
    setTimeout(answer, between(chance.answers, ms))
  }
  let failing: 'answers 500' | 'holds the probe' | 'is well' = 'answers 500'
  let held = 0
  const failingOne = await world.subscribe({}, (request) => {
    if (failing === 'is well') return 204
    if (failing === 'holds the probe') return () => void (held += 1)
    refused.add(request)
    return 500
  })
  await live(1)
  // Without chance, failures follow each other until the endpoint is paused.
  await drain(world.db, loopbackPoster(), { timeMs: 20_000, random: () => 0 })
  failing = 'holds the probe'
  subscribers = {
    failing: failingOne,
    slow: await world.subscribe({}, slowly('slow', [50, 300])),
    another: await world.subscribe({}, slowly('another', [50, 300])),
    batching: await world.subscribe({ batchSize: 20 }, slowly('batching', [200, 600])),
    limited: await world.subscribe({ rate: 25 }, slowly('limited', [50, 300])),
  }
  await live(SESSIONS)

  const killAfter = Math.ceil(between(chance.kill, [0, SESSIONS * LIFE.length]))
  console.log(`kill: SEED=${SEED}, after ${killAfter} requests`)
  const env = { ...api.env, LOG_LEVEL: 'error' }
  const requests = () => Object.values(subscribers).reduce((sum, { received }) => sum + received.length, 0)
  const before = requests()
  // Long enough to come to any moment in one invocation: what hangs is to be under way when it is killed.
  const doomed = loopBundle('webhook', env, { timeLimitMs: 30_000 })
  await eventually('the moment of the kill', () => {
    const areWaited = [held, ...['slow', 'another', 'batching', 'limited'].map((name) => underWay.get(name) ?? 0)]
    return requests() - before >= killAfter && areWaited.every((count) => count > 0)
  })
  doomed.process.kill('SIGKILL')
  await once(doomed.process, 'exit')
  const killedAt = performance.now()
  await readClaimed()
  failing = 'is well'

  const successor = loopBundle('webhook', env, { timeLimitMs: 60_000, pauseMs: SWEEP_MS })
  await eventually('everything is delivered', isDelivered, WITHIN_MS + 30_000)
  tookMs = performance.now() - killedAt
  console.log(`kill: everything was delivered ${Math.round(tookMs)} ms after it`)
  await successor.stop()
}, 120_000)

afterAll(() => world.close())

async function readClaimed(): Promise<void> {
  const { rows } = await sql<{ endpoint: string; event: string }>`
    select endpoint_id as endpoint, event_id as event from delivery
    where state = 'pending' and attempts > 0
      and not exists (select from attempt where delivery_id = delivery.id and number = delivery.attempts)`.execute(
    world.db,
  )
  for (const [name, { id }] of Object.entries(subscribers)) {
    claimed[name] = rows.flatMap(({ endpoint, event }) => (endpoint === id ? [event] : []))
  }
  const probe = await sql<{ ms: number }>`
    select 1000 * extract(epoch from probe_until - now())::float8 as ms from endpoint
    where id = ${subscribers['failing']?.id}`.execute(world.db)
  probeLeaseMs = probe.rows[0]?.ms ?? null
}

async function isDelivered(): Promise<boolean> {
  const { rows } = await sql`select from delivery where state <> 'delivered' limit 1`.execute(world.db)
  return rows.length === 0
}

/** What came to a subscriber, event by event. */
function arrivals({ received }: Subscriber): Arrival[] {
  return received.flatMap((request) => {
    const events = [JSON.parse(request.body) as ReceivedEvent | ReceivedEvent[]].flat()
    return events.map((event) => ({ event, refused: refused.has(request) }))
  })
}

const NAMES = ['failing', 'slow', 'another', 'batching', 'limited']
const of = (name: string) => subscribers[name]!

test('the killed one had many POSTs in flight, among them the probe of an endpoint that failed', () => {
  for (const name of NAMES) expect([name, claimed[name]?.length]).not.toEqual([name, 0])
  expect(claimed['failing']).toHaveLength(1)
  expect(probeLeaseMs).toBeGreaterThan(0)
})

test.each(NAMES)('everything arrives, in the order of each session, and is authentic: %s', (name) => {
  const lanes = new Map<string, number[]>()
  for (const { event } of arrivals(of(name))) {
    lanes.set(event.subject, [...(lanes.get(event.subject) ?? []), event.data.revision])
  }

  expect(lanes.size).toBe(SESSIONS + (name === 'failing' ? 1 : 0))
  for (const [lane, revisions] of lanes) {
    // A repetition is of the one that was under way: nothing newer of its session has arrived before it.
    expect([lane, revisions]).toEqual([lane, [...revisions].sort((a, b) => a - b)])
    expect([lane, [...new Set(revisions)]]).toEqual([lane, LIFE.map((_, index) => index + 1)])
  }
  expect(of(name).unverified).toBe(0)
})

test.each(NAMES)('only what was claimed and not settled comes again, once and with the same bytes: %s', (name) => {
  const taken = arrivals(of(name)).filter(({ refused }) => !refused)
  const ids = taken.map(({ event }) => event.id)
  const repeated = ids.filter((id, index) => ids.indexOf(id) !== index)
  const texts = new Map<string, Set<string>>()
  for (const { event } of taken) texts.set(event.id, (texts.get(event.id) ?? new Set()).add(JSON.stringify(event)))

  expect(repeated.filter((id) => !claimed[name]?.includes(id))).toEqual([])
  expect(repeated).toHaveLength(new Set(repeated).size)
  expect([...texts.values()].filter((variants) => variants.size > 1)).toEqual([])
})

test('it takes less than 45 s', () => {
  expect(tookMs).toBeLessThan(WITHIN_MS)
})
