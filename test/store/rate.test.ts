// How many POSTs an endpoint with a rate or with batches gets, against a real Postgres; nothing is sent. Its time is moved by
// moving what is stored of it back.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { sql } from 'kysely'
import { postsOf } from '../../lib/core/batch.ts'
import { type Claim, untilRate } from '../../lib/store/claim.ts'
import { settle } from '../../lib/store/settle.ts'
import { addEndpoint, updateEndpoint } from '../../lib/store/endpoint.ts'
import { claimAll, holding } from '../support/claim.ts'
import { seed } from '../support/seed.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const subscribe = async (settings: { rate?: number; batchSize?: number } = {}) =>
  (await addEndpoint(world.db, { url: 'http://127.0.0.1:9/', events: ['*'], ...settings })).id
const deliver = (claims: Claim[]) => {
  const outcome = { kind: 'answered', status: 204, retryAfterMs: null } as const
  const met = { sentAt: new Date(), durationMs: 1, outcome, verdict: { kind: 'delivered' } } as const
  return settle(
    world.db,
    claims.map((one) => ({ claim: one, ...met })),
  )
}
/** As if so much time had passed for the endpoint's rate, and only as much; claims on their way take none. */
const setIdle = (seconds: number) =>
  sql`update endpoint set next_send_at = now() - ${seconds} * interval '1 second'`.execute(world.db)
const sizes = (claims: Claim[]) =>
  postsOf(claims)
    .map((post) => post.length)
    .sort((a, b) => b - a)

describe('an endpoint with a rate', () => {
  test.each([
    ['1 a second begins with one POST', 1, 1],
    ['one in ten seconds begins with one, too', 0.1, 1],
    ['3 a second begins with one, too', 3, 1],
    ['100 a second begins with those of a quarter of a second', 100, 25],
  ])('of %s', async (_, rate, posts) => {
    await subscribe({ rate })
    await seed(world.db, { sessions: 60 })

    const claims = await claimAll(world.db)

    expect(claims).toHaveLength(posts)
  })

  test('shares it over all drains', async () => {
    await subscribe({ rate: 20 })
    await seed(world.db, { sessions: 60 })

    // The first has not committed yet; whoever waits for it fails.
    const [one, two] = await world.db.transaction().execute(async (tx) => {
      return [await claimAll(tx), await claimAll(world.other)] as const
    })

    expect([one.length, two.length]).toEqual([5, 0])
  })

  test.each([
    ['a fresh token for each of its intervals', 2, 0.5, 1],
    ['none before the interval is over', 2, 0.45, 0],
    ['as many as intervals passed', 40, 0.1, 4],
    ['no more than those of a quarter of a second, however long it was idle', 40, 3_600, 10],
    ['no more than one when it is slow, however long it was idle', 0.01, 1_000_000, 1],
  ])('gets %s', async (_, rate, idle, posts) => {
    await subscribe({ rate })
    await seed(world.db, { sessions: 60 })
    // One transaction: the database's clock stands still between the two.
    const claims = await world.db.transaction().execute(async (tx) => {
      await sql`update endpoint set next_send_at = now() - ${idle} * interval '1 second'`.execute(tx)
      return claimAll(tx)
    })

    expect(claims).toHaveLength(posts)
  })

  test('never gets more than its rate over any window, and the slack of its start, whenever it is asked', async () => {
    await subscribe()
    await seed(world.db, { sessions: 400 })
    const rates = fc.constantFrom(0.5, 1, 3, 7, 10, 40, 333)
    const waits = fc.array(fc.oneof(fc.constantFrom(0, 0.001, 0.1), fc.double({ min: 0, max: 2, noNaN: true })), {
      minLength: 1,
      maxLength: 8,
    })

    await fc.assert(
      fc.asyncProperty(rates, waits, async (rate, gaps) => {
        const sent: { at: number; posts: number }[] = []
        // Within one transaction the database's clock stands still: only what is moved passes.
        await world.db.transaction().execute(async (tx) => {
          await sql`update delivery set attempts = 0, due_at = now()`.execute(tx)
          await sql`update endpoint set rate_per_second = ${rate}, next_send_at = null`.execute(tx)
          let at = 0
          for (const gap of gaps) {
            at += gap
            await sql`update endpoint set next_send_at = next_send_at - ${gap} * interval '1 second'`.execute(tx)
            sent.push({ at, posts: (await claimAll(tx)).length })
          }
        })

        expect(sent[0]?.posts).toBeGreaterThan(0)
        for (const [from, start] of sent.entries()) {
          let total = 0
          for (const { at, posts } of sent.slice(from)) {
            total += posts
            expect(total).toBeLessThanOrEqual(rate * (at - start.at) + Math.max(1, rate / 4) + 0.01)
          }
        }
      }),
      { numRuns: 40 },
    )
  })

  test('counts a batch as one POST', async () => {
    await subscribe({ rate: 1, batchSize: 10 })
    await seed(world.db, { sessions: 25 })
    const first = await claimAll(world.db)
    const query = sql<{ isNow: boolean }>`select next_send_at <= now() as "isNow" from endpoint`
    const { rows } = await query.execute(world.db)
    await setIdle(1.01)

    const second = await claimAll(world.db)

    expect([sizes(first), sizes(second)]).toEqual([[10], [10]])
    // Ten POSTs would have used up the next nine seconds, too.
    expect(rows).toEqual([{ isNow: true }])
  })

  test('that is taken away gets all at once again', async () => {
    const id = await subscribe({ rate: 0.01 })
    await seed(world.db, { sessions: 5 })
    await claimAll(world.db)

    await updateEndpoint(world.db, id, { rate: null })

    expect(await claimAll(world.db)).toHaveLength(4)
  })

  test('and that fails gets one at a time, however fast it may be', async () => {
    const id = await subscribe({ rate: 1_000 })
    await seed(world.db, { sessions: 20 })
    await sql`update endpoint set failures = 1, failing_since = now(), pace = 1 where id = ${id}`.execute(world.db)

    expect(await claimAll(world.db)).toHaveLength(1)
    expect(await claimAll(world.db)).toEqual([])
  })
})

describe('the time until a rate allows more', () => {
  test('is no longer than the interval, while something is due that it holds back', async () => {
    await subscribe({ rate: 0.1 })
    await seed(world.db, { sessions: 2 })
    await claimAll(world.db)

    const ms = await untilRate(world.db)

    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThanOrEqual(10_000)
  })

  test('is the shortest of several endpoints', async () => {
    await subscribe({ rate: 0.01 })
    await subscribe({ rate: 0.1 })
    await seed(world.db, { sessions: 2 })
    await claimAll(world.db)

    expect(await untilRate(world.db)).toBeLessThanOrEqual(10_000)
  })

  test('is soon when the rate came to allow it since the last claim, or a drain would end with something due', async () => {
    await subscribe({ rate: 20 })
    await seed(world.db, { sessions: 20 })
    await claimAll(world.db)
    await setIdle(0.06)

    const ms = await untilRate(world.db)

    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThanOrEqual(50)
  })

  test.each<[string, ReturnType<typeof sql>]>([
    ['when nothing is due', sql`update delivery set due_at = now() + interval '1 h' where attempts = 0`],
    ['when nothing is pending', sql`update delivery set state = 'dead', finalized_at = now()`],
    ['when the endpoint has no rate', sql`update endpoint set rate_per_second = null`],
    ['when the endpoint is not active', sql`update endpoint set state = 'paused'`],
    ['when the endpoint asked to be left alone', sql`update endpoint set hold_until = now() + interval '1 h'`],
    ['when the endpoint is paused since it fails', sql`update endpoint set probe_until = now() + interval '1 h'`],
  ])('is none %s', async (_, change) => {
    await subscribe({ rate: 0.1 })
    await seed(world.db, { sessions: 2 })
    await claimAll(world.db)
    await change.execute(world.db)

    expect(await untilRate(world.db)).toBeNull()
  })

  test('is none when all that is due waits for older ones of its lanes, which a drain would look at for nothing', async () => {
    await subscribe({ rate: 0.1 })
    await seed(world.db, { sessions: 2, perSession: 3 })
    await sql`update delivery set due_at = now() + interval '1 h' where position <= 2`.execute(world.db)
    await claimAll(world.db)

    expect(await untilRate(world.db)).toBeNull()
    await sql`update endpoint set next_send_at = now()`.execute(world.db)
    expect(await untilRate(world.db)).toBeNull()
  })
})

describe('a claim for batches', () => {
  test('fills two POSTs of 500 with the 1,000 that are due', async () => {
    await subscribe({ batchSize: 500 })
    await seed(world.db, { sessions: 1_000 })

    const claims = await claimAll(world.db, { perEndpoint: 8, limit: 200 })

    expect(sizes(claims)).toEqual([500, 500])
  })

  test('counts POSTs, not events, against what one endpoint may have under way', async () => {
    const id = await subscribe({ batchSize: 10 })
    await seed(world.db, { sessions: 100 })

    const claims = await claimAll(world.db, { perEndpoint: 5, held: holding({ [id]: 2 }) })

    expect(sizes(claims)).toEqual([10, 10, 10])
  })

  test('counts POSTs, not events, against its limit, and is as fair to an endpoint without batches', async () => {
    const batches = await subscribe({ batchSize: 10 })
    const single = await subscribe()
    await seed(world.db, { sessions: 100 })

    const claims = await claimAll(world.db, { limit: 4, perEndpoint: 8 })

    const of = (id: string) => claims.filter(({ endpointId }) => endpointId === id)
    expect([sizes(of(batches)), sizes(of(single))]).toEqual([
      [10, 10],
      [1, 1],
    ])
  })

  test('takes only the heads of lanes: no batch has two events of one session', async () => {
    await subscribe({ batchSize: 500 })
    await seed(world.db, { sessions: 7, perSession: 3 })

    const claims = await claimAll(world.db)
    await deliver(claims)
    const next = await claimAll(world.db)

    expect([sizes(claims), sizes(next)]).toEqual([[7], [7]])
    expect(next.map(({ position }) => position).sort((a, b) => a - b)).toEqual([8, 9, 10, 11, 12, 13, 14])
  })

  test('takes what was tried before one by one, and never more POSTs than it counted', async () => {
    await subscribe({ batchSize: 10 })
    await seed(world.db, { sessions: 40 })
    await sql`update delivery set attempts = 1 where position in (3, 7, 30)`.execute(world.db)

    const few = await claimAll(world.db, { perEndpoint: 4 })
    const rest = await claimAll(world.db, { perEndpoint: 100 })

    expect(sizes(few).length).toBeLessThanOrEqual(4)
    expect(few.length + rest.length).toBe(40)
    const posts = [...postsOf(few), ...postsOf(rest)]
    for (const post of posts) expect(post.length === 1 || post.every(({ attempt }) => attempt === 1)).toBe(true)
  })

  test('of an endpoint that fails takes one batch', async () => {
    const id = await subscribe({ batchSize: 10 })
    await seed(world.db, { sessions: 40 })
    await sql`update endpoint set failures = 1, failing_since = now(), pace = 1 where id = ${id}`.execute(world.db)

    const claims = await Promise.all([claimAll(world.db), claimAll(world.other)])

    expect(sizes(claims.flat())).toEqual([10])
  })
})

describe('the wait for a rate', () => {
  test('of an endpoint that never sent is that of one POST, from now', async () => {
    await subscribe({ rate: 0.5 })
    await seed(world.db, { sessions: 1 })

    const ms = await untilRate(world.db)

    expect(ms).toBeGreaterThan(1_900)
    expect(ms).toBeLessThanOrEqual(2_000)
  })

  test('is nobody’s when only an endpoint without a rate has something due', async () => {
    await subscribe()
    await seed(world.db, { sessions: 1 })
    await subscribe({ rate: 0.5 })

    expect(await untilRate(world.db)).toBeNull()
  })
})
