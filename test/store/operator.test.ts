// Events about Rollcall itself, against a real Postgres; nothing is sent. A crash is a fault that the database raises.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import type { Outcome, Verdict } from '../../lib/core/retry.ts'
import { createSession } from '../../lib/local/simulator/simulator.ts'
import { tick } from '../../lib/reconcile.ts'
import { ensureAccount } from '../../lib/store/account.ts'
import type { Claim } from '../../lib/store/claim.ts'
import { settle } from '../../lib/store/settle.ts'
import { addEndpoint, showEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint, enableEndpoint, pauseEndpoint } from '../../lib/store/endpoint-state.ts'
import { announceStalled } from '../../lib/store/operator.ts'
import { claimAll } from '../support/claim.ts'
import { seed } from '../support/seed.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const url = 'http://127.0.0.1:9/'
const subscribe = async (events: string[], account: string | null = null) =>
  (await addEndpoint(world.db, { url, events, account, description: `of ${events.join()}` })).id

interface Told {
  endpoint: string
  type: string
  position: number
  body: string
}
/** The operator events there are for endpoints, in the order they were made. */
const told = async () =>
  (
    await sql<Told>`
      select endpoint_id as endpoint, type, event.position, body from delivery join event on event.id = event_id
      where event.account_id is null order by delivery.id`.execute(world.db)
  ).rows
const eventCount = async () =>
  (await world.db.selectFrom('event').select('id').where('account_id', 'is', null).execute()).length
const dataOf = ({ body }: Told) => (JSON.parse(body) as { data: Record<string, unknown> }).data
const idsOf = (rows: Told[]) => rows.map(({ endpoint }) => endpoint).sort()

const outcome: Outcome = { kind: 'answered', status: 500, retryAfterMs: null }
const come = (claims: Claim[], verdict: Verdict) =>
  claims.map((one) => ({ claim: one, sentAt: new Date(), durationMs: 1, outcome, verdict }))
const claimOf = async (endpoint: string, limit = 100) => {
  const claims = await claimAll(world.db)
  return claims.filter(({ endpointId }) => endpointId === endpoint).slice(0, limit)
}
const dead: Verdict = { kind: 'dead' }
const gone: Verdict = { kind: 'disable', reason: 'gone' }
const failing: Verdict = { kind: 'disable', reason: 'failing' }

/** From here on the database refuses every event, as if the process had died there. */
const breakEvents = () =>
  sql
    .raw(
      `create function broken() returns trigger language plpgsql as $$ begin raise exception 'crash'; end $$;
       create trigger broken before insert on event for each row execute function broken()`,
    )
    .execute(world.db)

describe('a delivery that becomes dead', () => {
  test('is told to the endpoints that name it: which endpoint, how many, and which events', async () => {
    const [subject, listener] = [await subscribe(['*']), await subscribe(['delivery.dead'])]
    await seed(world.db, { sessions: 3 })

    await settle(world.db, come(await claimOf(subject, 2), dead))

    const rows = await told()
    expect(idsOf(rows)).toEqual([listener])
    expect(rows.map(dataOf)).toEqual([
      {
        endpoint: subject,
        description: 'of *',
        count: 2,
        events: [
          { id: 'evt_default_1', type: 'session.created', subject: 'm1' },
          { id: 'evt_default_2', type: 'session.created', subject: 'm2' },
        ],
      },
    ])
  })

  test('is told for each endpoint apart', async () => {
    const [one, two] = [await subscribe(['*']), await subscribe(['*'])]
    await subscribe(['delivery.dead'])
    await seed(world.db, { sessions: 1 })
    const claims = await claimOf(one)
    await sql`update delivery set due_at = now() where endpoint_id = ${two}`.execute(world.db)
    const others = await claimOf(two)

    await settle(world.db, come([...claims, ...others], dead))

    expect((await told()).map((row) => dataOf(row)['endpoint'])).toEqual([one, two].sort())
  })

  test('names at most a hundred of those that died together, but counts them all', async () => {
    const subject = await subscribe(['*'])
    await subscribe(['delivery.dead'])
    await seed(world.db, { sessions: 150 })

    await settle(world.db, come(await claimOf(subject, 150), dead))

    const [data] = (await told()).map(dataOf)
    expect(data).toMatchObject({ count: 150 })
    expect(data?.['events']).toHaveLength(100)
  })

  test('is told once, however often and late its settle comes', async () => {
    const subject = await subscribe(['*'])
    await subscribe(['delivery.dead'])
    await seed(world.db, { sessions: 1 })
    const claims = await claimOf(subject)
    await Promise.all([settle(world.db, come(claims, dead)), settle(world.other, come(claims, dead))])

    await settle(world.db, come(claims, dead))

    expect(await told()).toHaveLength(1)
  })

  test('that was claimed again since is not dead, and not told', async () => {
    const subject = await subscribe(['*'])
    await subscribe(['delivery.dead'])
    await seed(world.db, { sessions: 1 })
    const claims = await claimOf(subject)
    await sql`update delivery set due_at = now()`.execute(world.db)
    await claimOf(subject)

    await settle(world.db, come(claims, dead))

    expect(await told()).toEqual([])
  })

  test('is not told when it was an operator event itself, or that would never end', async () => {
    const listener = await subscribe(['delivery.dead', 'endpoint.disabled'])
    await disableEndpoint(world.db, await subscribe(['*']), 'test')

    await settle(world.db, come(await claimOf(listener), dead))

    expect((await told()).map(({ type }) => type)).toEqual(['endpoint.disabled'])
    expect((await showEndpoint(world.db, listener)).dead).toBe(1)
  })

  test('and its news are there together or not at all', async () => {
    const subject = await subscribe(['*'])
    await subscribe(['delivery.dead'])
    await seed(world.db, { sessions: 1 })
    const claims = await claimOf(subject)
    await breakEvents()

    await expect(settle(world.db, come(claims, dead))).rejects.toThrow('crash')

    expect(await showEndpoint(world.db, subject)).toMatchObject({ dead: 0, pending: 1, failures: 0 })
    expect(await world.db.selectFrom('attempt').select('number').execute()).toEqual([])
    expect(await eventCount()).toBe(0)
  })
})

describe('an endpoint that becomes disabled', () => {
  test.each([
    ['by command', 'by hand', (id: string) => disableEndpoint(world.db, id, 'by hand')],
    ['by a 410', 'gone', async (id: string) => settle(world.db, come(await claimOf(id, 1), gone))],
    ['by days of failure', 'failing', async (id: string) => settle(world.db, come(await claimOf(id, 1), failing))],
  ])('%s is told with its reason', async (_, reason, disable) => {
    const [subject, listener] = [await subscribe(['*']), await subscribe(['endpoint.disabled'])]
    await seed(world.db, { sessions: 1 })

    await disable(subject)

    const rows = await told()
    expect(idsOf(rows)).toEqual([listener])
    expect(rows.map(dataOf)).toEqual([{ endpoint: subject, description: 'of *', reason }])
  })

  test('is told once, and again when it was enabled in between', async () => {
    const subject = await subscribe(['*'])
    await subscribe(['endpoint.disabled'])
    await seed(world.db, { sessions: 3 })
    const claims = await claimOf(subject)
    await settle(world.db, come(claims.slice(0, 1), gone))
    await settle(world.db, come(claims.slice(1), gone))
    await disableEndpoint(world.db, subject, 'again')
    const once = await told()
    await enableEndpoint(world.db, subject, 'all')
    await disableEndpoint(world.db, subject, 'anew')

    const twice = await told()

    expect([once.length, twice.length]).toEqual([1, 2])
  })

  test('is told of a paused one, but pausing is not told', async () => {
    const subject = await subscribe(['*'])
    await subscribe(['endpoint.disabled'])
    await pauseEndpoint(world.db, subject, 'test')
    const paused = await told()

    await disableEndpoint(world.db, subject, 'test')

    expect([paused.length, (await told()).length]).toEqual([0, 1])
  })

  test.each([
    ['by command', (id: string) => disableEndpoint(world.db, id, 'test')],
    ['by a 410', async (id: string) => settle(world.db, come(await claimOf(id), gone))],
  ])('%s and its news are there together or not at all', async (_, disable) => {
    const subject = await subscribe(['*'])
    await subscribe(['endpoint.disabled'])
    await seed(world.db, { sessions: 1 })
    await breakEvents()

    await expect(disable(subject)).rejects.toThrow('crash')

    expect(await showEndpoint(world.db, subject)).toMatchObject({ state: 'active', stateReason: null })
    expect(await eventCount()).toBe(0)
  })

  test('at the same time as others that all listen never waits for them in a circle', async () => {
    const ids: string[] = []
    for (let i = 0; i < 8; i += 1) ids.push(await subscribe(['endpoint.disabled']))

    const disabling = await Promise.allSettled(ids.map((id) => disableEndpoint(world.db, id, 'test')))

    expect(disabling.filter(({ status }) => status === 'rejected')).toEqual([])
    expect(await eventCount()).toBe(8)
    expect(await told()).toHaveLength(64)
  })
})

describe('whom operator events reach', () => {
  test('are endpoints that name them: neither a filter of `*` alone nor of other types', async () => {
    const subject = await subscribe(['*'])
    await subscribe(['delivery.dead', 'tick.stalled', 'session.closed'])
    const named = [await subscribe(['*', 'endpoint.disabled']), await subscribe(['endpoint.disabled'])]

    await disableEndpoint(world.db, subject, 'test')

    expect(idsOf(await told())).toEqual(named.sort())
  })

  test('with `*` beside them they come with the events of sessions, too', async () => {
    const both = await subscribe(['*', 'endpoint.disabled'])
    const only = await subscribe(['endpoint.disabled'])
    await seed(world.db, { sessions: 1, perSession: 3 })

    expect(await showEndpoint(world.db, both)).toMatchObject({ pending: 3 })
    expect(await showEndpoint(world.db, only)).toMatchObject({ pending: 0 })
  })

  test('of an endpoint of one account are those of that account and of all', async () => {
    const own = await subscribe(['endpoint.disabled'], 'one')
    await subscribe(['endpoint.disabled'], 'other')
    const all = await subscribe(['endpoint.disabled'])

    await disableEndpoint(world.db, await subscribe(['*'], 'one'), 'test')

    expect(idsOf(await told())).toEqual([own, all].sort())
  })

  test('of an endpoint of all accounts are those of all', async () => {
    await subscribe(['endpoint.disabled'], 'one')
    const all = await subscribe(['endpoint.disabled'])

    await disableEndpoint(world.db, await subscribe(['*']), 'test')

    expect(idsOf(await told())).toEqual([all])
  })
})

describe('what is told', () => {
  test('is a CloudEvent whose sequence increases, in a lane of what it is about', async () => {
    await subscribe(['endpoint.disabled'])
    const ids = [await subscribe(['*']), await subscribe(['*']), await subscribe(['*'])]
    for (const id of ids) await disableEndpoint(world.db, id, 'test "quoted"\n\\ 阿')

    const bodies = (await told()).map(({ body }) => JSON.parse(body) as Record<string, unknown>)

    expect(bodies.map(({ subject }) => subject)).toEqual(ids)
    for (const body of bodies) {
      expect(body).toEqual({
        specversion: '1.0',
        id: expect.stringMatching(/^evt_\w+$/) as string,
        source: '/rollcall',
        type: 'endpoint.disabled',
        subject: body['subject'],
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
        datacontenttype: 'application/json',
        sequence: expect.stringMatching(/^\d{20}$/) as string,
        partitionkey: body['subject'],
        data: { endpoint: body['subject'], description: 'of *', reason: 'test "quoted"\n\\ 阿' },
      })
    }
    const sequences = bodies.map(({ sequence }) => String(sequence))
    expect(sequences).toEqual([...new Set(sequences)].sort())
    const lanes = await world.db.selectFrom('delivery').select('lane').orderBy('id').execute()
    expect(lanes.map(({ lane }) => lane)).toEqual(ids.map((id) => `operator/${id}`))
  })
})

describe('an account that no tick lists any more', () => {
  /** As if its last listings were so many seconds ago. */
  const listed = async (name: string, ...secondsAgo: number[]) => {
    const { id } = await ensureAccount(world.db, name)
    await sql`delete from snapshot where account_id = ${id}`.execute(world.db)
    for (const seconds of secondsAgo) {
      await sql`insert into snapshot (account_id, listed_at, outcome, session_count, duration_ms)
        values (${id}, date_trunc('milliseconds', now()) - ${seconds} * interval '1 second', 'unchanged', 0, 1)`.execute(
        world.db,
      )
    }
    await sql`update account set complete_at = null,
      listed_at = (select max(listed_at) from snapshot where account_id = ${id}) where id = ${id}`.execute(world.db)
  }
  const stalledAt = async () =>
    (await world.db.selectFrom('account').select('stalled_at').executeTakeFirst())?.stalled_at

  test.each([
    ['listed once, is so after 5 minutes', [301], 1],
    ['listed once, is not before', [290], 0],
    ['listed every 10 s, is so after 5 minutes', [301, 311, 321], 1],
    ['listed every 2 minutes, is so after five times that', [601, 721, 841], 1],
    ['listed every 2 minutes, is not before', [590, 710, 830], 0],
    ['never listed, is not: nobody watched it yet', [], 0],
  ])('%s', async (_, ago, stalled) => {
    await subscribe(['tick.stalled'])
    await listed('default', ...ago)

    expect(await announceStalled(world.db)).toBe(stalled)
    expect(await told()).toHaveLength(stalled)
  })

  test('is told by its name and when it was listed last, to endpoints of it and of all accounts', async () => {
    const reached = [await subscribe(['tick.stalled'], 'one'), await subscribe(['tick.stalled'])]
    await subscribe(['tick.stalled'], 'other')
    await subscribe(['*'])
    await listed('one', 400)
    const { listed_at: at } = await world.db
      .selectFrom('account')
      .select('listed_at')
      .where('name', '=', 'one')
      .executeTakeFirstOrThrow()

    await announceStalled(world.db)

    const rows = await told()
    expect(idsOf(rows)).toEqual(reached.sort())
    for (const row of rows) {
      expect(JSON.parse(row.body)).toMatchObject({ type: 'tick.stalled', subject: 'one', partitionkey: 'one' })
      expect(dataOf(row)).toEqual({ account: 'one', lastListedAt: at?.toISOString() })
    }
  })

  test('is told once for each stall, however many drains look, and again after a listing', async () => {
    await subscribe(['tick.stalled'])
    const { account } = await world.simulate('default')
    await tick(world.db, account)
    await listed('default', 400)
    const looks = await Promise.all([
      announceStalled(world.db),
      announceStalled(world.other),
      announceStalled(world.db),
    ])
    const again = await announceStalled(world.db)
    await tick(world.db, account)
    const recovered = await stalledAt()
    await listed('default', 400)

    const anew = await announceStalled(world.db)

    expect(looks.reduce((sum, one) => sum + one, 0)).toBe(1)
    expect([again, recovered, anew]).toEqual([0, null, 1])
    expect(await told()).toHaveLength(2)
  })

  test.each(['unchanged', 'committed'] as const)('is over with a listing that is %s', async (outcome) => {
    await subscribe(['tick.stalled'])
    const { account, simulator } = await world.simulate('default')
    await tick(world.db, account)
    await tick(world.db, account)
    await listed('default', 400)
    await announceStalled(world.db)
    if (outcome === 'committed') createSession(simulator, { userId: 'abc', projectId: 'p' })

    const { outcome: came } = await tick(world.db, account)

    expect([came, await stalledAt()]).toEqual([outcome, null])
  })

  test('and its news are there together or not at all', async () => {
    await subscribe(['tick.stalled'])
    await listed('default', 400)
    await breakEvents()

    await expect(announceStalled(world.db)).rejects.toThrow('crash')

    expect(await stalledAt()).toBeNull()
  })

  test('does not keep a drain waiting while somebody else has it locked: a later one tells', async () => {
    await subscribe(['tick.stalled'])
    await listed('default', 400)

    const during = await world.db.transaction().execute(async (tx) => {
      await sql`select from account for update`.execute(tx)
      // Whoever waits for this lock fails.
      return announceStalled(world.other)
    })

    expect([during, await announceStalled(world.db)]).toEqual([0, 1])
  })
})
