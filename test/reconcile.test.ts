// A tick against a real Postgres, a real HTTP server and a real subscriber. The one double is Tencent's API: the simulator.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain } from '../lib/deliver.ts'
import { AppError } from '../lib/errors.ts'
import { breakSession, closeSession, createSession, startSession } from '../lib/local/simulator/simulator.ts'
import { reconcile, tick } from '../lib/reconcile.ts'
import { readSessions } from '../lib/store/history.ts'
import { eventually, type ReceivedEvent } from './support/receiver.ts'
import { loopbackPoster, openWorld, type SimulatedAccount, type World } from './support/world.ts'

let world: World
let api: SimulatedAccount

beforeEach(async () => {
  world = await openWorld()
  api = await world.simulate('default', { preparingSeconds: [10, 10] })
})
afterEach(() => world.close())

/** Creates a session of a user, and gives its id. */
function create(userId = 'abc', { simulator } = api): string {
  const created = createSession(simulator, { userId, projectId: 'p' })
  if (!('ok' in created)) throw new Error(created.message)
  return created.ok.id
}

/** Lets the API's time pass, and reconciles. */
function tickAfter(seconds: number) {
  api.clock.now += seconds * 1_000
  return tick(world.db, api.account)
}

/** The events so far, in order, as `type subject` without what all share. */
async function told(): Promise<string[]> {
  const rows = await world.db.selectFrom('event').select('body').orderBy('position').execute()
  return rows.map(({ body }) => {
    const { type, data } = JSON.parse(body) as ReceivedEvent
    const why = [data.reason, data.error?.code].filter((part) => part !== null && part !== undefined)
    return [type.replace('session.', ''), ...why].join(' ')
  })
}

const rowsIn = async (table: 'snapshot' | 'session' | 'session_version' | 'event' | 'delivery') =>
  (
    await world.db
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
  ).n

describe('a life', () => {
  test('from preparing to closed is told step by step, each step once', async () => {
    const id = create()
    await tickAfter(0)
    await tickAfter(11)
    startSession(api.simulator, id)
    await tickAfter(1)
    closeSession(api.simulator, id)
    await tickAfter(1)
    await tickAfter(1)

    expect(await told()).toEqual(['created', 'ready', 'started', 'closed reported'])
  })

  test('that is over before it is listed as failed is told as failed, with the code that statsession gives', async () => {
    const id = create()
    await tickAfter(0)
    breakSession(api.simulator, id, -111_003)
    await tickAfter(1)

    expect(await told()).toEqual(['created', 'failed reported -111003'])
  })

  test('that a new session of the same user ends is told with 110022', async () => {
    create('same')
    await tickAfter(11)
    create('same')
    await tickAfter(1)

    expect(await told()).toEqual(['created', 'ready', 'closed reported 110022', 'created'])
  })

  test('that ended while nobody watched is told as gone, once statsession has forgotten it', async () => {
    const id = create()
    await tickAfter(11)
    closeSession(api.simulator, id)
    await tickAfter(4_000)

    expect(await told()).toEqual(['created', 'ready', 'closed gone'])
  })

  test('whose end statsession cannot explain is told as absent by the third complete listing without it', async () => {
    const id = create()
    await tickAfter(11)
    closeSession(api.simulator, id)
    api.simulator.settings.statUnavailable = true
    await tickAfter(1)
    await tickAfter(1)
    const before = await told()
    await tickAfter(1)

    expect(before).toEqual(['created', 'ready'])
    expect(await told()).toEqual(['created', 'ready', 'closed absent'])
  })

  test('that there was no time to ask for is not taken for absent', async () => {
    const id = create()
    await tickAfter(11)
    breakSession(api.simulator, id, -111_002)
    for (let i = 0; i < 5; i += 1) {
      api.clock.now += 1_000
      await tick(world.db, api.account, { statDeadlineMs: 0 })
    }
    const before = await told()
    await tickAfter(1)

    expect(before).toEqual(['created', 'ready'])
    expect(await told()).toEqual(['created', 'ready', 'closed reported -111002'])
  })

  test('is explained although statsession hangs for many others', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => create(`user-${index}`))
    await tickAfter(11)
    for (const id of ids) closeSession(api.simulator, id)
    api.simulator.faults.push({ kind: 'never', path: 'stat', times: 16 })

    const result = await tickAfter(1)

    expect(result).toMatchObject({ asked: 20, answered: 4, events: 4 })
  })

  test('whose id returns after its end is a new incarnation', async () => {
    const id = create()
    await tickAfter(11)
    closeSession(api.simulator, id)
    await tickAfter(1)
    createSession(api.simulator, { userId: 'abc', projectId: 'p', sessionId: id })
    await tickAfter(1)

    const sessions = await readSessions(world.db, {})
    expect(sessions.map(({ incarnation, endReason }) => [incarnation, endReason])).toEqual([
      [2, null],
      [1, 'reported'],
    ])
  })

  test('that lingers in the list after its end is told once', async () => {
    api.simulator.settings.lingerSeconds = 60
    const id = create()
    await tickAfter(11)
    closeSession(api.simulator, id)
    for (let i = 0; i < 4; i += 1) await tickAfter(1)

    expect(await told()).toEqual(['created', 'ready', 'closed reported'])
  })
})

describe('a listing that lies', () => {
  test('by being empty while sessions live closes nothing, and the snapshot says incomplete', async () => {
    create('a')
    create('b')
    await tickAfter(11)
    api.simulator.settings.emptyListShare = 1
    const results = [await tickAfter(1), await tickAfter(1), await tickAfter(1), await tickAfter(1)]
    api.simulator.settings.emptyListShare = 0
    await tickAfter(1)

    const short = { outcome: 'committed', complete: false, events: 0 }
    expect(results).toMatchObject([short, short, short, short])
    expect(await readSessions(world.db, { live: true })).toHaveLength(2)
  })

  test('by unreadable items counts the readable ones and closes nothing for being missing', async () => {
    const kept = create('kept')
    const missing = create('missing')
    await tickAfter(11)
    api.simulator.settings.extraItems = [null, 7, { SessionId: 'a\u0000b', SessionStatus: 1 }, { SessionId: 'm1' }]
    api.simulator.settings.retentionSeconds = 0
    closeSession(api.simulator, missing)
    startSession(api.simulator, kept)
    for (let i = 0; i < 5; i += 1) await tickAfter(1)
    const before = await told()
    api.simulator.settings.extraItems = []
    await tickAfter(1)

    expect(before).toEqual(['created', 'ready', 'created', 'ready', 'started'])
    expect(await told()).toEqual([...before, 'closed gone'])
  })

  test.each(['code', 'html', 'cutBody', 'truncatedJson', 'invalidJson', 'badSignature', 'status', 'redirect'] as const)(
    'by the fault %s fails the tick, changes nothing, and the next good tick catches up',
    async (kind) => {
      create('a')
      await tickAfter(11)
      create('b')
      api.simulator.faults.push({ kind, path: 'list', times: 3 })

      await expect(tickAfter(1)).rejects.toThrow(AppError)
      const after = await told()
      api.simulator.faults.length = 0
      await tickAfter(1)

      expect(after).toEqual(['created', 'ready'])
      expect(await told()).toEqual(['created', 'ready', 'created'])
      const failed = await world.db.selectFrom('snapshot').select('error').where('outcome', '=', 'failed').execute()
      expect(failed).toEqual([{ error: expect.stringMatching(/^api_\w+: [^\n]+$/) as string }])
    },
  )
})

test('a session that may have been among unreadable items is told as new since the last complete listing', async () => {
  await tickAfter(0)
  const complete = await world.db.selectFrom('account').select('listed_at').executeTakeFirstOrThrow()
  api.simulator.settings.extraItems = [null]
  await tickAfter(1)
  api.simulator.settings.extraItems = []
  create()
  await tickAfter(1)

  const { body } = await world.db.selectFrom('event').select('body').executeTakeFirstOrThrow()
  const { observed } = (JSON.parse(body) as ReceivedEvent).data
  expect(observed.after).toBe(complete.listed_at?.toISOString())
})

describe('what is written', () => {
  test('of an unchanged listing is one snapshot row and the account row', async () => {
    create()
    await tickAfter(11)
    const before = { sessions: await rowsIn('session'), versions: await rowsIn('session_version') }
    const result = await tickAfter(1)

    expect(result).toMatchObject({ outcome: 'unchanged', listed: 1, events: 0 })
    expect({ sessions: await rowsIn('session'), versions: await rowsIn('session_version') }).toEqual(before)
    expect(await rowsIn('snapshot')).toBe(2)
  })

  test('rebuilds every past listing: who was listed when, and in which state', async () => {
    const truth: string[][] = []
    const moments: Date[] = []
    const ids = ['a', 'b', 'c'].map((user) => create(user))
    const steps: (() => void)[] = [
      () => undefined,
      () => void startSession(api.simulator, ids[0] ?? ''),
      () => void closeSession(api.simulator, ids[1] ?? ''),
      () => void create('d'),
      () => void breakSession(api.simulator, ids[2] ?? ''),
    ]
    for (const step of steps) {
      step()
      await tickAfter(11)
      const live = [...api.simulator.sessions.values()].filter(({ status }) => status === 1 || status === 3)
      truth.push(
        live.map(({ id, status, started }) => `${id} ${status === 1 ? 'in_progress' : 'preparing'} ${started}`),
      )
      const last = await world.db.selectFrom('account').select('listed_at').executeTakeFirstOrThrow()
      moments.push(last.listed_at ?? new Date(0))
    }

    for (const [index, at] of moments.entries()) {
      const rebuilt = await readSessions(world.db, { at })
      expect(rebuilt.map(({ id, status, started }) => `${id} ${status} ${started}`).sort()).toEqual(
        truth[index]?.sort(),
      )
    }
  })

  test('a past moment is shown as it was known then, also when the ticks of that time are no longer kept', async () => {
    const moments: Date[] = []
    const id = create()
    for (const step of [
      () => undefined,
      () => startSession(api.simulator, id),
      () => closeSession(api.simulator, id),
    ]) {
      step()
      await tickAfter(11)
      moments.push((await world.db.selectFrom('account').select('listed_at').executeTakeFirstOrThrow()).listed_at!)
    }
    const then = () => Promise.all(moments.map((at) => readSessions(world.db, { at })))
    const before = await then()

    await sql`delete from snapshot where listed_at < ${moments.at(-1)}`.execute(world.db)

    expect(await then()).toEqual(before)
    const [session] = await readSessions(world.db, {})
    expect(before).toMatchObject([
      [{ readyAt: session?.readyAt, startedAt: null, endedAt: null }],
      [{ readyAt: session?.readyAt, startedAt: session?.startedAt, endedAt: null, endReason: null }],
      [],
    ])
  })

  test('gives each endpoint the events it asked for, in the same transaction', async () => {
    const all = await world.subscribe({ events: ['*'] })
    const some = await world.subscribe({ events: ['session.closed'] })
    const other = await world.subscribe({ events: ['*'], account: 'other' })
    const id = create()
    await tickAfter(11)
    closeSession(api.simulator, id)
    await tickAfter(1)
    await drain(world.db, loopbackPoster(), { timeMs: 10_000 })

    const types = (receiver: typeof all) => receiver.received.map(({ event }) => event.type)
    expect(types(all)).toEqual(['session.created', 'session.ready', 'session.closed'])
    expect(types(some)).toEqual(['session.closed'])
    expect(types(other)).toEqual([])
  })

  test('counts positions without a gap for the account, and revisions for each session', async () => {
    for (const user of ['a', 'b', 'c']) create(user)
    await tickAfter(11)
    create('d')
    await tickAfter(11)

    const events = await world.db.selectFrom('event').selectAll().orderBy('position').execute()
    expect(events.map((event) => event.position)).toEqual(events.map((_, index) => index + 1))
    for (const id of new Set(events.map((event) => event.incarnation_id))) {
      const revisions = events.filter((event) => event.incarnation_id === id).map((event) => event.revision)
      expect(revisions).toEqual(revisions.map((_, index) => index + 1))
    }
  })
})

describe('a database', () => {
  test.each(['session', 'session_version', 'event', 'delivery', 'account'])(
    'that goes away while %s is written keeps nothing of the tick, and the next one tells it all',
    async (table) => {
      await world.subscribe()
      create()
      await tickAfter(0)
      await sql.raw(DIE_BEFORE_COMMIT).execute(world.db)
      await sql
        .raw(`create trigger die after insert or update on ${table} for each statement execute function die()`)
        .execute(world.db)

      await expect(tickAfter(11)).rejects.toThrow(/terminat/)
      await sql.raw(`drop trigger die on ${table}`).execute(world.db)
      const after = { told: await told(), deliveries: await rowsIn('delivery'), live: await readSessions(world.db, {}) }
      await tickAfter(1)

      expect(after).toMatchObject({ told: ['created'], deliveries: 1, live: [{ status: 'preparing' }] })
      expect(await told()).toEqual(['created', 'ready'])
      expect(await rowsIn('delivery')).toBe(2)
    },
  )
})

const DIE_BEFORE_COMMIT = `create function die() returns trigger language plpgsql as
  $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$`

describe('ticks at the same time', () => {
  test('of one account tell each change once: one commits, the others are skipped or find nothing new', async () => {
    for (let i = 0; i < 20; i += 1) create(`user-${i}`)

    const results = await Promise.all(Array.from({ length: 10 }, () => tick(world.db, api.account)))

    expect(results.filter(({ events }) => events > 0)).toHaveLength(1)
    expect(await rowsIn('event')).toBe(20)
  })

  test('that arrive late are stale and change nothing', async () => {
    const id = create()
    await tickAfter(11)
    closeSession(api.simulator, id)
    // It lists first, and is held up until another has listed and committed.
    api.simulator.faults.push({ kind: 'slow', path: 'list', delayMs: 3_000 })
    const late = tick(world.db, api.account)
    await eventually('it has asked for the list', () => api.simulator.faults.length === 0)
    const prompt = await tick(world.db, api.account)

    expect(prompt).toMatchObject({ outcome: 'committed', events: 1 })
    expect(await late).toMatchObject({ outcome: 'skipped', reason: 'stale' })
    expect(await told()).toEqual(['created', 'ready', 'closed reported'])
  })

  test('that are overtaken while they ask why a session is missing are stale: their listing may be the older one', async () => {
    const id = create()
    await tickAfter(11)
    closeSession(api.simulator, id)
    const idle = () => api.simulator.faults.length === 0
    api.simulator.faults.push({ kind: 'slow', path: 'list', delayMs: 2_000 })
    const first = tick(world.db, api.account)
    await eventually('the first has asked for the list', idle)
    api.simulator.faults.push({ kind: 'slow', path: 'stat', delayMs: 5_000 })
    const second = tick(world.db, api.account)
    await eventually('the second has asked for the session', idle)

    expect(await first).toMatchObject({ outcome: 'committed', events: 1 })
    expect(await second).toMatchObject({ outcome: 'skipped', reason: 'stale' })
    expect(await told()).toEqual(['created', 'ready', 'closed reported'])
  })

  test('go on after the database set its clock back: no tick is stale for hours, and no told time goes back', async () => {
    const id = create()
    await tickAfter(11)
    const hourLater = sql`interval '1 hour'`
    await sql`update event set occurred_at = occurred_at + ${hourLater}`.execute(world.db)
    await sql`update snapshot set listed_at = listed_at + ${hourLater}`.execute(world.db)
    await sql`update account set listed_at = listed_at + ${hourLater}, complete_at = null`.execute(world.db)
    await sql`update session_version set valid_from = valid_from + ${hourLater}`.execute(world.db)
    startSession(api.simulator, id)

    expect(await tickAfter(1)).toMatchObject({ outcome: 'committed', events: 1 })
    const events = await world.db.selectFrom('event').select(['occurred_at', 'body']).orderBy('position').execute()
    const times = events.map((event) => event.occurred_at.getTime())
    expect(times).toEqual([...times].sort((a, b) => a - b))
    const { observed } = (JSON.parse(events.at(-1)!.body) as ReceivedEvent).data
    expect(Date.parse(observed.before)).toBeGreaterThan(Date.parse(observed.after!))
  })

  test('of several accounts do not touch each other: one whose API is down fails alone', async () => {
    const healthy = await world.simulate('healthy', {}, 2)
    createSession(healthy.simulator, { userId: 'x', projectId: 'p' })
    api.simulator.faults.push({ kind: 'never', share: 1 })

    const results = await reconcile(world.db, [api.account, healthy.account], { listDeadlineMs: 3_000 })

    expect(results.map(({ account, outcome }) => [account, outcome])).toEqual([
      ['default', 'failed'],
      ['healthy', 'committed'],
    ])
    expect(results[0]?.reason).toMatch(/^api_unreachable: listsessionofuin at 127\.0\.0\.1:\d+: no complete answer/)
  })
})
