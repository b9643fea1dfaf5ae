// What the routes tell: on a real Postgres with sessions that a simulated API had, and receivers on loopback.
import { type PluginTransformResultArgs, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type * as schemas from '../../lib/console/schemas.ts'
import { drain } from '../../lib/deliver.ts'
import { breakSession, closeSession, createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { eventually } from '../support/receiver.ts'
import { seed } from '../support/seed.ts'
import { loopbackPoster, openWorld, type SimulatedAccount, type World } from '../support/world.ts'
import { openTestConsole, READ, type TestConsole, WRITE } from './open.ts'

let world: World
let api: SimulatedAccount
let console: TestConsole

beforeEach(async () => {
  world = await openWorld()
  api = await world.simulate('default', { cachedShare: 1 })
  console = openTestConsole(world.db, { now: Date.now })
})
afterEach(() => world.close())

const begin = (userId: string): string => {
  const made = createSession(api.simulator, { userId, projectId: 'p' })
  return 'ok' in made ? made.ok.id : ''
}
const tick = () => reconcile(world.db, [api.account])
const deliver = () => drain(world.db, loopbackPoster(), { timeMs: 10_000 })

/** When the first tick saw what it saw. */
async function firstSeen(): Promise<Date> {
  const session = await world.db.selectFrom('session').select('first_seen_at').executeTakeFirstOrThrow()
  return session.first_seen_at
}

async function get<Value>(place: string, token?: string): Promise<Value> {
  const answer = await console.ask(place, token === undefined ? {} : { token })
  expect([place, answer.status, answer.code]).toEqual([place, 200, undefined])
  return answer.json as Value
}

async function send<Value>(method: string, place: string, body?: unknown): Promise<Value> {
  const answer = await console.ask(place, { method, ...(body !== undefined && { body }) })
  expect([place, answer.code]).toEqual([place, undefined])
  return answer.json as Value
}

describe('now', () => {
  it('has who lives, how many channels there are, and whether anybody watches', async () => {
    const [first, second] = [begin('abc'), begin('xyz')]
    startSession(api.simulator, first)
    await tick()
    closeSession(api.simulator, second)
    await tick()

    const now = await get<schemas.Now>('/api/now')

    expect(now.channels).toBe(30)
    expect(now.liveCount).toBe(1)
    expect(now.live).toMatchObject([{ account: 'default', id: first, incarnation: 1, userId: 'abc', started: true }])
    expect(now.ticks).toMatchObject([{ account: 'default', outcome: 'committed', error: null }])
    const [{ goodAt, lateAt } = { goodAt: null, lateAt: null }] = now.ticks
    expect(Date.parse(lateAt ?? '') - Date.parse(goodAt ?? '')).toBe(60_000)
    expect(now.concurrency.slice(0, -2).map(({ peak }) => peak)).toEqual(now.concurrency.slice(0, -2).map(() => null))
    expect(Math.max(...now.concurrency.map(({ peak }) => peak ?? 0))).toBe(2)
    expect(now.backlog).toMatchObject({ pending: 0, oldestDue: null, deadOfLastDay: 0, disabled: [] })
  })

  it('answers 304 as long as nothing changed, and the news at once when a session did', async () => {
    begin('abc')
    await tick()
    const first = await console.ask('/api/now')
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' }

    const same = await console.ask('/api/now', { headers })
    begin('xyz')
    await tick()
    const other = await console.ask('/api/now', { headers })

    expect([same.status, same.text, same.headers.get('etag')]).toEqual([304, '', headers['if-none-match']])
    expect(other.status).toBe(200)
    expect((other.json as schemas.Now).live.map(({ userId }) => userId)).toEqual(['xyz', 'abc'])
  })

  it('sees each change of what a session looks like, and a session that is missing', async () => {
    const id = begin('abc')
    await tick()
    const before = await get<schemas.Now>('/api/now')
    startSession(api.simulator, id)
    await tick()
    const started = await get<schemas.Now>('/api/now')
    closeSession(api.simulator, id)
    await tick()
    const closed = await get<schemas.Now>('/api/now')

    expect([before, started, closed].map(({ live }) => live.map((one) => one.started))).toEqual([[false], [true], []])
  })

  it('is of one account where one is asked for, and of all together else', async () => {
    await seed(world.db, { sessions: 3, account: 'a' })
    await seed(world.db, { sessions: 2, account: 'b' })
    await sql`insert into snapshot (account_id, listed_at, outcome, session_count, duration_ms)
      select id, now(), 'committed', 3, 5 from account`.execute(world.db)

    const [all, a] = [await get<schemas.Now>('/api/now'), await get<schemas.Now>('/api/now?account=a')]

    expect([all.liveCount, a.liveCount]).toEqual([5, 3])
    expect([all, a].map(({ concurrency }) => Math.max(...concurrency.map(({ peak }) => peak ?? 0)))).toEqual([5, 3])
    expect(a.ticks.map(({ account }) => account)).toEqual(['a'])
  })

  it('calls out the sessions that hold a channel for nothing', async () => {
    await seed(world.db, { sessions: 2 })
    await world.db
      .updateTable('session')
      .set({ first_seen_at: new Date(Date.now() - 3_600_000) })
      .where('session_id', '=', 'm1')
      .execute()
    await world.db.updateTable('account').set({ listed_at: new Date() }).execute()

    const { leaks } = await get<schemas.Now>('/api/now')

    expect(leaks).toMatchObject([{ account: 'default', id: 'm1', incarnation: 1, leak: 'preparing' }])
  })
})

describe('the timeline', () => {
  it('has what lived in a time, the newest first, with the bounds of its ends', async () => {
    const [kept, ended] = [begin('abc'), begin('xyz')]
    await tick()
    closeSession(api.simulator, ended)
    await tick()

    const { bars, truncated } = await get<schemas.Timeline>('/api/timeline')
    const [first] = bars.filter(({ id }) => id === ended)
    const before = await get<schemas.Timeline>('/api/timeline?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z')
    const after = await get<schemas.Timeline>(
      `/api/timeline?from=${encodeURIComponent(new Date(Date.parse(first?.endedAt ?? '') + 1).toISOString())}`,
    )

    expect([bars.length, truncated]).toEqual([2, false])
    expect(first).toMatchObject({ userId: 'xyz', firstSeenAfter: null, endReason: 'reported', failed: false })
    expect(Date.parse(first?.endedAfter ?? '')).toBeGreaterThanOrEqual(Date.parse(first?.firstSeenAt ?? ''))
    expect(Date.parse(first?.endedAfter ?? '')).toBeLessThan(Date.parse(first?.endedAt ?? ''))
    expect(before.bars).toEqual([])
    expect(after.bars.map(({ id }) => id)).toEqual([kept])
  })

  it('has at most 5,000, the newest, and says so', async () => {
    await seed(world.db, { sessions: 5_003 })

    const { bars, truncated } = await get<schemas.Timeline>('/api/timeline')

    expect([bars.length, truncated, bars[0]?.id]).toEqual([5_000, true, 'm5003'])
  })
})

describe('a search', () => {
  it('finds by user, session, reason, state and time', async () => {
    const [first, second, third] = [begin('abc'), begin('xyz'), begin('a%c')]
    await tick()
    const between = await firstSeen()
    closeSession(api.simulator, second)
    await tick()
    const found = async (query: string) =>
      (await get<schemas.Sessions>(`/api/sessions?${query}`)).sessions.map(({ id }) => id).sort()
    const at = encodeURIComponent(between.toISOString())

    expect(await found('user=abc')).toEqual([first])
    expect(await found('user=a%25c')).toEqual([third])
    expect(await found('user=a')).toEqual([])
    expect(await found(`session=${second}`)).toEqual([second])
    expect(await found('state=live')).toEqual([first, third].sort())
    expect(await found('state=past')).toEqual([second])
    expect(await found('reason=reported')).toEqual([second])
    expect(await found('reason=failed')).toEqual([])
    expect(await found(`at=${at}`)).toEqual([first, second, third].sort())
    expect(await found(`at=${at}&user=xyz`)).toEqual([second])
    expect(await found(`to=2020-01-01T00:00:00Z`)).toEqual([])
    expect(await found(`from=2020-01-01T00:00:00Z&account=default`)).toHaveLength(3)
  })

  it('shows a session as it was at a moment, not as it is', async () => {
    const id = begin('abc')
    await tick()
    const between = await firstSeen()
    closeSession(api.simulator, id)
    await tick()

    const { sessions } = await get<schemas.Sessions>(`/api/sessions?at=${encodeURIComponent(between.toISOString())}`)

    expect(sessions).toMatchObject([{ id, status: 'in_progress', endedAt: null, endReason: null, error: null }])
  })

  it('goes through all, page by page, each once and the newest first', async () => {
    await seed(world.db, { sessions: 25 })
    // As ticks write it: no finer than milliseconds.
    await world.db.updateTable('session').set({ first_seen_at: new Date() }).execute()
    const seen: string[] = []
    for (let next: string | null = ''; next !== null;) {
      const page: schemas.Sessions = await get(`/api/sessions?limit=10${next && `&cursor=${next}`}`)
      seen.push(...page.sessions.map(({ id }) => id))
      next = page.next
    }

    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `m${25 - i}`))
  })
})

describe("one session's life", () => {
  it('has its bounds, its events, and each attempt at each endpoint', async () => {
    const good = await world.subscribe({ events: ['session.started'] })
    const bad = await world.subscribe({ events: ['session.started'] }, () => 500)
    const id = begin('abc')
    startSession(api.simulator, id)
    await tick()
    await deliver()

    const { session, events } = await get<schemas.SessionLife>(`/api/sessions/default/${id}/1`, READ)

    expect(session).toMatchObject({ id, firstSeenAfter: null, playStreamAddr: null, masked: true })
    expect(events.map(({ type, revision }) => [type, revision])).toEqual([
      ['session.created', 1],
      ['session.ready', 2],
      ['session.started', 3],
    ])
    const of = (endpoint: string) => events[2]?.deliveries.find(({ endpointId }) => endpointId === endpoint)
    expect(events[2]?.deliveries).toHaveLength(2)
    expect(of(good.id)).toMatchObject({
      state: 'delivered',
      attempts: [{ number: 1, outcome: 'answered', status: 204 }],
    })
    expect(of(bad.id)).toMatchObject({ state: 'pending', attempts: [{ number: 1, outcome: 'answered', status: 500 }] })
  })

  it('says what the code of its error means', async () => {
    const id = begin('abc')
    await tick()
    breakSession(api.simulator, id)
    await tick()

    const { session } = await get<schemas.SessionLife>(`/api/sessions/default/${id}/1`)

    expect([session.error?.code, session.errorMeaning]).toEqual([-111002, 'the connection of the stream broke'])
  })
})

describe('a stream address', () => {
  it('is shown to who may write and asks for it, and to nobody else, anywhere', async () => {
    const id = begin('abc')
    await tick()
    const places = [`/api/sessions/default/${id}/1`, '/api/events']
    const unmasked = (place: string) => `${place}?unmasked=true`

    const shown = await Promise.all(places.map((place) => console.ask(unmasked(place))))
    const refused = await Promise.all(places.map((place) => console.ask(unmasked(place), { token: READ })))
    const all = [...places, '/api/now', '/api/timeline', '/api/sessions', '/api/deliveries', '/metrics']
    const masked = await Promise.all(all.map((place) => console.ask(place)))

    expect(shown.map(({ text }) => text.includes('rtmp://'))).toEqual([true, true])
    expect(shown.map(({ json }) => JSON.stringify(json).includes('"masked":false'))).toEqual([true, true])
    expect(refused.map(({ status }) => status)).toEqual([403, 403])
    expect(masked.map(({ status, text }) => [status, text.includes('rtmp://')])).toEqual(all.map(() => [200, false]))
    expect(console.logged.join()).not.toContain('rtmp://')
  })

  it('is not shown either where the API repeats it in what it says of a failure', async () => {
    const id = begin('abc')
    await tick()
    breakSession(api.simulator, id)
    api.simulator.sessions.get(id)!.errorMessage = '推流失败:rtmp://live.example/live/m1?txSecret=abc: refused'
    await tick()
    const masked = '推流失败:… refused'
    const places = [`/api/sessions/default/${id}/1`, '/api/events']

    const told = await Promise.all([...places, '/api/sessions'].map((place) => console.ask(place, { token: READ })))
    const shown = await Promise.all(places.map((place) => console.ask(`${place}?unmasked=true`)))

    expect(told.map(({ text }) => [text.includes(masked), text.includes('txSecret')])).toEqual(
      told.map(() => [true, false]),
    )
    expect(shown.map(({ text }) => text.includes('txSecret'))).toEqual([true, true])
  })
})

describe('events', () => {
  it('come by cursor, as they were sent', async () => {
    await seed(world.db, { sessions: 5 })

    const first = await get<schemas.Events>('/api/events?limit=3')
    const rest = await get<schemas.Events>(`/api/events?after=${first.next}`)

    expect([first.next, rest.next, first.floor, first.truncated]).toEqual([3, 5, 0, false])
    expect([...first.events, ...rest.events].map(({ subject }) => subject)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5'])
    expect(await get<schemas.Events>('/api/events?after=5')).toMatchObject({ events: [], next: 5, truncated: false })
  })

  it('are refused to a cursor of another history, which would miss those that come in its place', async () => {
    await seed(world.db, { sessions: 1 })

    const [last, beyond] = [await console.ask('/api/events?after=1'), await console.ask('/api/events?after=2')]

    expect([last.status, beyond.status, beyond.code]).toEqual([200, 400, 'input_invalid'])
    expect(beyond.text).toContain('whose position is 1')
  })

  it('of several accounts need the name of one', async () => {
    await seed(world.db, { sessions: 1, account: 'a' })
    await seed(world.db, { sessions: 1, account: 'b' })

    const [all, one] = [await console.ask('/api/events'), await get<schemas.Events>('/api/events?account=b')]

    expect([all.status, all.code, one.events.length]).toEqual([400, 'input_invalid', 1])
  })
})

describe('an endpoint', () => {
  it('is added, shown without a secret, changed, tried, stopped, let on and removed', async () => {
    const receiver = await world.subscribe()
    const added = await send<schemas.AddedEndpoint>('POST', '/api/endpoints', {
      url: receiver.url,
      events: ['*'],
      description: 'ours',
      headers: { authorization: 'Bearer of-the-endpoint' },
      ed25519: true,
    })
    receiver.secrets.push(added.secret)
    const place = `/api/endpoints/${added.id}`

    const changed = await send<schemas.Endpoint>('PATCH', place, { rate: 5, events: ['session.failed'], account: 'a' })
    const pinged = await send<schemas.Pinged>('POST', `${place}/ping`)
    const rotated = await send<schemas.Secrets>('POST', `${place}/rotate`, { graceHours: 0 })
    const paused = await send<schemas.Endpoint>('POST', `${place}/pause`)
    const enabled = await send<schemas.Enabled>('POST', `${place}/enable`, { missed: 'none' })
    const disabled = await send<schemas.Endpoint>('POST', `${place}/disable`, {})
    const list = await console.ask('/api/endpoints')
    const shown = await console.ask(place)
    const removed = await send('DELETE', place)
    const gone = await console.ask(place)

    expect(added).toMatchObject({ state: 'active', headers: ['authorization'] })
    expect([added.secret, added.publicKey, rotated.publicKey]).toEqual([
      expect.stringMatching(/^whsec_/),
      expect.stringMatching(/^whpk_/),
      expect.stringMatching(/^whpk_/),
    ])
    expect(rotated.secret).not.toBe(added.secret)
    expect(changed).toMatchObject({ rate: 5, events: ['session.failed'], account: 'a', description: 'ours' })
    expect(pinged).toEqual({ outcome: 'delivered', status: 204, proved: null })
    expect([paused.state, paused.stateReason, enabled]).toEqual(['paused', 'by the console', { missed: 0, queued: 0 }])
    expect(disabled.state).toBe('disabled')
    for (const { text } of [list, shown]) expect(text).not.toMatch(/whsec_|whpk_|of-the-endpoint/)
    expect([removed, gone.status, gone.code]).toEqual([{ removed: added.id }, 404, 'not_found'])
  })

  it('is in the list as it is after a change, at once', async () => {
    const { id } = await send<schemas.AddedEndpoint>('POST', '/api/endpoints', { url: 'http://127.0.0.1:9/' })
    const states = async () => (await get<schemas.Endpoints>('/api/endpoints')).endpoints.map(({ state }) => state)

    const before = await states()
    await send('POST', `/api/endpoints/${id}/pause`)

    expect([before, await states()]).toEqual([['active'], ['paused']])
  })

  it('has a URL whose path and query are for who may write alone', async () => {
    const url = 'http://127.0.0.1:9/hooks/a-token?b=another'
    const { id } = await send<schemas.AddedEndpoint>('POST', '/api/endpoints', { url })

    const seen = async (token: string) => {
      const one = await console.ask(`/api/endpoints/${id}`, { token })
      const all = await console.ask('/api/endpoints', { token })
      return [(one.json as schemas.Endpoint).url, (all.json as schemas.Endpoints).endpoints[0]?.url]
    }

    expect(await seen(WRITE)).toEqual([url, url])
    expect(await seen(READ)).toEqual(['http://127.0.0.1:9/…', 'http://127.0.0.1:9/…'])
  })

  it('has its backlog, latency and last error in the list', async () => {
    const good = await world.subscribe()
    const bad = await world.subscribe({}, () => 500)
    begin('abc')
    await tick()
    await deliver()

    const { endpoints } = await get<schemas.Endpoints>('/api/endpoints')
    const of = (id: string) => endpoints.find((one) => one.id === id)

    expect(of(good.id)).toMatchObject({ pending: 0, dead: 0, lastError: null, oldestDueAt: null })
    expect(of(good.id)?.latency?.attempts).toBe(2)
    expect(of(bad.id)).toMatchObject({ pending: 2, lastError: { outcome: 'answered', status: 500 } })
    expect(of(bad.id)?.latency?.attempts).toBe(1)
  })

  it('that is not there makes no account when it is changed', async () => {
    const answer = await console.ask('/api/endpoints/ep_none', { method: 'PATCH', body: { account: 'mistyped' } })

    expect(answer.status).toBe(404)
    expect((await get<schemas.Me>('/api/me')).accounts).toEqual([])
  })

  it.each([
    ['a private address', { url: 'http://10.0.0.1/' }],
    ['the metadata service', { url: 'http://169.254.169.254/latest' }],
    ['another scheme', { url: 'file:///etc/passwd' }],
    ['a password in its URL', { url: 'http://a:b@example.com/' }],
    ['no event', { url: 'http://127.0.0.1/', events: [] }],
    ['an unknown event', { url: 'http://127.0.0.1/', events: ['session.*'] }],
    ['a header of ours', { url: 'http://127.0.0.1/', headers: { 'webhook-id': 'a' } }],
    ['a header with a line break', { url: 'http://127.0.0.1/', headers: { a: 'b\r\nc: d' } }],
    ['a field that nobody knows', { url: 'http://127.0.0.1/', state: 'active' }],
  ])('cannot be added with %s', async (_, body) => {
    const answer = await console.ask('/api/endpoints', { method: 'POST', body })

    expect([answer.status, answer.code]).toEqual([400, 'input_invalid'])
    expect((await get<schemas.Endpoints>('/api/endpoints')).endpoints).toEqual([])
  })

  it.each([
    ['lacks one', {}, 'the body has a fault at url: is missing'],
    [
      'has one that nobody knows',
      { url: 'http://127.0.0.1/', state: 'active' },
      'the body has a fault at state: is not known here',
    ],
  ])('names the field, where a body %s', async (_, body, message) => {
    const answer = await console.ask('/api/endpoints', { method: 'POST', body })

    expect(answer.json).toMatchObject({ error: { code: 'input_invalid', message } })
  })
})

describe('deliveries', () => {
  it('come by endpoint, state and session, page by page, with their attempts', async () => {
    const receiver = await world.subscribe()
    const other = await world.subscribe({}, () => 400)
    const id = begin('abc')
    await tick()
    begin('xyz')
    await tick()
    await deliver()
    const found = async (query: string) => (await get<schemas.Deliveries>(`/api/deliveries?${query}`)).deliveries

    const page = await get<schemas.Deliveries>('/api/deliveries?limit=5')
    const rest = await get<schemas.Deliveries>(`/api/deliveries?limit=5&cursor=${page.next}`)
    const [one] = await found(`endpoint=${other.id}&session=${id}`)
    const { attempts } = await get<schemas.Attempts>(`/api/deliveries/${one?.id}/attempts`)

    expect([page.deliveries.length, rest.deliveries.length, rest.next]).toEqual([5, 3, null])
    expect(new Set([...page.deliveries, ...rest.deliveries].map((each) => each.id)).size).toBe(8)
    expect(await found(`endpoint=${receiver.id}&state=delivered`)).toHaveLength(4)
    expect(await found('state=dead')).toHaveLength(4)
    expect(await found(`session=${id}`)).toHaveLength(4)
    expect(attempts).toMatchObject([{ number: 1, outcome: 'answered', status: 400 }])
  })
})

describe('a replay', () => {
  it('is counted by a dry run and done in bounded steps, each event once, also those of Rollcall itself', async () => {
    await seed(world.db, { sessions: 5_100, perSession: 1 })
    await seed(world.db, { sessions: 3, account: 'other' })
    const { id: endpoint } = await world.subscribe()
    const place = '/api/replay'

    const dry = await send<schemas.Replayed>('POST', place, { endpoint, dryRun: true })
    const steps: schemas.Replayed[] = []
    for (let cursor: string | null = ''; cursor !== null; cursor = steps.at(-1)?.next ?? null) {
      steps.push(await send('POST', place, { endpoint, ...(cursor && { cursor }) }))
      if (steps.length > 9) break
    }
    const again = await send<schemas.Replayed>('POST', place, { endpoint, session: 'm7' })

    expect(dry).toEqual({ matched: 5_103, queued: 0, next: null })
    expect(steps.map(({ matched, queued }) => [matched, queued])).toEqual([
      [5_000, 5_000],
      [103, 103],
      [0, 0],
    ])
    expect(again).toMatchObject({ matched: 1, queued: 0 })
    expect((await get<schemas.Endpoint>(`/api/endpoints/${endpoint}`)).pending).toBe(5_103)
  })

  it('leaves out what happens while it goes on, or it might never end', async () => {
    await seed(world.db, { sessions: 5_001, account: 'a' })
    const { id: endpoint } = await world.subscribe()
    const first = await send<schemas.Replayed>('POST', '/api/replay', { endpoint })
    begin('abc')
    await tick()

    const second = await send<schemas.Replayed>('POST', '/api/replay', { endpoint, cursor: first.next })

    expect([first.matched, second.matched]).toEqual([5_000, 1])
  })

  it('of what is dead ends, although what it queues is dead again by then', async () => {
    const { id: endpoint } = await world.subscribe({}, () => 400)
    await seed(world.db, { sessions: 3 })
    await deliver()
    const first = await send<schemas.Replayed>('POST', '/api/replay', { endpoint, state: 'dead' })
    await deliver()

    const second = await send<schemas.Replayed>('POST', '/api/replay', { endpoint, state: 'dead', cursor: first.next })

    expect([first.matched, first.queued, second.matched, second.next]).toEqual([3, 3, 0, null])
  })
})

describe('reports', () => {
  it('are listed, and answered with the channels of the settings', async () => {
    await seed(world.db, { sessions: 2 })

    const { reports } = await get<schemas.Reports>('/api/reports')
    const answers = await Promise.all(reports.map(({ name }) => console.ask(`/api/reports/${name}`)))
    const days = await get<schemas.Report>('/api/reports/peak-concurrency?timezone=Asia/Shanghai&channels=4')

    expect(reports.length).toBeGreaterThan(20)
    expect(answers.map(({ status }) => status)).toEqual(reports.map(() => 200))
    expect(days.columns).toContain('peak')
    expect(days.truncated).toBe(false)
  })

  it('whose answer is long are not read beyond what is given', async () => {
    await seed(world.db, { sessions: 1 })
    await sql`update session set first_seen_at = '2020-01-01'`.execute(world.db)
    let most = 0
    const transformResult = ({ result }: PluginTransformResultArgs) => {
      most = Math.max(most, result.rows.length)
      return Promise.resolve(result)
    }
    const counted = world.db.withPlugin({ transformQuery: ({ node }) => node, transformResult })

    const answer = await openTestConsole(counted).ask('/api/reports/concurrency?from=2020-01-01&to=2025-01-01')

    const { rows, truncated } = answer.json as schemas.Report
    expect([rows.length, truncated, rows[0]?.peak]).toEqual([10_000, true, 1])
    expect(most).toBe(10_001)
  })

  const waitInReports = (until: string) =>
    sql`create or replace function report.concurrency("from" timestamptz, "to" timestamptz, step interval)
      returns table (account text, bucket timestamptz, peak integer) language sql
      as ${sql.lit(`select null::text, null::timestamptz, null::integer from ${until}`)}`.execute(world.db)

  it('leave connections for other questions, however many are asked for at once', async () => {
    await waitInReports('pg_advisory_xact_lock_shared(77)')
    const holder = openDatabase(world.url, { connections: 1 })
    const waiting = sql<{ n: number }>`select count(*) as n from pg_stat_activity
      where datname = current_database() and wait_event = 'advisory'`

    const reports = await holder.transaction().execute(async (tx) => {
      await sql`select pg_advisory_xact_lock(77)`.execute(tx)
      const asked = Array.from({ length: 8 }, () => console.ask('/api/reports/peak-concurrency'))
      await eventually('one waits', async () => ((await waiting.execute(tx)).rows[0]?.n ?? 0) > 0)
      expect((await console.ask('/api/now')).json).toHaveProperty('live')
      return asked
    })

    expect(new Set((await Promise.all(reports)).map(({ status }) => status))).toEqual(new Set([200]))
    await holder.destroy()
  })

  it('that take longer than the limit of the database are refused', async () => {
    await waitInReports('pg_sleep(40)')
    const hurried = openDatabase(`${world.url}?options=-c%20statement_timeout%3D300`)

    const answer = await openTestConsole(hurried).ask('/api/reports/peak-concurrency')

    await hurried.destroy()
    expect([answer.status, answer.json]).toEqual([
      400,
      { error: { code: 'input_invalid', message: 'the answer takes too long: ask for less time' } },
    ])
  })

  it.each(['timezone=Nowhere', 'from=2026-02-30', 'from=2026-02-02&to=2026-02-01', 'channels=0', 'account=-'])(
    'refuse %s',
    async (query) => {
      const answer = await console.ask(`/api/reports/peak-concurrency?${query}`)

      expect([answer.status, answer.code]).toEqual([400, 'input_invalid'])
    },
  )
})

describe('watching', () => {
  it('has each tick in a bucket with its worst, and the times when nobody looked', async () => {
    await tick()
    const { id } = await world.db.selectFrom('account').select('id').executeTakeFirstOrThrow()
    const base = Date.now() - 3_600_000
    const rows = [0, 10, 20, 600].map((seconds) => ({ seconds, isFailed: seconds === 20 }))
    await world.db
      .insertInto('snapshot')
      .values(
        rows.map(({ seconds, isFailed }) => ({
          account_id: id,
          listed_at: new Date(base + seconds * 1_000),
          outcome: isFailed ? ('failed' as const) : ('unchanged' as const),
          session_count: isFailed ? null : 0,
          duration_ms: 5,
          error: isFailed ? 'api_refused: listsessionofuin answered code 100005 (rtmp://a.example/b); check' : null,
        })),
      )
      .execute()
    const from = new Date(base - 1_000).toISOString()

    const seen = await get<schemas.Watching>(`/api/watching?from=${encodeURIComponent(from)}`)

    expect(seen.bucketSeconds).toBe(30)
    expect(seen.ticks.map(({ outcome, count, error, apiCode }) => [outcome, count, error, apiCode])).toEqual([
      ['failed', 3, 'api_refused', 100_005],
      ['unchanged', 1, null, null],
      ['committed', 1, null, null],
    ])
    expect([seen.failed, seen.incomplete, seen.accounts.length]).toEqual([1, 0, 1])
    const tens = (gap: { from: string | null; to: string | null }) =>
      Math.round((Date.parse(gap.to ?? '') - Date.parse(gap.from ?? '')) / 10_000)
    expect(seen.gaps.slice(0, 2).map(tens)).toEqual([300, 59])
    expect(seen.gaps[2]).toEqual({ account: 'default', from: null, to: new Date(base).toISOString() })
    expect(seen.gaps[1]?.from).toBe(new Date(base + 10_000).toISOString())
  })
})

describe('metrics', () => {
  it('are what Prometheus reads', async () => {
    await world.subscribe({}, () => 400)
    begin('abc')
    await tick()
    await deliver()

    const answer = await console.ask('/metrics', { token: READ })

    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(answer.text).toMatch(/^rollcall_sessions_live\{account="default"\} 1$/m)
    expect(answer.text).toMatch(/^rollcall_leaks\{account="default"\} 0$/m)
    expect(answer.text).toMatch(/^rollcall_last_complete_age_seconds\{account="default"\} [\d.]+$/m)
    expect(answer.text).toMatch(/^rollcall_channels 30$/m)
    expect(answer.text).toMatch(/^rollcall_last_tick_age_seconds\{account="default"\} [\d.]+$/m)
    expect(answer.text).toMatch(/^rollcall_last_tick_outcome\{account="default",outcome="committed"\} 1$/m)
    expect(answer.text).toMatch(/^rollcall_deliveries_pending 0$/m)
    expect(answer.text).toMatch(/^rollcall_deliveries_dead_last_day 2$/m)
    expect(answer.text).toMatch(/^rollcall_endpoints\{state="active"\} 1$/m)
    const lines = answer.text.trimEnd().split('\n')
    expect(lines.filter((line) => !/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+)$/.test(line))).toEqual(
      [],
    )
  })
})
