// Drains of endpoints with rates and batches, against a real Postgres and real receivers on loopback; no doubles.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain, type DrainOptions } from '../lib/deliver.ts'
import { showEndpoint, updateEndpoint } from '../lib/store/endpoint.ts'
import { listDeliveries } from '../lib/store/history.ts'
import { eventually, type Received } from './support/receiver.ts'
import { seed } from './support/seed.ts'
import { loopbackPoster, openWorld, type World } from './support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const poster = loopbackPoster()
const drainNow = (options: Partial<DrainOptions> = {}) => drain(world.db, poster, { timeMs: 20_000, ...options })
/** The events of a POST, one or several. */
const eventsOf = ({ body }: Pick<Received, 'body'>) => [JSON.parse(body)].flat() as { id: string; subject: string }[]
const storedBodies = async () =>
  new Map((await world.db.selectFrom('event').select(['id', 'body']).execute()).map(({ id, body }) => [id, body]))

describe('a drain', () => {
  test.each([20, 100, 1_000])('waits for a rate of %i a second until all that is due is delivered', async (rate) => {
    const receiver = await world.subscribe()
    await updateEndpoint(world.db, receiver.id, { rate })
    await seed(world.db, { sessions: rate })

    const result = await drainNow()

    expect(result).toMatchObject({ claimed: rate, delivered: rate })
    expect(receiver.received).toHaveLength(rate)
  })

  test('that waits for a rate delivers what falls due to others meanwhile', async () => {
    const arrived: string[] = []
    const slow = await world.subscribe({ account: 'slow' }, () => (arrived.push('slow'), 204))
    const fast = await world.subscribe({ account: 'fast' }, () => (arrived.push('fast'), 204))
    await updateEndpoint(world.db, slow.id, { rate: 0.25 })
    await seed(world.db, { sessions: 2, account: 'slow' })

    const draining = drainNow()
    await eventually('the first of the slow one is delivered', async () => {
      return (await listDeliveries(world.db, { state: 'delivered', limit: 1 })).length === 1
    })
    await seed(world.db, { sessions: 1, account: 'fast' })
    await draining

    expect(fast.received).toHaveLength(1)
    expect(arrived).toEqual(['slow', 'fast', 'slow'])
  })

  test('ends at once when a lane is held back, whatever its rate', async () => {
    const receiver = await world.subscribe({}, () => 500)
    await updateEndpoint(world.db, receiver.id, { rate: 0.01 })
    await seed(world.db, { sessions: 1, perSession: 3 })
    const random = () => 0.99

    const result = await drainNow({ timeMs: 600_000, random })

    expect(result).toEqual({ claimed: 1, delivered: 0, retried: 1, dead: 0 })
  })

  test('that shares a rate with another waits too, and each event is sent once', async () => {
    const receiver = await world.subscribe()
    await updateEndpoint(world.db, receiver.id, { rate: 20 })
    await seed(world.db, { sessions: 30 })

    const results = await Promise.all([drainNow(), drainNow()])

    expect(results.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(30)
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(30)
    expect(receiver.received).toHaveLength(30)
  })
})

describe('a batch', () => {
  test('is one signed POST of the bytes of its events, in order, with an id and a content type of its own', async () => {
    const receiver = await world.subscribe()
    await updateEndpoint(world.db, receiver.id, { batchSize: 500 })
    await seed(world.db, { sessions: 12 })

    const result = await drainNow()

    const bodies = await storedBodies()
    const expected = Array.from({ length: 12 }, (_, index) => bodies.get(`evt_default_${index + 1}`))
    expect(result).toEqual({ claimed: 12, delivered: 12, retried: 0, dead: 0 })
    expect(receiver.received.map(({ body }) => body)).toEqual([`[${expected.join(',')}]`])
    expect(receiver.received[0]?.headers['content-type']).toBe('application/cloudevents-batch+json')
    expect(receiver.received[0]?.id).toMatch(/^batch_\w+$/)
    expect(receiver.unverified).toBe(0)
  })

  test('of one event is that event as it always is', async () => {
    const receiver = await world.subscribe()
    await updateEndpoint(world.db, receiver.id, { batchSize: 500 })
    await seed(world.db, { sessions: 1 })

    await drainNow()

    const [one] = receiver.received
    expect(one).toMatchObject({ id: 'evt_default_1', body: (await storedBodies()).get('evt_default_1') })
    expect(one?.headers['content-type']).toBe('application/cloudevents+json')
  })

  test('carries 1,000 due events in two POSTs of 500, and the events of each session in their order', async () => {
    const receiver = await world.subscribe()
    await updateEndpoint(world.db, receiver.id, { batchSize: 500 })
    await seed(world.db, { sessions: 1_000, perSession: 3 })

    await drainNow()

    expect(receiver.received.map((one) => eventsOf(one).length)).toEqual([500, 500, 500, 500, 500, 500])
    const seen = new Map<string, number[]>()
    for (const { subject, id } of receiver.received.flatMap(eventsOf)) {
      seen.set(subject, [...(seen.get(subject) ?? []), Number(id.split('_').at(-1))])
    }
    expect(seen.size).toBe(1_000)
    for (const positions of seen.values()) expect(positions).toEqual([...positions].sort((a, b) => a - b))
  })

  test.each([400, 413, 415])(
    'that is answered %i is sent again one by one, at once, and only the bad event is dead',
    async (status) => {
      const isBad = (one: Received) => one.body.includes('evt_default_3"')
      const receiver = await world.subscribe({}, (one) => (isBad(one) ? status : 204))
      await updateEndpoint(world.db, receiver.id, { batchSize: 5 })
      await seed(world.db, { sessions: 10 })

      const result = await drainNow()

      const lengths = receiver.received.map((one) => eventsOf(one).length)
      expect(lengths.sort((a, b) => a - b)).toEqual([1, 1, 1, 1, 1, 5, 5])
      expect(result).toEqual({ claimed: 15, delivered: 9, retried: 5, dead: 1 })
      const dead = await listDeliveries(world.db, { state: 'dead', limit: 10 })
      expect(dead).toMatchObject([{ eventId: 'evt_default_3', attempts: 2 }])
    },
  )

  test('that is refused says nothing of its endpoint', async () => {
    const receiver = await world.subscribe({}, (one) => (eventsOf(one).length > 1 ? 400 : () => undefined))
    await updateEndpoint(world.db, receiver.id, { batchSize: 5 })
    await seed(world.db, { sessions: 5 })
    const draining = drainNow({ timeMs: 12_000, postDeadlineMs: 5_000 })

    await eventually('the events are sent one by one', () => receiver.received.length > 1)

    const before = await showEndpoint(world.db, receiver.id)
    expect(before).toMatchObject({ failures: 0, failingSince: null })
    await draining
  })

  test('that fails is one failure of its endpoint, and its events are tried again one by one', async () => {
    const receiver = await world.subscribe({}, (_, count) => (count === 1 ? 500 : 204))
    await updateEndpoint(world.db, receiver.id, { batchSize: 5 })
    await seed(world.db, { sessions: 5 })
    await drainNow({ random: () => 0.999 })
    const failed = await showEndpoint(world.db, receiver.id)
    await sql`update delivery set due_at = now()`.execute(world.db)

    await drainNow()

    expect(failed).toMatchObject({ failures: 1, failingSince: expect.any(Date) as Date })
    expect(receiver.received.map((one) => eventsOf(one).length)).toEqual([5, 1, 1, 1, 1, 1])
  })

  test('that is answered 410 disables the endpoint, and none of its events is lost', async () => {
    const receiver = await world.subscribe({}, () => 410)
    await updateEndpoint(world.db, receiver.id, { batchSize: 5 })
    await seed(world.db, { sessions: 5 })

    await drainNow()

    expect(await showEndpoint(world.db, receiver.id)).toMatchObject({ state: 'disabled', pending: 5, dead: 0 })
  })

  test('is signed with an ed25519 key as well as with the secret', async () => {
    const receiver = await world.subscribe()
    await updateEndpoint(world.db, receiver.id, { batchSize: 5 })
    await sql`insert into endpoint_secret (endpoint_id, kind, secret)
      values (${receiver.id}, 'ed25519', 'whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=')`.execute(world.db)
    await seed(world.db, { sessions: 3 })

    await drainNow()

    expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,\S+ v1a,\S+$/)
    expect(receiver.unverified).toBe(0)
  })
})
