// Two processes ticking and two draining the same database, all from the built bundles, while sessions come and go at
// 50 times their speed; one of each is killed on the way. Tencent's API is the simulator, and its truth log the oracle.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sql } from 'kysely'
import { type Transition } from '../lib/local/simulator/simulator.ts'
import { traffic } from '../lib/local/simulator/traffic.ts'
import { loopBundle } from './support/bundle.ts'
import { eventually, type Receiver } from './support/receiver.ts'
import { openWorld, type SimulatedAccount, type World } from './support/world.ts'

const SPEED = 50
const RUN_MS = 12_000

let world: World
let api: SimulatedAccount
let receiver: Receiver
/** When the API's clock began to run, and by when it had come how far. */
let startedAt: number
let bornAt: number
const passes: { at: number; by: number }[] = []

beforeAll(async () => {
  world = await openWorld()
  api = await world.simulate('default', { preparingSeconds: [2, 20], failedShare: 0.1, brokenShare: 0.1 }, Date.now())
  receiver = await world.subscribe({}, (_, count) => (count % 10 === 0 ? 500 : 204))
  const env = { ...api.env, LOG_LEVEL: 'error' }

  const people = traffic(api.simulator, { sessionsPerMinute: 30, lengthSeconds: [20, 120], leakedShare: 0 })
  startedAt = Date.now()
  bornAt = api.clock.now
  const passTime = setInterval(() => {
    api.clock.now = bornAt + (Date.now() - startedAt) * SPEED
    if (Date.now() - startedAt < RUN_MS) people.step(api.clock.now)
    passes.push({ at: api.clock.now, by: Date.now() })
  }, 5)
  const running = ['reconcile', 'reconcile', 'webhook', 'webhook'].map((name) => loopBundle(name, env))
  const doomed = ['reconcile', 'webhook'].map((name) => loopBundle(name, env))
  await eventually('half of the run is over', () => Date.now() - startedAt > RUN_MS / 2)
  for (const { process } of doomed) process.kill('SIGKILL')

  await eventually('the run is over and every session has ended', () => {
    const ended = [...api.simulator.sessions.values()].every(({ status }) => status === 2 || status === 4)
    return Date.now() - startedAt > RUN_MS && ended
  })
  // What the killed drain had claimed comes back when its lease ends; waits of retries are cut short.
  await eventually(
    'everything is told and delivered',
    async () => {
      await sql`update delivery set due_at = now() where state = 'pending' and due_at > now() + interval '31 s'`.execute(
        world.db,
      )
      const open = await sql<{ n: number }>`
      select (select count(*) from session where ended_at is null)
        + (select count(*) from delivery where state = 'pending') as n`.execute(world.db)
      return open.rows[0]?.n === 0
    },
    90_000,
  )
  clearInterval(passTime)
  await Promise.all(running.map((loop) => loop.stop()))
}, 150_000)

afterAll(() => world.close())

/** Each event once, in the order of first arrival, by session. */
function received(): Map<string, { type: string; revision: number; code: number | null }[]> {
  const seen = new Set<string>()
  const sessions = new Map<string, { type: string; revision: number; code: number | null }[]>()
  for (const { id, event } of receiver.received) {
    if (seen.has(id)) continue
    seen.add(id)
    const { type, subject, data } = event
    const one = { type: type.replace('session.', ''), revision: data.revision, code: data.error?.code ?? null }
    sessions.set(subject, [...(sessions.get(subject) ?? []), one])
  }
  return sessions
}

/** The real time by which a moment of the API's clock had come, at the earliest. */
const realTime = (at: number) => startedAt + (at - bornAt) / SPEED

test('every session that lived through a whole tick is told once, from created to its true end', async () => {
  const told = received()
  const lives = new Map<string, Transition[]>()
  for (const step of api.simulator.truth) lives.set(step.sessionId, [...(lives.get(step.sessionId) ?? []), step])
  const ticks = await world.db
    .selectFrom('snapshot')
    .select(['listed_at', 'duration_ms'])
    .where('outcome', '<>', 'failed')
    .execute()
  const long = [...lives].filter(([, life]) => {
    const from = passes.find(({ at }) => at >= life[0]!.at)?.by ?? Infinity
    const to = realTime(life.at(-1)!.at)
    return ticks.some(({ listed_at, duration_ms }) => {
      return listed_at.getTime() > from && listed_at.getTime() + duration_ms < to
    })
  })

  expect(long.length).toBeGreaterThan(50)
  for (const [id, life] of long) {
    const events = told.get(id) ?? []
    const end = life.at(-1)!
    expect([id, events[0]?.type]).toEqual([id, 'created'])
    expect([id, events.at(-1)]).toMatchObject([
      id,
      { type: end.to === 4 ? 'failed' : 'closed', code: end.errorCode === 0 ? null : end.errorCode },
    ])
    const wasStarted = end.started
    expect([id, events.some(({ type }) => type === 'started')]).toEqual([id, wasStarted])
  }
})

test('every session is told in order, without a gap, a repetition or a second end', () => {
  const order = ['created', 'ready', 'started', 'closed', 'failed']
  for (const [id, events] of received()) {
    expect([id, events.map(({ revision }) => revision)]).toEqual([id, events.map((_, index) => index + 1)])
    const places = events.map(({ type }) => order.indexOf(type))
    expect([id, places]).toEqual([id, [...new Set(places)].sort((a, b) => a - b)])
    expect(events.filter(({ type }) => type === 'closed' || type === 'failed')).toHaveLength(1)
  }
})

test('positions have no gap, and each id is one byte string', async () => {
  const positions = await world.db.selectFrom('event').select('position').orderBy('position').execute()
  const bodies = new Map<string, Set<string>>()
  for (const { id, body } of receiver.received) bodies.set(id, (bodies.get(id) ?? new Set()).add(body))

  expect(positions.map(({ position }) => position)).toEqual(positions.map((_, index) => index + 1))
  expect(bodies.size).toBe(positions.length)
  expect([...bodies.values()].filter((variants) => variants.size > 1)).toEqual([])
  expect(receiver.unverified).toBe(0)
})
