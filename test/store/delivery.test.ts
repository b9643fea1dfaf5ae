// Claims and settles against a real Postgres, statement by statement. Tencent's API is the simulator; nothing is sent.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import type { Verdict } from '../../lib/core/retry.ts'
import { createSession } from '../../lib/local/simulator/simulator.ts'
import { tick } from '../../lib/reconcile.ts'
import type { Claim } from '../../lib/store/claim.ts'
import { release } from '../../lib/store/release.ts'
import { settle } from '../../lib/store/settle.ts'
import { addEndpoint, updateEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint, enableEndpoint } from '../../lib/store/endpoint-state.ts'
import { claimAll, holding } from '../support/claim.ts'
import { eventually } from '../support/receiver.ts'
import { seed } from '../support/seed.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

/** Registers an endpoint that wants one event of each session; gives its id. */
async function subscribe(name: string): Promise<string> {
  const endpoint = { url: `http://127.0.0.1:9/${name}`, account: null, events: ['session.created'], description: name }
  return (await addEndpoint(world.db, endpoint)).id
}

/** Makes a delivery in a lane of its own for each endpoint, so many times. */
async function deliverables(count: number): Promise<void> {
  const { simulator, account } = await world.simulate('default')
  for (let i = 0; i < count; i += 1) createSession(simulator, { userId: `user-${i}`, projectId: 'p' })
  await tick(world.db, account)
}

const endpointsOf = (claims: Claim[]) => claims.map(({ endpointId }) => endpointId).sort()

const answered = (status: number) => ({ kind: 'answered', status, retryAfterMs: null }) as const
const delivered: Verdict = { kind: 'delivered' }
const retry = (holdMs = 0): Verdict => ({ kind: 'retry', delayMs: 0, holdMs, pauseMs: 0, theirs: true })
const settled = (one: Claim | undefined, verdict: Verdict) => {
  if (!one) throw new Error('nothing was claimed')
  return { claim: one, sentAt: new Date(), durationMs: 1, outcome: answered(200), verdict }
}
const read = async <Row>(query: ReturnType<typeof sql<Row>>) => (await query.execute(world.db)).rows
const endpointRows = () =>
  read(sql<{ state: string; failures: number; held: boolean; heldMs: number }>`
    select state, failures, hold_until is not null as held,
      extract(epoch from hold_until - now())::float8 * 1000 as "heldMs" from endpoint order by created_at`)
const deliveryRows = () =>
  read(sql<{ state: string; finalized: string | null }>`
    select state, finalized_at::text as finalized from delivery order by id`)

const isWaiting = async () =>
  (await read(sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`))
    .length > 0

describe('a claim', () => {
  test('takes no more than its limit, and of each endpoint in turn, so that a long backlog starves nobody', async () => {
    const { simulator, account } = await world.simulate('default')
    const first = await subscribe('first')
    for (const user of ['a', 'b', 'c', 'd']) createSession(simulator, { userId: user, projectId: 'p' })
    await tick(world.db, account)
    const second = await subscribe('second')
    createSession(simulator, { userId: 'e', projectId: 'p' })
    await tick(world.db, account)

    const claims = await claimAll(world.db, { limit: 2 })

    expect(endpointsOf(claims)).toEqual([first, second].sort())
  })

  test.each([0, 1])('goes to the endpoint that has the fewest under way (busy: %i)', async (index) => {
    const ids = [await subscribe('first'), await subscribe('second')]
    await deliverables(3)
    const [busy = '', idle = ''] = [ids[index], ids[1 - index]]

    const one = await claimAll(world.db, { limit: 1, held: holding({ [busy]: 1 }) })
    const more = await claimAll(world.db, { limit: 2, held: holding({ [busy]: 3 }) })

    expect(endpointsOf(one)).toEqual([idle])
    expect(endpointsOf(more)).toEqual([idle, idle])
  })

  test('leaves an endpoint alone that has as many under way as it may', async () => {
    const [full, other] = [await subscribe('full'), await subscribe('other')]
    await deliverables(3)
    const claims = await claimAll(world.db, { perEndpoint: 2, held: holding({ [full]: 2, [other]: 1 }) })

    expect(endpointsOf(claims)).toEqual([other])
  })

  test('takes no more of an endpoint than twice what one drain may, over all drains, so that no more of them hang', async () => {
    const [hanging] = [await subscribe('hanging'), await subscribe('other')]
    await deliverables(8)

    // In one transaction, where no time passes.
    const [claims, afterSettle] = await world.db.transaction().execute(async (tx) => {
      const all = []
      for (let i = 0; i < 4; i += 1) all.push(await claimAll(tx, { perEndpoint: 3 }))
      const settlements = (all[0] ?? []).map((one) => settled(one, delivered))
      await settle(
        tx,
        settlements.filter(({ claim }) => claim.endpointId === hanging),
      )
      return [all, await claimAll(tx, { perEndpoint: 3 })] as const
    })

    expect(claims.map(({ length }) => length)).toEqual([6, 6, 0, 0])
    expect(endpointsOf(afterSettle)).toEqual([hanging, hanging])
  })

  test.each([
    { agoMs: 249, forOthers: 2, forItsOwn: 2 },
    { agoMs: 250, forOthers: 1, forItsOwn: 2 },
    { agoMs: 14_999, forOthers: 1, forItsOwn: 2 },
    // A POST would have ended: the drain that claimed it is dead.
    { agoMs: 15_000, forOthers: 2, forItsOwn: 2 },
  ])(
    'leaves an endpoint that has not answered for a moment to the drain that waits for it ($agoMs ms)',
    async ({ agoMs, forOthers, forItsOwn }) => {
      const [hanging] = [await subscribe('hanging'), await subscribe('other')]
      await deliverables(3)

      const counts = await world.db.transaction().execute(async (tx) => {
        await claimAll(tx, { perEndpoint: 1 })
        await sql`update delivery set due_at = due_at - ${agoMs} * interval '1 millisecond'
          where attempts > 0 and endpoint_id = ${hanging}`.execute(tx)
        const none = await claimAll(tx, { hangsAfterMs: 250, perEndpoint: 1, held: holding({ [hanging]: 0 }) })
        await sql`update delivery set attempts = 0, due_at = now() where id = any(${none.map(({ id }) => id)})`.execute(
          tx,
        )
        const own = await claimAll(tx, {
          hangsAfterMs: 250,
          perEndpoint: 2,
          limit: 2,
          held: holding({ [hanging]: 1 }),
        })
        return [none.length, own.length]
      })

      expect(counts).toEqual([forOthers, forItsOwn])
    },
  )

  test.each([
    { ahead: 3, others: 0, claimed: 4 },
    { ahead: 0, others: 0, claimed: 1 },
    // With as many as one drain may have under way elsewhere it may; with one more it may not.
    { ahead: 3, others: 2, claimed: 4 },
    { ahead: 3, others: 3, claimed: 0 },
  ])(
    'takes $ahead ahead of an endpoint that has 1 of 2 under way, while other drains have $others',
    async ({ ahead, others, claimed }) => {
      const id = await subscribe('quick')
      await deliverables(10)
      const own = await claimAll(world.db, { perEndpoint: 1, limit: 1 })
      for (let i = 0; i < others; i += 1) await claimAll(world.db, { perEndpoint: 4, limit: 1 })

      const claims = await claimAll(world.db, { perEndpoint: 2, held: holding({ [id]: own.length }, ahead) })

      expect(claims).toHaveLength(claimed)
    },
  )

  test('takes nothing ahead of an endpoint that recovers or has a rate', async () => {
    const [recovering, rated] = [await subscribe('recovering'), await subscribe('rated')]
    await deliverables(10)
    await sql`update endpoint set pace = 2 where id = ${recovering}`.execute(world.db)
    await sql`update endpoint set rate_per_second = 4 where id = ${rated}`.execute(world.db)

    const held = holding({ [recovering]: 0, [rated]: 0 }, 5)
    const claims = await claimAll(world.db, { perEndpoint: 4, held })

    expect(endpointsOf(claims)).toEqual([recovering, recovering, rated].sort())
  })

  test('leaves an endpoint to the drain that has claimed ahead of it', async () => {
    const id = await subscribe('quick')
    await deliverables(20)
    const theirs = await claimAll(world.other, { perEndpoint: 2, held: holding({ [id]: 0 }, 10) })

    const ours = await claimAll(world.db, { perEndpoint: 2 })

    expect([theirs.length, ours.length]).toEqual([12, 0])
  })

  test("takes nothing that it holds itself for another drain's", async () => {
    const id = await subscribe('quick')
    await deliverables(20)
    const first = await claimAll(world.db, { perEndpoint: 4 })
    const second = await claimAll(world.db, { perEndpoint: 4 })

    const full = await claimAll(world.db, { perEndpoint: 4 })
    const held = new Map([[id, { posts: 3, events: 8, ahead: 0 }]])
    const more = await claimAll(world.db, { perEndpoint: 4, held })

    expect([first, second, full, more].map((claims) => claims.length)).toEqual([4, 4, 0, 1])
  })

  test('does not take for hanging what it holds itself and has not settled yet', async () => {
    const id = await subscribe('quick')
    await deliverables(4)
    const own = await claimAll(world.db, { perEndpoint: 2 })
    await sql`update delivery set due_at = due_at - interval '1 second' where attempts > 0`.execute(world.db)

    const held = new Map([[id, { posts: 0, events: own.length, ahead: 0 }]])
    const claims = await claimAll(world.db, { perEndpoint: 2, hangsAfterMs: 250, held })

    expect(claims).toHaveLength(2)
  })

  test('counts what other drains hold, however much is its own', async () => {
    const id = await subscribe('quick')
    await deliverables(20)
    const own = await claimAll(world.db, { perEndpoint: 4 })
    const theirs = await claimAll(world.other, { perEndpoint: 4 })

    const held = new Map([[id, { posts: 0, events: own.length, ahead: 5 }]])
    const claims = await claimAll(world.db, { perEndpoint: 2, held })

    expect([own, theirs, claims].map((some) => some.length)).toEqual([4, 4, 0])
  })

  test('of several endpoints with more than is asked for, locks no more than would make them alike', async () => {
    for (const name of ['one', 'other']) await subscribe(name)
    await deliverables(10)

    await world.db.transaction().execute(async (tx) => {
      await claimAll(tx, { limit: 4 })
      const beside = await claimAll(world.other)

      expect(beside).toHaveLength(16)
    })
  })

  const retryLater: Verdict = { kind: 'retry', delayMs: 60_000, holdMs: 0, pauseMs: 0, theirs: false }
  test.each<[string, (ids: string[], claims: Claim[]) => Promise<unknown>]>([
    [
      'have only what waits for an older event of its session',
      async (ids, claims) => {
        await settle(
          world.db,
          claims.map((one) => settled(one, retryLater)),
        )
        await sql`update delivery set lane = endpoint_id where endpoint_id = any(${ids})`.execute(world.db)
      },
    ],
    ['hang', () => sql`update delivery set due_at = due_at - interval '1 second' where attempts > 0`.execute(world.db)],
    [
      'have used up their rate',
      async (ids, claims) => {
        await release(world.db, claims)
        await sql`update endpoint set rate_per_second = 1, next_send_at = now() + interval '1 minute'
          where id = any(${ids})`.execute(world.db)
      },
    ],
  ])('gives no share to endpoints that %s: another one gets all it can', async (_, prevent) => {
    const ids = await Promise.all(['a', 'b', 'c', 'd'].map(subscribe))
    await deliverables(8)
    await prevent(ids, await claimAll(world.db, { perEndpoint: 1 }))
    const able = await subscribe('able')
    await sql`insert into delivery (endpoint_id, event_id, lane, position, due_at)
      select ${able}, id, id, position, now() from event`.execute(world.db)

    const claims = await claimAll(world.db, { perEndpoint: 8, limit: 8, hangsAfterMs: 250 })

    expect(endpointsOf(claims)).toEqual(Array(8).fill(able))
  })

  test('does not take for under way what waits for its next try, nor the events of a batch for as many POSTs', async () => {
    const [trying, batching] = [await subscribe('trying'), await subscribe('batching')]
    await updateEndpoint(world.db, batching, { batchSize: 4 })
    await deliverables(8)
    const first = await claimAll(world.db, { perEndpoint: 1 })
    const local = {
      ...settled(
        first.find(({ endpointId }) => endpointId === trying),
        retry(),
      ),
    }
    const later: Verdict = { kind: 'retry', delayMs: 5_000, holdMs: 0, pauseMs: 0, theirs: false }
    await settle(world.db, [{ ...local, verdict: later }])

    const claims = [await claimAll(world.db, { perEndpoint: 1 }), await claimAll(world.db, { perEndpoint: 1 })]
    const third = await claimAll(world.db, { perEndpoint: 1 })

    const of = (id: string, some: Claim[]) => some.filter(({ endpointId }) => endpointId === id).length
    expect([of(batching, first), ...claims.map((some) => of(batching, some))]).toEqual([4, 4, 0])
    expect([...claims, third].map((some) => of(trying, some))).toEqual([1, 1, 0])
  })

  test('takes one at a time from an endpoint whose last attempt failed, be it the only one', async () => {
    await subscribe('failing')
    await deliverables(3)
    await settle(world.db, [settled((await claimAll(world.db, { limit: 1 }))[0], retry())])

    const claims = await claimAll(world.db)

    expect(claims).toHaveLength(1)
  })

  test('takes what has been due longest first, and of equals the oldest', async () => {
    await subscribe('any')
    await deliverables(4)
    const [a = 0, b = 0, c = 0, d = 0] = (await read(sql<{ id: number }>`select id from delivery order by id`)).map(
      ({ id }) => id,
    )
    for (const [id, minutes] of [
      [d, 3],
      [c, 3],
      [b, 5],
      [a, 1],
    ]) {
      await sql`update delivery set due_at = date_trunc('hour', now()) - ${minutes} * interval '1 minute'
        where id = ${id}`.execute(world.db)
    }

    const order = []
    for (let i = 0; i < 4; i += 1) order.push(...(await claimAll(world.db, { limit: 1 })))

    expect(order.map(({ id }) => id)).toEqual([b, c, d, a])
  })

  test('passes over what another drain is claiming, without waiting for it', async () => {
    await subscribe('any')
    await deliverables(3)

    const [ours, theirs] = await world.db.transaction().execute(async (tx) => {
      const first = await claimAll(tx, { perEndpoint: 2 })
      return [first, await claimAll(world.other)]
    })

    expect([ours.length, theirs.length]).toEqual([2, 1])
    expect(new Set([...ours, ...theirs].map(({ id, attempt }) => `${id} ${attempt}`)).size).toBe(3)
  })

  test('takes what falls due at this very moment, when a pause ends too, and signs with no secret that ends then', async () => {
    const id = await subscribe('any')
    await deliverables(1)

    const claims = await world.db.transaction().execute(async (tx) => {
      await sql`update delivery set due_at = now()`.execute(tx)
      await sql`update endpoint set hold_until = now()`.execute(tx)
      await sql`insert into endpoint_secret (endpoint_id, secret, created_at, expires_at)
        values (${id}, 'whsec_over', now() - interval '1 hour', now())`.execute(tx)
      return claimAll(tx)
    })

    expect(claims).toHaveLength(1)
    expect(claims[0]?.secrets).toEqual([expect.not.stringContaining('over')])
  })

  test('of an endpoint that is paused is for later, and for now once the pause is over', async () => {
    await subscribe('any')
    await deliverables(1)
    const holdFor = (seconds: number) =>
      sql`update endpoint set hold_until = now() + ${seconds} * interval '1 second'`.execute(world.db)
    await holdFor(60)
    const during = await claimAll(world.db)
    await holdFor(-60)

    const after = await claimAll(world.db)

    expect([during.length, after.length]).toEqual([0, 1])
  })

  test("gives the endpoint's own secrets that are valid, the newest first", async () => {
    const id = await subscribe('rotating')
    await subscribe('other')
    await deliverables(1)
    const add = (secret: string, age: string, ends: string | null) =>
      sql`insert into endpoint_secret (endpoint_id, secret, created_at, expires_at)
        values (${id}, ${secret}, now() - ${age}::interval, now() + ${ends}::interval)`.execute(world.db)
    await add('whsec_newest', '-1 hour', null)
    await add('whsec_leaving', '2 hours', '1 hour')
    await add('whsec_expired', '3 hours', '-1 hour')

    const claims = await claimAll(world.db)

    const own = claims.find(({ endpointId }) => endpointId === id)
    expect(own?.secrets).toEqual(['whsec_newest', expect.stringMatching(/^whsec_.{44}$/), 'whsec_leaving'])
  })

  test('begins the time for retries when it is the first, and does not begin it again', async () => {
    await subscribe('any')
    await deliverables(1)
    const until = async () =>
      (await read(sql<{ ms: number }>`select extract(epoch from retry_until)::float8 * 1000 as ms from delivery`))[0]
        ?.ms
    const [first] = await claimAll(world.db, { leaseMs: 0 })
    const begun = await until()
    const [second] = await claimAll(world.db, { leaseMs: 0, retryForMs: 120_000 })
    const later = await until()
    await sql`update delivery set retry_until = now()`.execute(world.db)

    const [last] = await claimAll(world.db, { leaseMs: 0 })

    expect(begun).toBeGreaterThan(Date.now())
    expect(later).toBe(begun)
    expect([first?.expired, second?.expired, last?.expired]).toEqual([false, false, true])
  })

  test('with no time for retries is the last', async () => {
    await subscribe('any')
    await deliverables(1)

    expect(await claimAll(world.db, { retryForMs: 0 })).toMatchObject([{ attempt: 1, expired: true }])
  })
})

describe('a release', () => {
  const rows = () =>
    read(sql<{ attempts: number; isDue: boolean }>`
      select attempts, due_at <= now() as "isDue" from delivery order by id`)

  test('makes what was never sent due again, as new as it was', async () => {
    await subscribe('any')
    await deliverables(2)
    const claims = await claimAll(world.db)

    await release(world.db, claims.slice(0, 1))

    expect((await rows()).sort((a, b) => a.attempts - b.attempts)).toEqual([
      { attempts: 0, isDue: true },
      { attempts: 1, isDue: false },
    ])
    expect(await claimAll(world.db)).toMatchObject([{ id: claims[0]?.id, attempt: 1, fence: 1 }])
  })

  test('lets an endpoint that fails have its one try again at once', async () => {
    await subscribe('failing')
    await deliverables(2)
    await settle(world.db, [settled((await claimAll(world.db, { limit: 1 }))[0], retry())])
    const probe = await claimAll(world.db)
    const during = await claimAll(world.db)

    await release(world.db, probe)

    expect([probe.length, during.length, (await claimAll(world.db)).length]).toEqual([1, 0, 1])
  })

  test('leaves what was never sent all its time for retries, and what was sent before what is left of it', async () => {
    await subscribe('any')
    await deliverables(2)
    const [tried] = await claimAll(world.db, { limit: 1, leaseMs: 0 })
    const claims = await claimAll(world.db)

    await release(world.db, claims)

    const begun = await read(sql<{ id: number }>`select id from delivery where retry_until is not null`)
    expect(begun.map(({ id }) => id)).toEqual([tried?.id])
  })

  test('frees endpoints in the order in which a settle marks them, so that neither waits for the other', async () => {
    const [first = '', second = ''] = [await subscribe('one'), await subscribe('other')].sort()
    await deliverables(2)
    // Their deliveries in the other order.
    await sql`update delivery set due_at = now() + interval '1 hour' where position = case endpoint_id
      when ${first} then (select min(position) from event) else (select max(position) from event) end`.execute(world.db)
    await sql`update endpoint set failures = 1, failing_since = now(), pace = 1`.execute(world.db)
    const probes = await claimAll(world.db)

    const { releasing } = await world.db.transaction().execute(async (tx) => {
      await sql`select from endpoint where id = ${first} for no key update`.execute(tx)
      const releasing = release(world.other, probes)
      await eventually('the release waits', isWaiting)
      await sql`select from endpoint where id = ${second} for no key update nowait`.execute(tx)
      return { releasing }
    })
    await releasing

    expect(probes).toHaveLength(2)
    expect(await read(sql`select from endpoint where probe_until is not null`)).toEqual([])
  })

  test('of what was claimed again since, settled, or queued again changes nothing', async () => {
    await subscribe('any')
    await deliverables(3)
    const [lost, sent, replayed] = await claimAll(world.db, { leaseMs: 0 })
    if (!lost || !sent || !replayed) throw new Error('nothing was claimed')
    await sql`update delivery set attempts = 2 where id = ${lost.id}`.execute(world.db)
    await settle(world.db, [settled(sent, delivered)])
    await sql`update delivery set attempts_before = attempts where id = ${replayed.id}`.execute(world.db)
    const before = await read(sql`select * from delivery order by id`)

    await release(world.db, [lost, sent, replayed])

    expect(await read(sql`select * from delivery order by id`)).toEqual(before)
  })
})

describe('a settle', () => {
  test('of the events of many big batches compares no event with each other one', { retry: 2 }, async () => {
    await subscribe('any')
    await seed(world.db, { sessions: 20_000 })
    await sql`analyze`.execute(world.db)
    const claims = await claimAll(world.db, { limit: 8_000, perEndpoint: 8_000 })

    // Some 0.3 s; 11 s by comparing.
    await world.db.transaction().execute(async (tx) => {
      await sql`set local statement_timeout = 4000`.execute(tx)
      await settle(
        tx,
        claims.map((one) => settled(one, delivered)),
      )
    })

    expect(await read(sql`select count(*)::integer as n from delivery where state = 'delivered'`)).toEqual([
      { n: 8_000 },
    ])
  })

  test('does not revive what was given up meanwhile, but that it was delivered', async () => {
    const id = await subscribe('any')
    await deliverables(2)
    const [failed, sent] = await claimAll(world.db)
    await disableEndpoint(world.db, id, 'test')
    await enableEndpoint(world.db, id, 'none')

    await settle(world.db, [settled(failed, retry()), settled(sent, delivered)])

    const states = await read(sql<{ state: string }>`select state from delivery where id = ${failed?.id ?? 0}`)
    expect(states).toEqual([{ state: 'dead' }])
    expect((await deliveryRows()).map(({ state }) => state).sort()).toEqual(['dead', 'delivered'])
  })

  test('that comes twice leaves the time of the first', async () => {
    await subscribe('any')
    await deliverables(1)
    const [sent] = await claimAll(world.db)
    await settle(world.db, [settled(sent, delivered)])
    const first = await deliveryRows()

    await settle(world.db, [settled(sent, delivered)])

    expect(await deliveryRows()).toEqual(first)
  })

  test('of several of one endpoint obeys the longest pause, and one success among them ends its row of failures', async () => {
    await subscribe('any')
    await deliverables(3)
    const [first, second, third] = await claimAll(world.db)

    await settle(world.db, [settled(first, retry(1_000)), settled(second, delivered), settled(third, retry(60_000))])

    const [endpoint] = await endpointRows()
    expect(endpoint).toMatchObject({ failures: 0, held: true })
    expect(endpoint?.heldMs).toBeGreaterThan(30_000)
  })

  test('with a shorter pause does not end a longer one', async () => {
    await subscribe('any')
    await deliverables(2)
    const [first, second] = await claimAll(world.db)
    await settle(world.db, [settled(first, retry(3_600_000))])

    await settle(world.db, [settled(second, retry(1))])

    expect((await endpointRows())[0]?.heldMs).toBeGreaterThan(3_000_000)
  })

  test('without a pause leaves the endpoint without one', async () => {
    await subscribe('any')
    await deliverables(1)

    await settle(world.db, [settled((await claimAll(world.db))[0], retry())])

    expect(await endpointRows()).toMatchObject([{ state: 'active', failures: 1, held: false }])
  })

  test('that disables an endpoint does so although another was delivered, and later ones leave the reason', async () => {
    await subscribe('any')
    await deliverables(3)
    const [first, second, third] = await claimAll(world.db)

    await settle(world.db, [settled(first, { kind: 'disable', reason: 'gone' }), settled(second, delivered)])
    await settle(world.db, [settled(third, retry())])

    const states = await read(sql`select state, state_reason, failures from endpoint`)
    expect(states).toEqual([{ state: 'disabled', state_reason: 'gone', failures: 1 }])
  })

  test('counts every failure, and a success after a single one begins anew', async () => {
    await subscribe('any')
    await deliverables(3)
    const [first, second, third] = await claimAll(world.db)
    const failures = async () => (await endpointRows())[0]?.failures

    await settle(world.db, [settled(first, retry()), settled(second, retry())])
    const two = await failures()
    await sql`update endpoint set failures = 1`.execute(world.db)
    await settle(world.db, [settled(third, delivered)])

    expect([two, await failures()]).toEqual([2, 0])
  })

  test('touches nothing but its own endpoint and deliveries, and the endpoint only when it has to', async () => {
    const [id, other] = [await subscribe('own'), await subscribe('other')]
    await deliverables(2)
    await sql`update endpoint set failures = 1, failing_since = now(), pace = 1 where id = ${other}`.execute(world.db)
    const [own, next] = (await claimAll(world.db)).filter(({ endpointId }) => endpointId === id)

    // Whoever waits for one of these locks fails.
    await world.db.transaction().execute(async (tx) => {
      await sql`select from endpoint where id = ${other} for update`.execute(tx)
      await sql`select from endpoint where id = ${id} for no key update`.execute(tx)
      await sql`select from delivery where id <> ${own?.id ?? 0} for update`.execute(tx)
      await settle(world.other, [settled(own, delivered)])
    })

    const states = await read(sql`select id, state from delivery where id in (${own?.id}, ${next?.id}) order by state`)
    expect(states).toEqual([
      { id: own?.id, state: 'delivered' },
      { id: next?.id, state: 'pending' },
    ])
  })

  test.each([
    ['endpoint', 'for update'],
    ['endpoint', 'for no key update'],
    ['delivery', 'for update'],
  ])('locks its rows in the order of ids, so that none waits for another in a circle: %s %s', async (table, lock) => {
    for (let i = 0; i < 7; i += 1) await subscribe(`endpoint-${i}`)
    await deliverables(1)
    const claims = await claimAll(world.db)
    const ids = (await read(sql<{ id: string }>`select id from ${sql.ref(table)} order by id`)).map(({ id }) => id)

    let settling: Promise<void> | undefined
    const free = await world.db.transaction().execute(async (tx) => {
      await sql`select from ${sql.ref(table)} where id = ${ids[3]} ${sql.raw(lock)}`.execute(tx)
      const failures = claims.map((one) => settled(one, retry()))
      settling = settle(world.db, failures)
      await eventually('the settle waits', isWaiting)
      const { rows } = await sql<{ id: string }>`
        select id from ${sql.ref(table)} where id <> ${ids[3]} ${sql.raw(lock)} skip locked`.execute(tx)
      return rows.map(({ id }) => id).sort()
    })
    await settling

    expect(free).toEqual(ids.slice(4).sort())
  })

  // How many rows the planner expects decides in which order the parts of the statement run.
  test.each([3, 1_000])(
    'that comes after the next claim is recorded, and no more, with %i deliveries',
    async (count) => {
      await subscribe('only')
      await deliverables(count)
      const [first] = await claimAll(world.db, { limit: 1 })
      await sql`update delivery set due_at = '2000-01-01' where attempts = 1`.execute(world.db)
      await claimAll(world.db)
      await settle(world.db, [settled(first, retry())])

      expect(await read(sql`select number from attempt`)).toEqual([{ number: 1 }])
      expect(await read(sql`select from delivery where attempts = 2 and due_at > now()`)).toHaveLength(1)
      expect(await endpointRows()).toMatchObject([{ failures: 1 }])
    },
  )

  test('that waits for somebody who changes the delivery records its attempt and delivers all the same', async () => {
    await subscribe('only')
    await deliverables(2)
    const claims = await claimAll(world.db)
    const other = world.db.transaction().execute(async (tx) => {
      await sql`update delivery set due_at = due_at + interval '1 s' where state = 'pending'`.execute(tx)
      const settling = settle(
        world.other,
        claims.map((one) => settled(one, delivered)),
      )
      await eventually('the settle waits', isWaiting)
      return { settling }
    })
    await (
      await other
    ).settling

    expect(await deliveryRows()).toMatchObject([{ state: 'delivered' }, { state: 'delivered' }])
    expect(await read(sql`select number from attempt`)).toHaveLength(2)
  })

  test('and a removal of its endpoint never wait for each other in a circle', async () => {
    const id = await subscribe('any')
    await deliverables(1)
    const [sent] = await claimAll(world.db)

    let settling: Promise<void> | undefined
    await world.db.transaction().execute(async (tx) => {
      await sql`select from endpoint where id = ${id} for update`.execute(tx)
      settling = settle(world.db, [settled(sent, retry())])
      await eventually('the settle waits', isWaiting)
      await sql`delete from endpoint where id = ${id}`.execute(tx)
    })

    await expect(settling).resolves.toBeUndefined()
    expect(await deliveryRows()).toEqual([])
  })
})

test('a 410 from where an endpoint was does not disable it where it is', async () => {
  const id = await subscribe('old')
  await deliverables(1)
  const [sent] = await claimAll(world.db)
  await updateEndpoint(world.db, id, { url: 'http://127.0.0.1:9/new' })

  await settle(world.db, [settled(sent, { kind: 'disable', reason: 'gone' })])

  expect(await endpointRows()).toMatchObject([{ state: 'active' }])
})

test('nor does one that is settled while the endpoint moves', async () => {
  const id = await subscribe('old')
  await deliverables(1)
  const [sent] = await claimAll(world.db)

  let settling: Promise<void> | undefined
  await world.db.transaction().execute(async (tx) => {
    await sql`update endpoint set url = 'http://127.0.0.1:9/new' where id = ${id}`.execute(tx)
    settling = settle(world.db, [settled(sent, { kind: 'disable', reason: 'gone' })])
    await eventually('the settle waits', isWaiting)
  })
  await settling

  expect(await endpointRows()).toMatchObject([{ state: 'active' }])
})
