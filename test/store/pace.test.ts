// How many POSTs at once an endpoint gets that fails or recovers, against a real Postgres; nothing is sent.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { type Kysely, sql } from 'kysely'
import type { Outcome, Verdict } from '../../lib/core/retry.ts'
import { verdict as judge } from '../../lib/core/retry.ts'
import type { Database } from '../../lib/store/database.ts'
import type { Claim, ClaimOptions } from '../../lib/store/claim.ts'
import { settle } from '../../lib/store/settle.ts'
import { addEndpoint, showEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint, enableEndpoint } from '../../lib/store/endpoint-state.ts'
import { claimAll, holding } from '../support/claim.ts'
import { seed } from '../support/seed.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World
let id: string

beforeEach(async () => {
  world = await openWorld()
  id = (await addEndpoint(world.db, { url: 'http://127.0.0.1:9/', events: ['*'] })).id
  await seed(world.db, { sessions: 60 })
})
afterEach(() => world.close())

const claimFrom = (db: Kysely<Database> = world.db, options: Partial<ClaimOptions> = {}) =>
  claimAll(db, { perEndpoint: 8, ...options })
const failure = (pauseMs = 0, holdMs = 0): Verdict => ({
  kind: 'retry',
  delayMs: 60_000,
  holdMs,
  pauseMs,
  theirs: true,
})
const fault: Verdict = { kind: 'retry', delayMs: 60_000, holdMs: 0, pauseMs: 0, theirs: false }
const delivered: Verdict = { kind: 'delivered' }
const answered: Outcome = { kind: 'answered', status: 500, retryAfterMs: null }
const settleAs = (claims: Claim[], verdict: Verdict) =>
  settle(
    world.db,
    claims.map((one) => ({ claim: one, sentAt: new Date(), durationMs: 1, outcome: answered, verdict })),
  )
const first = (claims: Claim[]): Claim[] => {
  if (claims.length === 0) throw new Error('nothing was claimed')
  return claims.slice(0, 1)
}
const row = () => world.db.selectFrom('endpoint').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
/** As if so much time had passed for the endpoint and its deliveries. */
async function pass(seconds: number): Promise<void> {
  const ago = sql<Date>`${seconds} * interval '1 second'`
  await sql`update endpoint set probe_until = probe_until - ${ago}, hold_until = hold_until - ${ago},
    failing_since = failing_since - ${ago}`.execute(world.db)
  await sql`update delivery set due_at = due_at - ${ago} where state = 'pending'`.execute(world.db)
}
/** Fails so many times in a row, as drains see it. Gives how long it was paused after each, in seconds. */
async function failTimes(count: number): Promise<number[]> {
  const pauses: number[] = []
  for (let i = 0; i < count; i += 1) {
    const claims = first(await claimFrom(world.db, { limit: 1 }))
    const verdicts = claims.map((one) => judge(answered, { ...one, batched: 1 }, 0))
    await settleAs(claims, verdicts[0] ?? fault)
    const { rows } = await sql<{ seconds: number | null }>`
      select round(extract(epoch from probe_until - now()), 1)::float8 as seconds from endpoint`.execute(world.db)
    pauses.push(Math.round(rows[0]?.seconds ?? 0))
    await pass(61)
  }
  return pauses
}

describe('an endpoint that fails', () => {
  test('gets one POST over all drains, however many claim at once', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())

    // The first has not committed yet; whoever waits for it fails.
    const [one, second] = await world.db.transaction().execute(async (tx) => {
      return [await claimFrom(tx), await claimFrom(world.other)] as const
    })
    const later = await Promise.all([claimFrom(), claimFrom(world.other)])

    expect([one.length, second.length, later.flat().length]).toEqual([1, 0, 0])
  })

  test('gets the next one once the last has failed', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())
    await settleAs(await claimFrom(), failure())

    const next = await claimFrom(world.other)

    expect(next).toHaveLength(1)
  })

  test('gets the next one when the lease of one that was never settled ends, and not before', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())
    await claimFrom(world.db, { leaseMs: 30_000 })
    await pass(29)
    const during = await claimFrom(world.other)
    await pass(1)

    const after = await claimFrom(world.other)

    expect([during.length, after.length]).toEqual([0, 1])
  })

  test.each<[string, Verdict]>([
    ['fails', failure()],
    ['meets a fault of ours', fault],
    ['is final', { kind: 'dead' }],
  ])('gets no second one when a POST from before it failed %s beside the one under way', async (_, verdict) => {
    const [early, late] = await claimFrom(world.db, { limit: 2 })
    if (!early || !late) throw new Error('nothing was claimed')
    await settleAs([early], failure())
    const probe = await claimFrom(world.other)

    await settleAs([late], verdict)

    expect(probe).toHaveLength(1)
    expect(await claimFrom()).toEqual([])
    await settleAs(probe, failure())
    expect(await claimFrom()).toHaveLength(1)
  })

  test('gets no second one when one whose lease is over is settled late, beside the next', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())
    const lost = await claimFrom()
    await pass(31)
    await sql`update delivery set due_at = now() + interval '1 h' where id <> ${lost[0]?.id ?? 0}`.execute(world.db)
    const again = await claimFrom(world.other)

    await settleAs(lost, failure())

    expect(again.map((one) => one.id)).toEqual(lost.map((one) => one.id))
    await sql`update delivery set due_at = now() where attempts = 0`.execute(world.db)
    expect(await claimFrom()).toEqual([])
  })

  test('stays paused when a POST from before the pause fails without asking for one', async () => {
    const [early, late] = await claimFrom(world.db, { limit: 2 })
    if (!early || !late) throw new Error('nothing was claimed')
    await settleAs([early], failure(60_000))

    await settleAs([late], failure())

    expect((await row()).probe_until).toBeInstanceOf(Date)
    expect(await claimFrom()).toEqual([])
  })

  test('is tried four times in a row without a pause, and then paused before each further try, for a minute at most', async () => {
    const pauses = await failTimes(7)

    // A minute passes between them. Of a minute the shorter half, since chance is nothing here.
    expect(pauses).toEqual([0, 0, 0, 0, 30, 30, 30])
    expect(await row()).toMatchObject({ failures: 7, pace: 1 })
  })

  test('is paused too when what failed was the last try of its event', async () => {
    await failTimes(5)
    await sql`update delivery set retry_until = now()`.execute(world.db)
    const [last] = await claimFrom(world.db)
    if (!last) throw new Error('nothing was claimed')

    await settleAs([last], judge(answered, { ...last, batched: 1 }, 0))

    expect((await world.db.selectFrom('delivery').select('state').where('id', '=', last.id).execute())[0]?.state).toBe(
      'dead',
    )
    expect(await claimFrom()).toEqual([])
  })

  test('is not paused while it is not known to fail: a delivered one changes nothing', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), delivered)

    expect(await row()).toMatchObject({ failures: 0, failing_since: null, pace: null, probe_until: null })
    expect(await claimFrom()).toHaveLength(8)
  })

  test('is so since its first failure, until a success', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())
    const { failing_since: since } = await row()
    await settleAs(await claimFrom(), failure())
    const second = await row()
    await settleAs(await claimFrom(), delivered)

    const after = await row()

    expect(since).toBeInstanceOf(Date)
    expect(second).toMatchObject({ failures: 2, failing_since: since })
    expect(after).toMatchObject({ failures: 0, failing_since: null })
  })
})

describe('an endpoint that recovers', () => {
  test('gets 1, 2, 4 and then as many as any at once, one step with each success', async () => {
    await failTimes(6)
    const counts: number[] = []
    const paces: (number | null)[] = []
    for (let i = 0; i < 4; i += 1) {
      const claims = await claimFrom()
      counts.push(claims.length)
      await settleAs(claims, delivered)
      paces.push((await row()).pace)
    }

    expect(counts).toEqual([1, 2, 4, 8])
    expect(paces).toEqual([2, 4, null, null])
  })

  test('counts what is under way already', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())
    await settleAs(await claimFrom(), delivered)

    const claims = await claimFrom(world.db, { held: holding({ [id]: 1 }) })

    expect(claims).toHaveLength(1)
  })

  test('begins again at 1 with the next failure', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())
    await settleAs(await claimFrom(), delivered)
    const [one, two] = await claimFrom()
    if (!one || !two) throw new Error('nothing was claimed')
    await settleAs([one], delivered)

    await settleAs([two], failure())

    expect((await row()).pace).toBe(1)
    expect(await claimFrom()).toHaveLength(1)
  })

  test('is no longer paused after a success, but is left alone as long as it asked for', async () => {
    const [one, two, three] = await claimFrom(world.db, { limit: 3 })
    if (!one || !two || !three) throw new Error('nothing was claimed')
    await settleAs([one], failure(60_000))
    await settleAs([two], delivered)
    const free = await claimFrom()
    await settleAs([three], failure(0, 60_000))
    await settleAs(free, delivered)

    const held = await claimFrom()

    expect(free).toHaveLength(2)
    expect(await row()).toMatchObject({ failures: 0, probe_until: null, hold_until: expect.any(Date) as Date })
    expect(held).toEqual([])
  })
})

describe('a fault of ours', () => {
  test('is not counted, and slows nothing', async () => {
    await settleAs(await claimFrom(), fault)

    expect(await row()).toMatchObject({ failures: 0, failing_since: null, pace: null, probe_until: null })
    expect(await claimFrom()).toHaveLength(8)
  })

  test('makes nothing of a failing endpoint better or worse, and gives way to the next try', async () => {
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure())
    const before = await row()
    await settleAs(await claimFrom(), fault)

    const after = await row()

    expect(after).toEqual({ ...before, probe_until: null })
    expect(await claimFrom()).toHaveLength(1)
  })
})

describe('an endpoint that has done nothing but fail', () => {
  const failEvents = async (count: number) => {
    const claims = await claimFrom(world.db, { limit: count })
    await settleAs(claims, failure())
    await pass(120)
  }
  const isHopeless = async (days: number) => {
    await sql`update endpoint set failing_since = now() - ${days} * interval '1 day'`.execute(world.db)
    return first(await claimFrom(world.db, { limit: 1 }))[0]?.hopeless
  }

  test.each([
    ['for 5 days at 3 events is hopeless', 3, 5, true],
    ['for less than 5 days is not', 3, 4.99, false],
    ['at fewer events is not', 2, 30, false],
    ['at one event is not, however long', 1, 1_000, false],
  ])('%s', async (_, events, days, hopeless) => {
    await failEvents(events)

    expect(await isHopeless(days)).toBe(hopeless)
  })

  test('is disabled by its next failure, once, and keeps what is due', async () => {
    await failEvents(3)
    await sql`update endpoint set failing_since = now() - interval '5 days'`.execute(world.db)
    const [one] = await claimFrom()
    if (!one) throw new Error('nothing was claimed')

    await settleAs([one], judge(answered, { ...one, batched: 1 }, 0.5))

    expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'disabled', stateReason: 'failing', pending: 60 })
    await pass(3_600)
    expect(await claimFrom()).toEqual([])
  })

  test('of which a success came in between is not', async () => {
    await failEvents(3)
    await settleAs(await claimFrom(), delivered)
    await failEvents(3)

    expect(first(await claimFrom(world.db, { limit: 1 }))[0]?.hopeless).toBe(false)
  })
})

describe('an endpoint that is enabled', () => {
  test('starts slowly though it never failed', async () => {
    await disableEndpoint(world.db, id, 'test')

    await enableEndpoint(world.db, id, 'all')

    expect(await claimFrom()).toHaveLength(1)
  })

  test('starts slowly and anew, whatever it was before', async () => {
    await failTimes(7)
    await settleAs(first(await claimFrom(world.db, { limit: 1 })), failure(60_000, 3_600_000))
    await disableEndpoint(world.db, id, 'test')

    await enableEndpoint(world.db, id, 'all')

    const enabled = { state: 'active', state_reason: null, failures: 0, failing_since: null, pace: 1 }
    expect(await row()).toMatchObject({ ...enabled, hold_until: null, probe_until: null })
    await pass(60)
    const claims = await claimFrom()
    expect(claims).toHaveLength(1)
    await settleAs(claims, delivered)
    expect(await claimFrom()).toHaveLength(2)
  })
})

test('whatever drains do, crash and answer late, an endpoint that fails never has two tries under way', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('claim' as const), which: fc.nat(1) }),
    fc.record({
      kind: fc.constant('settle' as const),
      which: fc.nat(20),
      as: fc.constantFrom<Verdict>(failure(), failure(), failure(5_000), fault, delivered, { kind: 'dead' }),
    }),
    fc.record({ kind: fc.constant('pass' as const), seconds: fc.constantFrom(5, 10, 31) }),
  )

  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 20 }), async (steps) => {
      await sql`delete from attempt`.execute(world.db)
      await sql`update delivery set state = 'pending', attempts = 0, due_at = now(), finalized_at = null`.execute(
        world.db,
      )
      await sql`update endpoint set failures = 0, failing_since = null, pace = null, probe_until = null`.execute(
        world.db,
      )
      const outstanding: { claim: Claim; ends: number; isProbe: boolean }[] = []
      let at = 0
      let isFailing = false
      let most = 0

      for (const one of steps) {
        if (one.kind === 'pass') {
          at += one.seconds
          await pass(one.seconds)
        } else if (one.kind === 'claim') {
          const underWay = outstanding.filter(({ isProbe, ends }) => isProbe && ends > at)
          const claims = await claimFrom(one.which === 0 ? world.db : world.other, { perEndpoint: 3 })
          if (isFailing) most = Math.max(most, claims.length + underWay.length)
          outstanding.push(...claims.map((taken) => ({ claim: taken, ends: at + 30, isProbe: isFailing })))
        } else if (outstanding.length > 0) {
          const [settled] = outstanding.splice(one.which % outstanding.length, 1)
          if (!settled) continue
          await settleAs([settled.claim], one.as)
          const { failures } = await row()
          isFailing = failures > 0
          // What was under way before a success tells nothing of what fails after it.
          if (!isFailing) for (const later of outstanding) later.isProbe = false
        }
      }

      expect(most).toBeLessThanOrEqual(1)
    }),
    { numRuns: 40 },
  )
})

describe('of several verdicts settled at once', () => {
  const settleEach = (claims: Claim[], verdicts: Verdict[], isFirst = true) =>
    settle(
      world.db,
      verdicts.map((verdict, i) => {
        const claim = claims[i]
        if (claim === undefined) throw new Error('too few were claimed')
        return { claim, sentAt: new Date(), durationMs: 1, outcome: answered, verdict, isFirst }
      }),
    )
  const secondsLeft = (at: Date | null) => Math.round(((at?.getTime() ?? 0) - Date.now()) / 1_000)

  test.each([
    ['pause', [failure(0), failure(60_000), failure(1_000)]],
    ['hold', [failure(0, 0), failure(0, 60_000), failure(0, 1_000)]],
  ])('the longest %s counts', async (kind, verdicts) => {
    await settleEach(await claimFrom(world.db, { limit: 3 }), verdicts)

    const { probe_until, hold_until } = await row()
    expect(secondsLeft(kind === 'pause' ? probe_until : hold_until)).toBeGreaterThan(50)
    expect(kind === 'pause' ? hold_until : probe_until).toBeNull()
  })

  test('that an endpoint is gone counts more than that it fails', async () => {
    const verdicts: Verdict[] = [
      { kind: 'disable', reason: 'failing' },
      { kind: 'disable', reason: 'gone' },
    ]
    await settleEach(await claimFrom(world.db, { limit: 2 }), verdicts)

    expect(await row()).toMatchObject({ state: 'disabled', state_reason: 'gone' })
  })

  test('a shorter pause does not end the one there is', async () => {
    const claims = await claimFrom(world.db, { limit: 1 })
    await sql`update endpoint set probe_until = now() + interval '1 hour'`.execute(world.db)

    await settleEach(claims, [failure(1_000)])

    expect(secondsLeft((await row()).probe_until)).toBeGreaterThan(3_000)
  })

  test('a hold is kept although the one event of its batch that counts as failed is there no more', async () => {
    await settleEach(await claimFrom(world.db, { limit: 1 }), [failure(0, 60_000)], false)

    const { hold_until, ...rest } = await row()
    expect(secondsLeft(hold_until)).toBeGreaterThan(50)
    expect(rest).toMatchObject({ failures: 0, failing_since: null, pace: null })
  })

  test('and so is an end', async () => {
    await settleEach(await claimFrom(world.db, { limit: 1 }), [{ kind: 'disable', reason: 'gone' }], false)

    expect(await row()).toMatchObject({ state: 'disabled', state_reason: 'gone', failures: 0 })
  })
})
