// The built bundles, required by a bare Node and called as SCF calls them; on the Nodes of SCF's runtimes.
// Doubles at the network's rim: the simulator, and a recorder in place of SCF's Invoke (its signature: tencent.test.ts).
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { closeSession, createSession, startSession } from '../lib/local/simulator/simulator.ts'
import { migrations } from '../migrations/index.ts'
import { invokeBundle } from './support/bundle.ts'
import { NODES } from './support/nodes.ts'
import { openWorld, type SimulatedAccount, type World } from './support/world.ts'

let world: World
let api: SimulatedAccount

beforeEach(async () => {
  world = await openWorld()
  api = await world.simulate('default', { cachedShare: 1 })
})
afterEach(() => world.close())

function environment(more: Record<string, string> = {}): Record<string, string> {
  return { ...api.env, ...more }
}

/** Stands in for the Invoke API: records whom it was asked to invoke. */
async function recordInvokes(status = 200): Promise<{ url: string; invoked: string[]; close(): void }> {
  const invoked: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      invoked.push((JSON.parse(body) as { FunctionName: string }).FunctionName)
      const answer = { Response: { RequestId: 'r', Result: { InvokeResult: 0 } } }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://localhost:${port}`, invoked, close: () => server.close() }
}

const credential = { TENCENTCLOUD_SECRETID: 'AKIDtest', TENCENTCLOUD_SECRETKEY: 'secret-key-of-the-role' }

describe.each(NODES)('on %s', (_, path) => {
  test('migrate, reconcile and webhook do the whole job', async () => {
    const node = await path()
    await sql`drop schema report cascade`.execute(world.db)
    await sql`drop schema public cascade`.execute(world.db)
    await sql`create schema public`.execute(world.db)
    const migrated = await invokeBundle('migrate', environment(), { node })
    const receiver = await world.subscribe({ events: ['session.started', 'session.closed'] })
    const created = createSession(api.simulator, { userId: 'abc', projectId: 'p' })
    const id = 'ok' in created ? created.ok.id : ''
    startSession(api.simulator, id)
    const first = await invokeBundle('reconcile', environment(), { node })
    closeSession(api.simulator, id)
    const second = await invokeBundle('reconcile', environment(), { node })
    const drained = await invokeBundle('webhook', environment(), { node })

    expect(migrated.result).toEqual({ applied: Object.keys(migrations) })
    expect([first.result, second.result]).toMatchObject([
      { accounts: [{ account: 'default', outcome: 'committed', listed: 1, events: 3 }] },
      { accounts: [{ account: 'default', outcome: 'committed', listed: 0, events: 1 }] },
    ])
    expect(drained.result).toEqual({ claimed: 2, delivered: 2, retried: 0, dead: 0 })
    expect(receiver.received.map(({ event }) => event.type)).toEqual(['session.started', 'session.closed'])
    expect(receiver.unverified).toBe(0)
    const all = [migrated, first, second, drained].map(({ log }) => log).join('')
    expect(all).not.toContain(api.account.api.accessToken)
    expect(all).not.toContain('rtmp://')
  }, 120_000)
})

describe.each(NODES)('on %s the console', (_, path) => {
  const TOKEN = 'a-token-of-the-console-0123456789012345'
  const url = (place: string, more: object = {}) => {
    const headers = { accept: 'text/html', 'x-scf-remote-addr': '198.51.100.1' }
    return { httpMethod: 'GET', path: place, headers, queryString: {}, body: '', ...more }
  }

  test('answers a function URL: health to anybody, sessions to who has a token, and changes by POST', async () => {
    const node = await path()
    const env = environment({ CONSOLE_WRITE_TOKENS: TOKEN, CHANNELS: '7' })
    const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json', 'content-length': '1' }
    const body = JSON.stringify({ url: 'http://127.0.0.1:9/', description: 'ünï' })

    const healthy = await invokeBundle('console', env, { node, event: url('/healthz') })
    const refused = await invokeBundle('console', env, { node, event: url('/api/now') })
    const now = await invokeBundle('console', env, { node, event: url('/api/now', { headers }) })
    const added = await invokeBundle('console', env, {
      node,
      event: url('/api/endpoints', { httpMethod: 'POST', headers, body }),
    })

    const login = JSON.stringify({ token: TOKEN })
    const entered = await invokeBundle('console', env, {
      node,
      event: url('/api/login', { httpMethod: 'POST', headers: { 'content-type': 'application/json' }, body: login }),
    })

    expect(healthy.result).toMatchObject({
      statusCode: 200,
      body: expect.stringMatching(/^ *\{"ok":true\}$/) as string,
    })
    expect(refused.result).toMatchObject({ statusCode: 401, headers: { 'www-authenticate': 'Bearer' } })
    expect(now.result).toMatchObject({ statusCode: 200, headers: { 'content-type': 'application/json' } })
    expect(JSON.parse((now.result as { body: string }).body)).toMatchObject({ channels: 7, live: [] })
    expect(added.result).toMatchObject({ statusCode: 201, body: expect.stringContaining('ünï') as string })
    expect(JSON.stringify([added.result, entered.result])).toMatch(/whsec_.*rollcall_session=/)
    // SCF writes as much of what a function returns into its log.
    const logs = [healthy, refused, now, added, entered].map(({ log, result }) =>
      log.replaceAll(/^RESULT .*$/gm, JSON.stringify(result).slice(0, 8_192)),
    )
    expect(logs.join('')).not.toMatch(new RegExp(`${TOKEN}|whsec_|rollcall_session=`))
  }, 120_000)

  test('that cannot be opened, or is asked for nothing, never throws: whoever asks would be shown it', async () => {
    const node = await path()
    const event = url('/api/now')

    const unset = await invokeBundle('console', {}, { node, event })
    const junk = await invokeBundle('console', environment({ CONSOLE_READ_TOKENS: TOKEN }), { node, event: null })

    expect(unset.result).toMatchObject({ statusCode: 503, body: expect.stringContaining('"unavailable"') as string })
    expect(unset.log).toMatch(/CONSOLE_WRITE_TOKENS is not set, nor is CONSOLE_READ_TOKENS/)
    expect(JSON.stringify(unset.result)).not.toMatch(/DATABASE_URL|TOKENS/)
    expect([200, 401, 404]).toContain((junk.result as { statusCode: number }).statusCode)
  }, 120_000)
})

describe('after a commit with deliveries', () => {
  test('reconcile invokes the webhook function, and not after one without', async () => {
    const scf = await recordInvokes()
    const env = environment({ ...credential, WEBHOOK_FUNCTION: 'rollcall-webhook', TENCENT_API_URL: scf.url })
    await world.subscribe()
    createSession(api.simulator, { userId: 'abc', projectId: 'p' })

    await invokeBundle('reconcile', env)
    const unchanged = await invokeBundle('reconcile', env)
    scf.close()

    expect(unchanged.result).toMatchObject({ accounts: [{ outcome: 'unchanged', deliveries: 0 }] })
    expect(scf.invoked).toEqual(['rollcall-webhook'])
  })

  test.each([
    ['answers 500', () => recordInvokes(500)],
    ['is not there', async () => ({ url: 'http://localhost:9', invoked: [], close: () => undefined })],
  ])('an Invoke API that %s loses nothing: it is logged, and the timer delivers', async (_, open) => {
    const scf = await open()
    const env = environment({ ...credential, WEBHOOK_FUNCTION: 'rollcall-webhook', TENCENT_API_URL: scf.url })
    const receiver = await world.subscribe()
    createSession(api.simulator, { userId: 'abc', projectId: 'p' })

    const reconciled = await invokeBundle('reconcile', env)
    scf.close()
    const swept = await invokeBundle('webhook', environment())

    expect(reconciled.result).toMatchObject({ accounts: [{ outcome: 'committed', events: 2 }] })
    expect(reconciled.log).toContain('invoke_failed')
    expect(reconciled.log).not.toContain(credential.TENCENTCLOUD_SECRETKEY)
    expect(swept.result).toMatchObject({ delivered: 2 })
    expect(receiver.received).toHaveLength(2)
  })
})

describe('reconcile throws', () => {
  test('when settings are bad: one message names them all, and nothing was touched', async () => {
    const env = { DATABASE_URL: 'mysql://x', IVH_APPKEY: 'k', LOG_LEVEL: 'loud' }

    const { thrown } = await invokeBundle('reconcile', env)

    expect(thrown).toMatch(/^config_invalid: /)
    for (const name of ['DATABASE_URL', 'IVH_ACCESS_TOKEN', 'LOG_LEVEL']) expect(thrown).toContain(name)
    expect(api.simulator.calls.size).toBe(0)
  })

  test('when no account could be reconciled, and says why', async () => {
    const { thrown } = await invokeBundle('reconcile', environment({ IVH_ACCESS_TOKEN: 'wrong' }))

    expect(thrown).toMatch(/^no_account_reconciled: .*default: api_refused: listsessionofuin answered code 100005/)
  })

  test('when Postgres cannot be reached, without the password', async () => {
    const env = environment({ DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:9/none' })

    const { thrown, log } = await invokeBundle('reconcile', env)

    expect(thrown).toMatch(/database_unreachable: Postgres cannot be reached \(ECONNREFUSED\)/)
    expect(log).not.toContain('hunter2')
  })

  test('but not for one bad account among several', async () => {
    const { baseUrl, appkey, accessToken } = api.account.api
    const accounts = [
      { name: 'good', appkey, accessToken, baseUrl },
      { name: 'bad', appkey, accessToken: 'wrong', baseUrl },
    ]

    const { result } = await invokeBundle('reconcile', {
      DATABASE_URL: world.url,
      IVH_ACCOUNTS: JSON.stringify(accounts),
    })

    expect(result).toMatchObject({
      accounts: [
        { account: 'good', outcome: 'committed' },
        { account: 'bad', outcome: 'failed' },
      ],
    })
  })
})

/** As the documentation prints an answer: commas after the last members, which JSON does not allow. */
const DOCUMENTED = `{
  "Header": {
    "Code": 0,
    "Message": "",
    "RequestID": "123",
  },
  "Payload": {
    "ReqId": "d7aa08da33dd4a662ad5be508c5b77cf",
    "Sessions": [
      {
        "UserId": "abc",
        "SessionId": "m123",
        "SessionStatus": 1,
        "PlayStreamAddr": "rtmp://live.qq.com/live/m789",
        "IsSessionStarted": true,
        "DriverType": 1,
      },
    ],
  },
}`

test("the documentation's sample answer, trailing commas and all, gives one session.started", async () => {
  api.simulator.faults.push({ kind: 'body', path: 'list', body: DOCUMENTED, share: 1 })
  const receiver = await world.subscribe({ events: ['session.started', 'session.closed', 'session.failed'] })

  await invokeBundle('reconcile', environment())
  await invokeBundle('reconcile', environment())
  await invokeBundle('webhook', environment())

  expect(receiver.received.map(({ event }) => event)).toMatchObject([
    {
      type: 'session.started',
      source: '/accounts/default',
      subject: 'm123',
      data: {
        account: 'default',
        revision: 3,
        session: { id: 'm123', userId: 'abc', status: 'in_progress', started: true },
        previous: { status: 'in_progress', started: false },
        observed: { after: null },
      },
    },
  ])
})

test('what is old is removed by the timer of the webhook function, and by nobody whom reconcile invokes', async () => {
  await sql`insert into account (name) values ('old')`.execute(world.db)
  await sql`insert into snapshot (account_id, listed_at, outcome, error, duration_ms)
    select id, now() - days * interval '1 day', 'failed', 'api_unreachable', 1
    from account cross join generate_series(1, 10) as days`.execute(world.db)
  const env = environment({ RETAIN_TICKS_DAYS: '5' })
  const ticks = async () => (await world.db.selectFrom('snapshot').select('listed_at').execute()).length

  const invoked = await invokeBundle('webhook', env, { event: {} })
  const before = await ticks()
  const timed = await invokeBundle('webhook', env, { event: { Type: 'timer', TriggerName: 'sweep' } })

  expect([before, await ticks()]).toEqual([10, 4])
  expect(invoked.log).toContain('"pruned":null')
  // The one at five days is a little older by now.
  expect(timed.log).toContain('"summed":0,"pruned":{"deliveries":0,"events":0,"ticks":6}')
  expect(timed.result).toEqual({ claimed: 0, delivered: 0, retried: 0, dead: 0 })
})

test('what cannot change any more is summed by the timer of the webhook function; failing at it loses nothing', async () => {
  createSession(api.simulator, { userId: 'abc', projectId: 'p' })
  await invokeBundle('reconcile', environment())
  // As if the tick had been an hour ago, and another one half an hour later.
  await sql`update session set first_seen_at = first_seen_at - interval '1 hour'`.execute(world.db)
  await sql`update account set complete_at = complete_at - interval '30 minutes'`.execute(world.db)
  const timer = { event: { Type: 'timer', TriggerName: 'sweep' } }
  const levels = () => sql`select live from usage_level`.execute(world.db)

  await sql`alter table usage_level rename to usage_level_elsewhere`.execute(world.db)
  const failed = await invokeBundle('webhook', environment(), timer)
  await sql`alter table usage_level_elsewhere rename to usage_level`.execute(world.db)
  const before = await levels()
  const done = await invokeBundle('webhook', environment(), timer)

  expect(failed.log).toMatch(/"level":"error","message":"drained".*"summed":"not_migrated: .*"pruned":{/)
  expect(before.rows).toEqual([])
  expect(done.log).toMatch(/"level":"info","message":"drained".*"summed":\d\d,/)
  expect((await levels()).rows).toEqual([{ live: 1 }])
})

test('a prune that fails is logged as an error, and what was delivered is delivered', async () => {
  const receiver = await world.subscribe()
  createSession(api.simulator, { userId: 'abc', projectId: 'p' })
  await invokeBundle('reconcile', environment())
  await sql`create function refuse() returns trigger language plpgsql as 'begin raise exception $$not today$$; end'`.execute(
    world.db,
  )
  await sql`create trigger refuse before delete on snapshot execute function refuse()`.execute(world.db)

  const { result, log } = await invokeBundle('webhook', environment())

  expect(result).toMatchObject({ delivered: 2 })
  expect(receiver.received).toHaveLength(2)
  expect(log).toMatch(/"level":"error","message":"drained".*"pruned":".*not today"/)
})
