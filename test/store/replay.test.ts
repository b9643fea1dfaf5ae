// Events sent again, against a real Postgres; those that arrive go to a real receiver on loopback.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain } from '../../lib/deliver.ts'
import { addEndpoint, showEndpoint, updateEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint, enableEndpoint } from '../../lib/store/endpoint-state.ts'
import { replay, type ReplayFilter } from '../../lib/store/replay.ts'
import { claimAll } from '../support/claim.ts'
import { seed } from '../support/seed.ts'
import { loopbackPoster, openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const poster = loopbackPoster()
const drainNow = () => drain(world.db, poster, { timeMs: 20_000 })
const subscribe = async (events = ['*'], account: string | null = null) =>
  (await addEndpoint(world.db, { url: 'http://127.0.0.1:9/', events, account })).id
const finalize = (state: 'delivered' | 'dead', condition = sql`true`) =>
  sql`update delivery set state = ${state}, attempts = 3, finalized_at = now(), retry_until = now()
    where ${condition}`.execute(world.db)
const pending = async (endpoint: string) =>
  (
    await world.db
      .selectFrom('delivery')
      .select('event_id')
      .where('endpoint_id', '=', endpoint)
      .where('state', '=', 'pending')
      .orderBy('position')
      .execute()
  ).map((row) => row.event_id)
/** The moment that the event at this position was seen at. */
const seenAt = (position: number) => new Date(Date.parse('2026-01-01T00:00:00Z') + position * 1_000)

describe('a replay by', () => {
  // Three sessions, m1 … m3, with three events each: positions 1 … 3 are created, 4 … 6 ready, 7 … 9 started.
  test.each<[string, Omit<ReplayFilter, 'endpoint'>, number[]]>([
    ['nothing is of everything', {}, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['event is of that one', { event: 'evt_default_5' }, [5]],
    ['session is of its events', { session: 'm2' }, [2, 5, 8]],
    ['since includes that moment', { since: seenAt(7) }, [7, 8, 9]],
    ['until excludes that moment', { until: seenAt(3) }, [1, 2]],
    ['span is of both', { since: seenAt(4), until: seenAt(6) }, [4, 5]],
    ['state is of deliveries in it', { state: 'dead' }, [1, 5]],
    ['session and state is of both', { state: 'delivered', session: 'm2' }, [2, 8]],
    ['event and another session is of none', { event: 'evt_default_5', session: 'm1' }, []],
    ['an event that does not exist is of none', { event: 'evt_none' }, []],
    ['a session that does not exist is of none', { session: 'none' }, []],
  ])('%s', async (_, filter, positions) => {
    const id = await subscribe()
    const bystander = await subscribe()
    await seed(world.db, { sessions: 3, perSession: 3 })
    await finalize('delivered')
    await finalize('dead', sql`position in (1, 5)`)

    const dry = await replay(world.db, { endpoint: id, ...filter }, { dryRun: true })
    const before = await pending(id)
    const wet = await replay(world.db, { endpoint: id, ...filter })

    expect([dry, before]).toEqual([{ matched: positions.length, queued: 0 }, []])
    expect(wet).toEqual({ matched: positions.length, queued: positions.length })
    expect(await pending(id)).toEqual(positions.map((position) => `evt_default_${position}`))
    expect(await pending(bystander)).toEqual([])
  })
})

describe('a replay', () => {
  test('matches what is pending already, and queues only the others', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: 4 })
    await finalize('delivered', sql`position <= 3`)

    expect(await replay(world.db, { endpoint: id })).toEqual({ matched: 4, queued: 3 })
    expect(await replay(world.db, { endpoint: id })).toEqual({ matched: 4, queued: 0 })
  })

  test('makes what it queues due at once, with its time for retries and its waits anew, but not the number of its attempts', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: 1 })
    await finalize('dead')
    await replay(world.db, { endpoint: id })

    const claims = await claimAll(world.db, { limit: 1 })

    expect(claims).toMatchObject([{ eventId: 'evt_default_1', attempt: 1, fence: 4, expired: false }])
  })

  test('sends the same ids and bytes, in the order of each session', async () => {
    const receiver = await world.subscribe()
    await seed(world.db, { sessions: 5, perSession: 3 })
    await drainNow()
    const first = new Map(receiver.received.map(({ id, body }) => [id, body]))
    receiver.received.length = 0

    const replayed = await replay(world.db, { endpoint: receiver.id, state: 'delivered' })
    await drainNow()

    expect(replayed).toEqual({ matched: 15, queued: 15 })
    expect(new Map(receiver.received.map(({ id, body }) => [id, body]))).toEqual(first)
    expect(receiver.received).toHaveLength(15)
    for (const subject of ['m1', 'm2', 'm3', 'm4', 'm5']) {
      const types = receiver.received.filter(({ event }) => event.subject === subject).map(({ event }) => event.type)
      expect(types).toEqual(['session.created', 'session.ready', 'session.started'])
    }
    expect(receiver.unverified).toBe(0)
  })

  test('holds newer events of the session back until the old one is delivered again', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: 1, perSession: 3 })
    await finalize('delivered', sql`position < 3`)
    await replay(world.db, { endpoint: id, event: 'evt_default_1' })

    const claims = await claimAll(world.db)

    expect(claims.map(({ eventId }) => eventId)).toEqual(['evt_default_1'])
  })

  test('of a disabled endpoint keeps them until it is enabled', async () => {
    const receiver = await world.subscribe()
    await seed(world.db, { sessions: 3 })
    await finalize('dead')
    await disableEndpoint(world.db, receiver.id, 'test')

    const replayed = await replay(world.db, { endpoint: receiver.id })
    const idle = await drainNow()
    const enabled = await enableEndpoint(world.db, receiver.id, 'all')
    await drainNow()

    expect(replayed).toEqual({ matched: 3, queued: 3 })
    expect(idle.claimed).toBe(0)
    expect(enabled).toEqual({ missed: 3, queued: 3 })
    expect(receiver.received).toHaveLength(3)
  })

  test('to an endpoint that does not exist is refused', async () => {
    await expect(replay(world.db, { endpoint: 'ep_none' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(replay(world.db, { endpoint: 'ep_none' }, { dryRun: true })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('of nothing that ever was tells that nothing matched', async () => {
    const told: unknown[] = []

    const replayed = await replay(world.db, { endpoint: await subscribe() }, { onStep: (done) => told.push(done) })

    expect([replayed, told]).toEqual([{ matched: 0, queued: 0 }, []])
  })

  test('also sends operator events again that the endpoint had', async () => {
    const listener = await subscribe(['endpoint.disabled'])
    const late = await subscribe(['*'])
    await disableEndpoint(world.db, late, 'test')
    await finalize('delivered')
    const newcomer = await subscribe(['endpoint.disabled', '*'])

    expect(await replay(world.db, { endpoint: listener })).toEqual({ matched: 1, queued: 1 })
    expect(await replay(world.db, { endpoint: newcomer })).toEqual({ matched: 0, queued: 0 })
  })
})

describe('a replay of what was never delivered before', () => {
  beforeEach(() => seed(world.db, { sessions: 2, perSession: 3 }))

  test.each<[string, string[], string | null, number[]]>([
    ['gives an endpoint that was added later all it wants', ['*'], null, [1, 2, 3, 4, 5, 6]],
    ['gives it no types that it does not name', ['session.started', 'session.ready'], null, [3, 4, 5, 6]],
    ['gives it none of another account', ['*'], 'other', []],
    ['gives it those of its own account', ['session.created'], 'default', [1, 2]],
    ['gives an endpoint for operator events none', ['delivery.dead'], null, []],
  ])('%s', async (_, events, account, positions) => {
    const id = await subscribe(events, account)

    const replayed = await replay(world.db, { endpoint: id })

    expect(replayed).toEqual({ matched: positions.length, queued: positions.length })
    expect(await pending(id)).toEqual(positions.map((position) => `evt_default_${position}`))
  })

  test('needs that no state is asked for', async () => {
    const id = await subscribe()

    expect(await replay(world.db, { endpoint: id, state: 'dead' })).toEqual({ matched: 0, queued: 0 })
    expect(await replay(world.db, { endpoint: id, session: 'm1' })).toEqual({ matched: 3, queued: 3 })
  })

  test('goes by what the endpoint wants today, and sends again what it had though it wants it no more', async () => {
    const id = await subscribe(['session.created'])
    await replay(world.db, { endpoint: id })
    await finalize('delivered')
    await updateEndpoint(world.db, id, { events: ['session.started'] })

    expect(await replay(world.db, { endpoint: id })).toEqual({ matched: 4, queued: 4 })
    expect(await pending(id)).toEqual([1, 2, 5, 6].map((position) => `evt_default_${position}`))
  })

  test('keeps the lanes: a tick that follows joins the same ones', async () => {
    const id = await subscribe()
    await replay(world.db, { endpoint: id })
    await seed(world.db, { sessions: 1 })

    const lanes = await world.db.selectFrom('delivery').select(['lane', 'position']).orderBy('position').execute()

    const [account] = await world.db.selectFrom('account').select('id').execute()
    const names = ['m1', 'm2', 'm1', 'm2', 'm1', 'm2', 'm7'].map((name) => `${account?.id ?? ''}/${name}`)
    expect(lanes.map(({ lane }) => lane)).toEqual(names)
  })
})

describe('a long replay', () => {
  const COUNT = 12_001

  test('has no limit: it goes in steps, and tells each', async () => {
    await seed(world.db, { sessions: COUNT })
    const id = await subscribe()
    const told: unknown[] = []

    const replayed = await replay(world.db, { endpoint: id }, { onStep: (done) => told.push(done) })

    expect(replayed).toEqual({ matched: COUNT, queued: COUNT })
    expect(told).toEqual([
      { matched: COUNT, queued: 5_000 },
      { matched: COUNT, queued: 10_000 },
      { matched: COUNT, queued: COUNT },
    ])
    expect(await showEndpoint(world.db, id)).toMatchObject({ pending: COUNT })
  })

  test('that is stopped in the middle keeps its steps, and is finished by another', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: COUNT })
    await finalize('dead')
    const stop = () => {
      throw new Error('stopped')
    }

    await expect(replay(world.db, { endpoint: id, state: 'dead' }, { onStep: stop })).rejects.toThrow('stopped')
    const kept = (await showEndpoint(world.db, id)).pending
    const rest = await replay(world.db, { endpoint: id, state: 'dead' })

    expect(kept).toBe(5_000)
    expect(rest).toEqual({ matched: COUNT - 5_000, queued: COUNT - 5_000 })
  })

  test('twice at once queues each event once, by one of the two', async () => {
    const id = await subscribe()
    await seed(world.db, { sessions: 4_000 })
    await finalize('delivered')
    await sql`delete from delivery where position > 3000`.execute(world.db)

    const replays = await Promise.all([
      replay(world.db, { endpoint: id }),
      replay(world.other, { endpoint: id }),
      replay(world.db, { endpoint: id }),
    ])

    expect(replays.map(({ matched }) => matched)).toEqual([4_000, 4_000, 4_000])
    expect(replays.reduce((sum, { queued }) => sum + queued, 0)).toBe(4_000)
    expect(new Set(await pending(id)).size).toBe(4_000)
  })
})
