// How drains treat endpoints that fail, over a real Postgres and real receivers on loopback; no doubles.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain } from '../lib/deliver.ts'
import { showEndpoint } from '../lib/store/endpoint.ts'
import { seed } from './support/seed.ts'
import { loopbackPoster, openWorld, type World } from './support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const poster = loopbackPoster()

/** A receiver that answers after a moment, and how many requests it had at once at most. */
async function counting(status: () => number, afterMs = 20) {
  let [now, most] = [0, 0]
  const receiver = await world.subscribe({}, () => (response) => {
    now += 1
    most = Math.max(most, now)
    setTimeout(() => {
      now -= 1
      response.writeHead(status()).end()
    }, afterMs)
  })
  return { receiver, most: () => most }
}

test('three drains send one thing at a time to an endpoint that fails, and leave it alone after the fifth failure', async () => {
  const { receiver, most } = await counting(() => 500)
  await sql`update endpoint set failures = 1, failing_since = now() - interval '1 minute', pace = 1`.execute(world.db)
  await seed(world.db, { sessions: 60 })

  const options = { timeMs: 20_000, random: () => 0 }
  await Promise.all([1, 2, 3].map(() => drain(world.db, poster, options)))

  expect(most()).toBe(1)
  expect(receiver.received).toHaveLength(4)
  expect(await showEndpoint(world.db, receiver.id)).toMatchObject({ state: 'active', failures: 5, pending: 60 })
})

test('an endpoint that is back gets its backlog, more and more at once', async () => {
  const { receiver, most } = await counting(() => 204)
  await sql`update endpoint set failures = 9, failing_since = now(), pace = 1`.execute(world.db)
  await seed(world.db, { sessions: 60 })

  const result = await drain(world.db, poster, { timeMs: 20_000 })

  expect(result).toMatchObject({ delivered: 60 })
  expect(most()).toBeGreaterThan(1)
  expect(most()).toBeLessThanOrEqual(8)
  expect(receiver.unverified).toBe(0)
  expect(await showEndpoint(world.db, receiver.id)).toMatchObject({ failures: 0, failingSince: null, pending: 0 })
})

test('what was claimed ahead of an endpoint that then fails is not sent, and has no attempt', async () => {
  let answers = 0
  const { receiver, most } = await counting(() => ((answers += 1) <= 200 ? 204 : 500), 1)
  await seed(world.db, { sessions: 600 })

  const result = await drain(world.db, poster, { timeMs: 20_000, random: () => 1 - 1e-9 })

  const attempts = sql<{ sum: number }>`select sum(attempts)::integer as sum from delivery`
  const { rows } = await attempts.execute(world.db)
  expect(result.delivered).toBe(200)
  expect(most()).toBe(8)
  // Those under way with the first that failed, and tries one at a time until it is left alone; of 400 that were not sent.
  expect(receiver.received.length).toBeLessThanOrEqual(200 + 8 + 20)
  expect([rows[0]?.sum, result.claimed]).toEqual([receiver.received.length, receiver.received.length])
})

test('an endpoint that failed for 5 days at three events is disabled by the next failure, and keeps them all', async () => {
  const { receiver } = await counting(() => 500)
  await seed(world.db, { sessions: 5 })
  await sql`update delivery set attempts = 9, retry_until = now() where position <= 3`.execute(world.db)
  await sql`update endpoint set failures = 99, failing_since = now() - interval '5 days', pace = 1`.execute(world.db)

  await drain(world.db, poster, { timeMs: 20_000 })

  expect(receiver.received).toHaveLength(1)
  expect(await showEndpoint(world.db, receiver.id)).toMatchObject({
    state: 'disabled',
    stateReason: 'failing',
    pending: 5,
    dead: 0,
  })
})
