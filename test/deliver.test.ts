// A drain against a real Postgres and real receivers on loopback; no doubles.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { addressGuard } from '../lib/address.ts'
import { drain, type DrainOptions } from '../lib/deliver.ts'
import { closeSession, createSession, startSession } from '../lib/local/simulator/simulator.ts'
import { openPoster } from '../lib/post.ts'
import { tick } from '../lib/reconcile.ts'
import { openDatabase } from '../lib/store/database.ts'
import { settle } from '../lib/store/settle.ts'
import { removeEndpoint, showEndpoint } from '../lib/store/endpoint.ts'
import { disableEndpoint, enableEndpoint } from '../lib/store/endpoint-state.ts'
import { listDeliveries } from '../lib/store/history.ts'
import { claimAll } from './support/claim.ts'
import { eventually } from './support/receiver.ts'
import { loopbackPoster, openWorld, type SimulatedAccount, type World } from './support/world.ts'

let world: World
let api: SimulatedAccount

beforeEach(async () => {
  world = await openWorld()
  api = await world.simulate('default', { cachedShare: 1 })
})
afterEach(() => world.close())

const poster = loopbackPoster()
// What failed waits for nearly as long as it may, and so never for so short that the same drain sends it again.
const drainNow = (options: Partial<DrainOptions> = {}) =>
  drain(world.db, poster, { timeMs: 20_000, random: () => 0.999, ...options })

/** Lives of sessions, one after the other: created and ready, started, closed; a tick after each step. */
async function live(users: string[]): Promise<string[]> {
  const created = users.map((userId) => createSession(api.simulator, { userId, projectId: 'p' }))
  const ids = created.map((outcome) => ('ok' in outcome ? outcome.ok.id : ''))
  await tickOn()
  for (const id of ids) startSession(api.simulator, id)
  await tickOn()
  for (const id of ids) closeSession(api.simulator, id)
  await tickOn()
  return ids
}

async function tickOn(): Promise<void> {
  api.clock.now += 1_000
  await tick(world.db, api.account)
}

/** Makes every pending delivery due, as if its wait were over, and that of its endpoint. */
async function makeDue(): Promise<void> {
  await sql`update endpoint set probe_until = null`.execute(world.db)
  await sql`update delivery set due_at = now() where state = 'pending'`.execute(world.db)
}

const claimOne = () => claimAll(world.db, { limit: 1 })

const LIFE = ['session.created', 'session.ready', 'session.started', 'session.closed']

describe('a subscriber', () => {
  test('gets each event once, signed, in the order of each session', async () => {
    const receiver = await world.subscribe()
    const ids = await live(['a', 'b', 'c'])

    const result = await drainNow()

    expect(result).toEqual({ claimed: 12, delivered: 12, retried: 0, dead: 0 })
    expect(receiver.unverified).toBe(0)
    for (const id of ids) {
      const own = receiver.received.filter(({ event }) => event.subject === id)
      expect(own.map(({ event }) => event.type)).toEqual(LIFE)
    }
    expect(receiver.received[0]?.headers).toMatchObject({
      'content-type': 'application/cloudevents+json',
      'webhook-id': receiver.received[0]?.event.id,
    })
  })

  test('that fails is tried again with the same id and the same bytes, and later events of the session wait', async () => {
    const receiver = await world.subscribe({}, (_, count) => (count <= 3 ? 500 : 204))
    await live(['a'])

    const results = []
    for (let i = 0; i < 4; i += 1) {
      results.push(await drainNow())
      await makeDue()
    }

    expect(results.map(({ delivered, retried }) => [delivered, retried])).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
      [4, 0],
    ])
    const tries = receiver.received.slice(0, 4)
    expect(new Set(tries.map(({ body }) => body)).size).toBe(1)
    expect(new Set(tries.map(({ id }) => id)).size).toBe(1)
    expect(receiver.received.slice(3).map(({ event }) => event.type)).toEqual(LIFE)
  })

  test('that refuses one session gets all the others, and that one when it takes it', async () => {
    let refused = ''
    const receiver = await world.subscribe({}, ({ event }) => (event.subject === refused ? 500 : 204))
    const [first = '', ...others] = await live(['a', 'b', 'c'])
    refused = first

    const result = await drainNow({ random: () => 0.999 })
    const meanwhile = receiver.received.filter(({ event }) => event.subject !== first)
    refused = ''
    await makeDue()
    await drainNow()

    expect(result).toMatchObject({ delivered: 8, retried: 1 })
    expect(meanwhile.map(({ event }) => event.subject).sort()).toEqual(others.flatMap((id) => [id, id, id, id]).sort())
    const own = receiver.received.filter(({ event }) => event.subject === first).map(({ event }) => event.type)
    expect(own).toEqual(['session.created', ...LIFE])
  })

  test('that hangs does not delay another', async () => {
    const silent = await world.subscribe({}, () => () => undefined)
    const healthy = await world.subscribe()
    await live(Array.from({ length: 30 }, (_, index) => `user-${index}`))

    const draining = drainNow({ timeMs: 10_000, postDeadlineMs: 5_000 })
    await eventually('the healthy one has everything', () => healthy.received.length === 120, 4_900)
    await draining

    expect(silent.received.length).toBeGreaterThan(0)
    expect(await listDeliveries(world.db, { endpoint: silent.id, state: 'delivered', limit: 1 })).toEqual([])
  })

  test.each([
    [200, 'delivered'],
    [302, 'pending'],
    [400, 'dead'],
    [404, 'pending'],
    [413, 'dead'],
    [415, 'dead'],
    [429, 'pending'],
    [500, 'pending'],
  ])('that answers %i leaves the delivery %s', async (status, state) => {
    const receiver = await world.subscribe({ events: ['session.created'] }, () => status)
    await live(['a'])

    await drainNow()

    const [delivery] = await listDeliveries(world.db, { endpoint: receiver.id, limit: 1 })
    expect(delivery).toMatchObject({ state, status, attempts: 1 })
  })

  test('that answers 410 is disabled, and gets what it missed when it is enabled again', async () => {
    const receiver = await world.subscribe({}, (_, count) => (count === 1 ? 410 : 204))
    await live(['a'])
    await drainNow()
    await live(['b'])
    const disabled = await showEndpoint(world.db, receiver.id)
    const idle = await drainNow()

    const enabled = await enableEndpoint(world.db, receiver.id, 'all')
    await drainNow()

    expect(disabled).toMatchObject({ state: 'disabled', stateReason: 'gone', pending: 8 })
    expect(idle.claimed).toBe(0)
    expect(enabled).toEqual({ missed: 8, queued: 8 })
    expect(receiver.received).toHaveLength(9)
  })

  test('that asks for a pause by retry-after is left alone that long, with all its events', async () => {
    const receiver = await world.subscribe({}, () => (response) => {
      response.writeHead(503, { 'retry-after': '60' }).end()
    })
    await live(['a'])
    await drainNow()
    await live(['b'])
    await makeDue()

    const held = await drainNow()

    expect(held.claimed).toBe(0)
    expect(receiver.received).toHaveLength(1)
    const endpoint = await showEndpoint(world.db, receiver.id)
    expect(endpoint.holdUntil?.getTime()).toBeGreaterThan(Date.now() + 50_000)
  })

  test('that has failed for 72 hours leaves the delivery dead, and the next of the session gets its turn', async () => {
    const receiver = await world.subscribe({}, (_, count) => (count <= 2 ? 500 : 204))
    await live(['a'])
    await drainNow()
    await sql`update delivery set due_at = now(), retry_until = now() where attempts > 0`.execute(world.db)

    const result = await drainNow()

    expect(result).toEqual({ claimed: 4, delivered: 3, retried: 0, dead: 1 })
    expect(receiver.received.map(({ event }) => event.type)).toEqual(['session.created', ...LIFE])
  })

  test('that is removed takes its deliveries along, and a drain under way does not mind', async () => {
    const receiver = await world.subscribe({}, () => (response) => {
      void removeEndpoint(world.db, receiver.id).then(() => response.writeHead(204).end())
    })
    await live(['a'])

    const result = await drainNow()

    expect(result).toMatchObject({ claimed: 1 })
    expect(await listDeliveries(world.db, { limit: 10 })).toEqual([])
  })

  test('whose address is private, and not opened, is never connected to', async () => {
    const receiver = await world.subscribe()
    await live(['a'])

    const result = await drain(world.db, openPoster(addressGuard([])), { timeMs: 5_000, random: () => 0.999 })

    expect(result).toMatchObject({ delivered: 0, retried: 1 })
    expect(receiver.received).toEqual([])
    const [last] = await listDeliveries(world.db, { limit: 10 })
    expect(last?.state).toBe('pending')
  })
})

describe('a drain', () => {
  test('gives what it claims its full time: near its end it claims nothing more', async () => {
    const receiver = await world.subscribe({}, () => (response) => {
      setTimeout(() => response.writeHead(204).end(), 3_000)
    })
    await live(['a'])

    const result = await drainNow({ timeMs: 10_000 })

    expect(result).toMatchObject({ delivered: 2, retried: 0 })
    expect(receiver.received).toHaveLength(2)
  })

  test.each([
    ['ever less often', undefined, 0, 8],
    ['often enough for a rate', 1_000, 10, 25],
  ])('that waits for a slow endpoint looks for other deliveries, %s', async (_, rate, least, most) => {
    await world.subscribe({ events: ['session.created'] }, () => () => undefined)
    await world.subscribe({ events: ['session.created'], ...(rate !== undefined && { rate }) })
    await live(['a'])
    let statements = 0
    const counting = world.db.withPlugin({
      transformQuery: ({ node }) => ((statements += 1), node),
      transformResult: ({ result }) => Promise.resolve(result),
    })

    const result = await drain(counting, poster, { timeMs: 20_000, postDeadlineMs: 4_000, random: () => 1 - 1e-9 })

    expect(result).toMatchObject({ delivered: 1, retried: 1 })
    // Beside those of a drain that meets nobody slow.
    expect(statements - 6).toBeGreaterThanOrEqual(least)
    expect(statements - 6).toBeLessThanOrEqual(most)
  })

  test('whose claim takes until its time is over sends nothing, and nobody is said to have failed', async () => {
    const receiver = await world.subscribe()
    await live(['a', 'b'])
    const { draining } = await world.other.transaction().execute(async (tx) => {
      await sql`lock table delivery in access exclusive mode`.execute(tx)
      const draining = drainNow({ timeMs: 1_500 })
      await sql`select pg_sleep(1.2)`.execute(tx)
      return { draining }
    })

    const result = await draining

    expect(result).toEqual({ claimed: 0, delivered: 0, retried: 0, dead: 0 })
    expect(await showEndpoint(world.db, receiver.id)).toMatchObject({ failures: 0, pending: 8 })
    expect(await claimAll(world.db)).toMatchObject([{ attempt: 1 }, { attempt: 1 }])
  })

  test('sends one thing at a time to an endpoint that fails, and many again after a success', async () => {
    const users = Array.from({ length: 6 }, (_, index) => `user-${index}`)
    let status = 500
    const receiver = await world.subscribe({ events: ['session.created'] }, () => status)
    await live(users)
    const claimFive = async () => {
      await makeDue()
      return (await claimAll(world.db, { perEndpoint: 5 })).length
    }
    const before = await claimFive()
    await makeDue()
    await drainNow()
    const whileFailing = await claimFive()
    status = 204
    await makeDue()
    await drainNow()

    expect([before, whileFailing]).toEqual([5, 1])
    expect(await listDeliveries(world.db, { endpoint: receiver.id, state: 'delivered', limit: 10 })).toHaveLength(6)
  })
})

describe('enabling', () => {
  test.each([
    ['all', 8, ['session.created', 'session.closed']],
    ['latest', 2, ['session.closed', 'session.closed']],
    ['none', 0, []],
  ] as const)('with %s queues %i of what was missed', async (missed, queued, firstAndLast) => {
    const receiver = await world.subscribe()
    await disableEndpoint(world.db, receiver.id, 'test')
    await live(['a', 'b'])

    const enabled = await enableEndpoint(world.db, receiver.id, missed)
    await drainNow()

    expect(enabled).toEqual({ missed: 8, queued })
    expect(receiver.received).toHaveLength(queued)
    const types = receiver.received.map(({ event }) => event.type)
    expect([types[0], types.at(-1)].filter(Boolean)).toEqual(firstAndLast)
  })
})

describe('claims', () => {
  test('of two drains never hold the same delivery, nor two of one lane', async () => {
    await world.subscribe()
    await live(['a', 'b', 'c', 'd'])

    const claims = (await Promise.all([claimAll(world.db, { limit: 3 }), claimAll(world.db, { limit: 3 })])).flat()

    const bodies = claims.map(({ body }) => JSON.parse(body) as { subject: string; type: string })
    expect(claims).toHaveLength(4)
    expect(new Set(bodies.map(({ subject }) => subject)).size).toBe(4)
    expect(new Set(bodies.map(({ type }) => type))).toEqual(new Set(['session.created']))
  })

  test('that are never settled fall due again when the lease ends, and count as attempts', async () => {
    await world.subscribe()
    await live(['a'])
    const [lost] = await claimOne()
    const during = await claimOne()
    await makeDue()

    const [again] = await claimOne()

    expect(during).toEqual([])
    expect(again).toMatchObject({ id: lost?.id, attempt: 2 })
  })

  test('settled at the same time, for the same endpoints in any order, never wait for each other in a circle', async () => {
    for (let i = 0; i < 12; i += 1) await world.subscribe()
    await live(['a', 'b', 'c', 'd'])
    const claims = await claimAll(world.db)
    const busy = { kind: 'answered', status: 429, retryAfterMs: 1_000 } as const
    const verdict = { kind: 'retry', delayMs: 0, holdMs: 1_000, pauseMs: 0, theirs: true } as const
    const come = { sentAt: new Date(), durationMs: 1, outcome: busy, verdict }
    const db = openDatabase(world.url, { connections: 8 })
    const settleSome = (round: number) => {
      const ranked = claims.map((one, index) => ({ one, rank: (index * 7_919 + round * 104_729) % 48 }))
      const some = ranked.sort((a, b) => a.rank - b.rank).slice(0, 8 + (round % 30))
      return settle(
        db,
        some.map(({ one }) => ({ claim: one, ...come })),
      )
    }

    const settling = Array.from({ length: 400 }, (_, round) => settleSome(round))
    const failed = (await Promise.allSettled(settling)).filter(({ status }) => status === 'rejected')
    await db.destroy()

    expect(claims).toHaveLength(48)
    expect(failed).toEqual([])
  })

  test('settled as delivered after all are delivered, although they were given up meanwhile', async () => {
    const receiver = await world.subscribe()
    await live(['a'])
    const [sent] = await claimOne()
    if (!sent) throw new Error('nothing to claim')
    await disableEndpoint(world.db, receiver.id, 'test')
    await enableEndpoint(world.db, receiver.id, 'none')
    const outcome = { kind: 'answered', status: 204, retryAfterMs: null } as const

    await settle(world.db, [
      { claim: sent, sentAt: new Date(), durationMs: 1, outcome, verdict: { kind: 'delivered' } },
    ])

    expect(await listDeliveries(world.db, { state: 'delivered', limit: 10 })).toMatchObject([{ eventId: sent.eventId }])
  })

  test('settled late change nothing, but the attempt is on record', async () => {
    const receiver = await world.subscribe()
    await live(['a'])
    const [late] = await claimOne()
    await makeDue()
    const [current] = await claimOne()
    if (!late || !current) throw new Error('nothing to claim')
    const came = { sentAt: new Date(), durationMs: 1 }
    const failure = { outcome: { kind: 'timeout' }, verdict: { kind: 'dead' } } as const
    const success = {
      outcome: { kind: 'answered', status: 204, retryAfterMs: null },
      verdict: { kind: 'delivered' },
    } as const

    await settle(world.db, [{ claim: late, ...came, ...failure }])
    const [held] = await listDeliveries(world.db, { endpoint: receiver.id, state: 'dead', limit: 1 })
    await settle(world.db, [{ claim: current, ...came, ...success }])
    await settle(world.db, [{ claim: current, ...came, ...failure }])

    expect(held).toBeUndefined()
    expect(await listDeliveries(world.db, { state: 'delivered', limit: 10 })).toHaveLength(1)
    const attempts = await world.db.selectFrom('attempt').select(['number', 'outcome']).orderBy('number').execute()
    expect(attempts).toEqual([
      { number: 1, outcome: 'timeout' },
      { number: 2, outcome: 'answered' },
    ])
  })
})
