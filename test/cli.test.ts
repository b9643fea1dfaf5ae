// The built dist/cli.js in processes of its own, against a real database and the simulator served here. The one double
// besides is an API that answers with hostile text.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { table } from '../lib/cli/shell.ts'
import { breakSession, closeSession, createSession, startSession } from '../lib/local/simulator/simulator.ts'
import { openReceiver } from './support/receiver.ts'
import { rollcall, startCli } from './support/run.ts'
import { holding, role, secretsAsked, serveTencent } from './support/tencent-api.ts'
import { openWorld, type SimulatedAccount, type World } from './support/world.ts'

const HOSTILE = 'eve\u001b[2J\u001b]0;owned\u0007\r\nroot\u009b31m\u202e\u2028x'
/** What could move a reader's cursor, colour the terminal or turn the text around. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/

let world: World
let api: SimulatedAccount
let env: Record<string, string> = {}
const undo: (() => unknown)[] = []

beforeAll(async () => {
  world = await openWorld()
  api = await world.simulate('default', { preparingSeconds: [5, 5] })
  env = api.env
})

afterAll(async () => {
  for (const step of undo.splice(0)) await step()
  await world.close()
})

/** Runs a command that must succeed, with --json, and gives the one value it prints. */
async function json<Value>(...args: string[]): Promise<Value> {
  const { code, stdout, stderr } = await rollcall([...args, '--json'], { env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout.endsWith('\n')).toBe(true)
  return JSON.parse(stdout) as Value
}

/** Runs a command that must fail as a failure does, and gives its one line. */
async function failure(args: string[], environment: Record<string, string> = env): Promise<string> {
  const { code, signal, stdout, stderr } = await rollcall(args, { env: environment })
  expect({ code, signal, stdout }).toEqual({ code: 1, signal: null, stdout: '' })
  expect(stderr).toMatch(/^[^\n]+\n$/)
  return stderr.trim()
}

const create = (userId: string) => {
  const outcome = createSession(api.simulator, { userId, projectId: 'p' })
  if (!('ok' in outcome)) throw new Error('the simulator refused')
  return outcome.ok.id
}

async function emptyDatabase(): Promise<string> {
  const admin = new pg.Client({ connectionString: inject('postgresUrl') })
  await admin.connect()
  const name = `cli_${process.pid}_${randomBytes(4).toString('hex')}`
  await admin.query(`create database ${name}`)
  undo.push(async () => {
    await admin.query(`drop database ${name} with (force)`)
    await admin.end()
  })
  return inject('postgresUrl').replace(/[^/]+$/, name)
}

async function tablesOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rowCount } = await client.query(`select from pg_tables where schemaname = 'public'`)
  await client.end()
  return rowCount ?? -1
}

interface Tick {
  outcome: string
  listed: number
  events: number
  deliveries: number
}
interface Added {
  id: string
  secret: string
  url: string
  events: string[]
  state: string
}
interface Page {
  events: { id: string; type: string; subject: string; sequence: string }[]
  next: number
  floor: number
  truncated: boolean
}
interface SessionRow {
  id: string
  account: string
  status: string
  started: boolean
  endedAt: string | null
  endReason: string | null
  error: { code: number } | null
}

const tick = () => json<{ accounts: Tick[] }>('tick').then(({ accounts }) => accounts[0])

describe('the life of an account, by command', () => {
  let endpoint: Added
  let ids: string[] = []
  let betweenTicks = ''
  const receiver = openReceiver()

  it('registers an endpoint and shows its secret this once', async () => {
    const { url } = await receiver

    endpoint = await json<Added>('endpoint', 'add', '--url', url, '--events', '*')
    const shown = await json<Added>('endpoint', 'show', endpoint.id)
    const listed = await json<Added[]>('endpoint', 'list')
    const texts = [
      await rollcall(['endpoint', 'show', endpoint.id], { env }),
      await rollcall(['endpoint', 'list'], { env }),
    ]

    expect(endpoint).toMatchObject({ id: expect.stringMatching(/^ep_\w+$/) as string, url, state: 'active' })
    expect(endpoint.secret).toMatch(/^whsec_[A-Za-z0-9+/]{32,}=*$/)
    const { secret, ...rest } = endpoint
    expect(shown).toEqual(rest)
    expect(listed).toEqual([rest])
    for (const { stdout } of texts) {
      expect(stdout).toContain(endpoint.id)
      expect(stdout).not.toContain(secret.slice(6, 20))
    }
    ;(await receiver).secrets.push(secret)
  })

  it('ticks: what the API lists becomes sessions, events and deliveries', async () => {
    ids = [create('ann'), create('bob'), create('cid')]
    api.clock.now += 6_000
    startSession(api.simulator, ids[0] ?? '')

    const first = await tick()
    const second = await tick()

    // Created and ready for each of the three, started for one.
    expect(first).toMatchObject({ outcome: 'committed', listed: 3, events: 7, deliveries: 7 })
    expect(second).toMatchObject({ outcome: 'unchanged', listed: 3, events: 0, deliveries: 0 })
  })

  it('drains: every delivery reaches the subscriber, signed, in the order of its session', async () => {
    const pending = await json<{ state: string }[]>('deliveries', '--state', 'pending')

    const drained = await json('drain', '--seconds', '20')
    const delivered = await json<{ state: string; attempts: number; status: number; endpointId: string }[]>(
      'deliveries',
      '--endpoint',
      endpoint.id,
      '--state',
      'delivered',
    )

    const { received, unverified } = await receiver
    expect(pending).toHaveLength(7)
    expect(drained).toEqual({ claimed: 7, delivered: 7, retried: 0, dead: 0 })
    expect(received).toHaveLength(7)
    expect(unverified).toBe(0)
    expect(delivered).toHaveLength(7)
    expect(delivered[0]).toMatchObject({ state: 'delivered', attempts: 1, status: 204, endpointId: endpoint.id })
  })

  it('lists sessions: all, those live now, and those live at a moment as they were then', async () => {
    betweenTicks = await databaseClock()
    closeSession(api.simulator, ids[1] ?? '')
    breakSession(api.simulator, ids[2] ?? '', -111_002)
    await tick()

    const all = await json<SessionRow[]>('sessions')
    const live = await json<SessionRow[]>('sessions', '--live')
    const then = await json<SessionRow[]>('sessions', '--at', betweenTicks)
    const before = await json<SessionRow[]>('sessions', '--at', '2020-01-01T00:00:00Z')
    const elsewhere = await json<SessionRow[]>('sessions', '--account', 'another')

    const ended = new Map(all.map(({ id, endReason, error }) => [id, [endReason, error?.code ?? null]]))
    expect(ended).toEqual(
      new Map<string | undefined, unknown>([
        [ids[0], [null, null]],
        [ids[1], ['reported', null]],
        [ids[2], ['reported', -111_002]],
      ]),
    )
    expect(live.map(({ id, status, started }) => [id, status, started])).toEqual([[ids[0], 'in_progress', true]])
    expect(then.map(({ id }) => id).sort()).toEqual([...ids].sort())
    expect(then.map(({ status }) => status)).toEqual(['in_progress', 'in_progress', 'in_progress'])
    expect([before, elsewhere]).toEqual([[], []])
  })

  it('pages events by cursor: every one once, in order, byte for byte as stored', async () => {
    const { rows } = await sql<{ body: string }>`select body from event order by position`.execute(world.db)

    const pages: Page[] = []
    for (let after = 0; ;) {
      const page = await json<Page>('events', '--after', String(after), '--limit', '4')
      pages.push(page)
      if (page.events.length === 0) break
      after = page.next
    }
    const { stdout } = await rollcall(['events', '--json'], { env })

    const positions = pages.flatMap(({ events }) => events.map(({ sequence }) => Number(sequence)))
    expect(pages.map(({ events, next }) => [events.length, next])).toEqual([
      [4, 4],
      [4, 8],
      [1, 9],
      [0, 9],
    ])
    expect(positions).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(pages.every(({ floor, truncated }) => floor === 0 && !truncated)).toBe(true)
    expect(stdout.startsWith(`{"events":[${rows.map(({ body }) => body).join(',')}],"next":9`)).toBe(true)
    expect(await json<Page>('events', '--account', 'another')).toMatchObject({ events: [], next: 0 })
  })

  it('keeps what a disabled endpoint misses, and delivers it once it is enabled', async () => {
    const sent = (await receiver).received.length
    const disabled = await json<{ state: string; pending: number }>('endpoint', 'disable', endpoint.id)

    const whileDisabled = await json('drain', '--seconds', '5')
    const enabled = await json('endpoint', 'enable', endpoint.id, '--missed', 'all')
    const again = await json('endpoint', 'enable', endpoint.id)
    const drained = await json('drain', '--seconds', '20')

    expect(disabled).toMatchObject({ state: 'disabled', stateReason: 'by command', pending: 2 })
    expect(whileDisabled).toMatchObject({ claimed: 0 })
    expect(enabled).toEqual({ missed: 2, queued: 2 })
    expect(again).toEqual({ missed: 0, queued: 0 })
    expect(drained).toMatchObject({ claimed: 2, delivered: 2 })
    expect((await receiver).received.length - sent).toBe(2)
  })

  it.each([
    ['latest', { missed: 3, queued: 1 }],
    ['none', { missed: 3, queued: 0 }],
  ])('drops what is not wanted of what was missed: --missed %s', async (missed, expected) => {
    await json('endpoint', 'disable', endpoint.id)
    const id = create(`dee-${missed}`)
    api.clock.now += 6_000
    startSession(api.simulator, id)
    expect(await tick()).toMatchObject({ events: 3 })

    const enabled = await json('endpoint', 'enable', endpoint.id, '--missed', missed)
    const dead = await json<{ sessionId: string }[]>('deliveries', '--state', 'dead')

    expect(enabled).toEqual(expected)
    expect(dead.filter(({ sessionId }) => sessionId === id)).toHaveLength(expected.missed - expected.queued)
    await json('drain', '--seconds', '20')
  })

  it('forgets an endpoint with its deliveries, and keeps the events', async () => {
    const { events } = await json<Page>('events')

    const removed = await json('endpoint', 'remove', endpoint.id)

    expect(removed).toEqual({ removed: endpoint.id })
    expect(await json('endpoint', 'list')).toEqual([])
    expect(await json('deliveries')).toEqual([])
    expect((await json<Page>('events')).events).toEqual(events)
    await (await receiver).close()
  })
})

async function databaseClock(): Promise<string> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(world.db)
  return rows[0]?.now.toISOString() ?? ''
}

describe('migrate', () => {
  it('brings an empty database to the newest migration, and does nothing the second time', async () => {
    const url = await emptyDatabase()
    const options = { env: { DATABASE_URL: url } }

    const first = await rollcall(['migrate', '--json'], options)
    const second = await rollcall(['migrate', '--json'], options)
    const text = await rollcall(['migrate'], options)

    expect(first).toMatchObject({ code: 0, stderr: '' })
    const { applied } = JSON.parse(first.stdout) as { applied: string[] }
    expect(applied[0]).toBe('0001_foundation')
    expect(JSON.parse(second.stdout)).toEqual({ applied: [] })
    expect(text.stdout).toBe('nothing to apply\n')
    expect(await tablesOf(url)).toBeGreaterThan(8)
  })

  it('twice at the same time succeeds twice, and applies each migration once', async () => {
    const options = { env: { DATABASE_URL: await emptyDatabase() } }

    const results = await Promise.all([1, 2].map(() => rollcall(['migrate', '--json'], options)))

    expect(results.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ])
    const applied = results.flatMap(({ stdout }) => (JSON.parse(stdout) as { applied: string[] }).applied)
    expect(new Set(applied).size).toBe(applied.length)
    expect(applied).toContain('0001_foundation')
  })
})

describe('settings that name secrets', () => {
  const person = {
    TENCENTCLOUD_SECRET_ID: role.TENCENTCLOUD_SECRETID,
    TENCENTCLOUD_SECRET_KEY: role.TENCENTCLOUD_SECRETKEY,
  }

  it("are read with a person's credential, and only those that the command needs", async () => {
    const tencent = await serveTencent(holding({ 'rollcall-db': world.url }))
    undo.push(() => tencent.close())
    const settings = { DATABASE_URL: 'ssm:rollcall-db', SECRET_KEY: 'ssm:rollcall-key', TENCENT_API_URL: tencent.url }

    const listed = await rollcall(['endpoint', 'list', '--json'], { env: { ...settings, ...person } })
    const refused = await failure(['drain'], { ...settings, ...person })

    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(refused).toMatch(
      /^secret_unreadable: SECRET_KEY \(secret rollcall-key\) could not be read: ResourceNotFound/,
    )
    expect(secretsAsked(tencent).sort()).toEqual(['rollcall-db', 'rollcall-db', 'rollcall-key'])
  })

  it('cannot be read without a credential: one line says which to set', async () => {
    const refused = await failure(['endpoint', 'list'], { DATABASE_URL: 'ssm:rollcall-db' })

    expect(refused).toMatch(/^config_invalid: DATABASE_URL .*TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY$/)
  })
})

describe('a failure is one line that says what to do, and exit code 1', () => {
  const everyCommand = [
    ['tick'],
    ['drain'],
    ['endpoint', 'list'],
    ['endpoint', 'add', '--url', 'https://8.8.8.8/'],
    ['endpoint', 'show', 'ep_1'],
    ['endpoint', 'enable', 'ep_1'],
    ['endpoint', 'disable', 'ep_1'],
    ['endpoint', 'remove', 'ep_1'],
    ['events'],
    ['deliveries'],
    ['sessions'],
  ]

  it('a database without tables: run migrate', async () => {
    const environment = { ...env, DATABASE_URL: await emptyDatabase() }

    const lines = await Promise.all(everyCommand.map((args) => failure(args, environment)))

    for (const line of lines) expect(line).toMatch(/not_migrated: .*npx rollcall migrate/)
    expect(await tablesOf(environment.DATABASE_URL)).toBe(0)
  }, 120_000)

  it('a database that cannot be reached: check DATABASE_URL, without the password', async () => {
    const environment = { ...env, DATABASE_URL: 'postgresql://me:hush@127.0.0.1:1/rollcall' }

    const lines = await Promise.all([['migrate'], ...everyCommand].map((args) => failure(args, environment)))

    expect(lines.filter((line) => line.includes('hush'))).toEqual([])
    for (const line of lines) expect(line).toMatch(/database_unreachable: .*DATABASE_URL/)
  }, 120_000)

  it.each([
    ['a wrong password', (url: string) => url.replace(/:[^:@/]+@/, ':hush@'), /refused the connection.*password/],
    ['a database that does not exist', (url: string) => url.replace(/[^/]+$/, 'nowhere'), /refused.*DATABASE_URL/],
    [
      'a host that does not exist',
      () => 'postgresql://me:hush@no-such-host.invalid/x',
      /cannot be reached.*DATABASE_URL/,
    ],
  ])('%s, for a command and for migrate', async (_, spoil, expected) => {
    const environment = { DATABASE_URL: spoil(world.url) }

    const lines = [await failure(['sessions'], environment), await failure(['migrate'], environment)]

    for (const line of lines) {
      expect(line).toMatch(expected)
      expect(line).not.toContain('hush')
    }
  })

  it('settings that are missing or malformed: all at once, by name, and nothing is touched', async () => {
    const url = await emptyDatabase()

    const tickLine = await failure(['tick'], { IVH_APPKEY: 'two hush words', IVH_BASE_URL: 'x', DATABASE_URL: '' })
    const drainLine = await failure(['drain'], { WEBHOOK_ALLOW: 'all' })
    const touching = await failure(['tick'], { DATABASE_URL: url })

    expect(tickLine).toMatch(/^config_invalid: .*DATABASE_URL .*IVH_BASE_URL .*IVH_APPKEY .*IVH_ACCESS_TOKEN /)
    expect(tickLine).not.toContain('hush')
    expect(drainLine).toMatch(/^config_invalid: .*DATABASE_URL .*WEBHOOK_ALLOW all is not an address range/)
    expect(touching).toMatch(/^config_invalid: .*IVH_APPKEY .*IVH_ACCESS_TOKEN /)
    expect(await tablesOf(url)).toBe(0)
  })

  it('an endpoint that does not exist', async () => {
    for (const verb of ['show', 'enable', 'disable', 'remove']) {
      expect(await failure(['endpoint', verb, 'ep_none', '--json'])).toMatch(/^not_found: there is no endpoint ep_none/)
    }
  })

  it('an endpoint at a private address, which leaves no endpoint behind', async () => {
    const { WEBHOOK_ALLOW: _, ...closed } = env

    const line = await failure(['endpoint', 'add', '--url', 'http://0x7f.1:8080/'], closed)

    expect(line).toMatch(/^input_invalid: .*WEBHOOK_ALLOW/)
    expect(await json('endpoint', 'list')).toEqual([])
  })

  it('an API that refuses the keys: no account could be reconciled', async () => {
    const line = await failure(['tick'], { ...env, IVH_ACCESS_TOKEN: 'hush-and-wrong' })

    expect(line).toMatch(
      /^no_account_reconciled: .*default: api_refused: .*100005.*check IVH_APPKEY and IVH_ACCESS_TOKEN/,
    )
    expect(line).not.toContain('hush')
  })
})

it('an update leaves the rate and headers of an endpoint as they are, unless it says that there are none', async () => {
  const url = ['--url', 'https://example.com/rate']
  const { id } = await json<{ id: string }>('endpoint', 'add', ...url, '--rate', '5', '--header', 'x-a: b')
  const update = (...args: string[]) => json<object>('endpoint', 'update', id, ...args)

  expect(await update('--description', 'new')).toMatchObject({ description: 'new', rate: 5, headers: ['x-a'] })
  expect(await update('--rate', '6')).toMatchObject({ rate: 6, headers: ['x-a'] })
  expect(await update('--no-rate')).toMatchObject({ rate: null, headers: ['x-a'] })
  expect(await update('--no-headers')).toMatchObject({ rate: null, headers: [] })
  await json('endpoint', 'remove', id)
})

describe('a wrong command line is exit code 2, and says what is expected', () => {
  it.each([
    [[], /Usage: rollcall/],
    [['frobnicate'], /unknown command/],
    [['tick', '--frobnicate'], /unknown option/],
    [['tick', 'surplus'], /too many arguments/],
    [['endpoint'], /Usage: rollcall endpoint/],
    [['endpoint', 'add'], /--url/],
    [['endpoint', 'show'], /missing required argument/],
    [['endpoint', 'add', '--url', 'https://example.com', '--events', 'session.begun'], /session\.started/],
    [['endpoint', 'enable', 'ep_1', '--missed', 'some'], /all, latest, none/],
    [['deliveries', '--state', 'lost'], /pending, delivered, dead/],
    [['drain', '--seconds', '1'], /2 or more/],
    [['events', '--limit', '-1'], /whole number/],
    [['events', '--after', '1.5'], /whole number/],
    [['events', '--account', 'a/b'], /name of an account/],
    [['sessions', '--at', 'yesterday'], /2026-11-22T10:00:00Z/],
    [['sessions', '--at', '5'], /2026-11-22T10:00:00Z/],
    [['simulate', '--port', '65536'], /port, 0 to 65535/],
    [['start', '--every', '0'], /seconds/],
  ])('%j', async (args, expected) => {
    const { code, stdout, stderr } = await rollcall(args, { env })

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(expected)
    expect(stderr).not.toMatch(/^\s+at .*:\d+/m)
  })

  it.each(["authorization Bearer hush's", "host: hush' is invalid", 'x-a: hush\nx-b: hush', 'x-a: hüsh\u001b[2J hush'])(
    'but not the value of a header: %j',
    async (header) => {
      const { code, stderr } = await rollcall(['endpoint', 'add', '--url', 'https://example.com', '--header', header])

      expect(code).toBe(2)
      expect(stderr).toMatch(/--header .*Expected 'name: value'/)
      expect(stderr).not.toContain('hush')
    },
  )

  it.each([['--help'], ['tick --help'], ['endpoint --help'], ['endpoint enable --help'], ['simulate --help']])(
    'but `%s` is help, exit code 0',
    async (line) => {
      const { code, stdout, stderr } = await rollcall(line.split(' '))

      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(/^Usage: rollcall/)
    },
  )
})

describe('output for people', () => {
  it('is a table of any number of rows, more than a call can have arguments', () => {
    const rows = Array.from({ length: 300_000 }, (_, index) => ({ id: `m${index}`, events: index }))

    const lines = table(rows, 'nothing').split('\n')

    expect(lines).toHaveLength(300_001)
    expect([lines[0], lines[1], lines.at(-1)]).toEqual(['id       events', 'm0       0', 'm299999  299999'])
  })

  it('shows hostile names as dots: no table and no error moves the cursor of whoever reads it', async () => {
    const hostile = await world.simulate('hostile', { preparingSeconds: [0, 0] })
    createSession(hostile.simulator, { userId: HOSTILE, projectId: 'p', sessionId: 'm-hostile' })
    const options = { env: { ...hostile.env, ROLLCALL_ACCOUNT: 'hostile' } }
    const added = await rollcall(['endpoint', 'add', '--url', 'http://127.0.0.1:1/', '--description', HOSTILE], options)
    const id = /ep_\w+/.exec(added.stdout)?.[0] ?? ''

    const results = [added]
    for (const line of ['tick', 'sessions', 'events --account hostile', 'deliveries', 'endpoint list']) {
      results.push(await rollcall(line.split(' '), options))
    }
    results.push(await rollcall(['endpoint', 'show', id], options), await rollcall(['endpoint', 'remove', id], options))

    expect(results.map(({ code, stderr }) => [code, stderr])).toEqual(results.map(() => [0, '']))
    expect(results[2]?.stdout).toMatch(/eve·\[2J/)
    expect(results.filter(({ stdout }) => CONTROL.test(stdout))).toEqual([])
  })

  it('shows what a hostile API answers as one inert line', async () => {
    const server = createServer((request, response) => {
      request.resume()
      response.end(JSON.stringify({ Header: { Code: 100_001, Message: HOSTILE }, Payload: {} }))
    }).listen(0, '127.0.0.1')
    undo.push(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo

    const line = await failure(['tick'], { ...env, IVH_BASE_URL: `http://127.0.0.1:${port}` })

    expect(line).toContain('100001')
    expect(line).not.toMatch(CONTROL)
  })

  it('has headings, a dash for what is not there, and a sentence when there is nothing', async () => {
    const sessions = await rollcall(['sessions', '--account', 'default'], { env })
    const nothing = await rollcall(['sessions', '--account', 'another'], { env })
    const endpoints = await rollcall(['endpoint', 'list'], { env })

    expect(sessions.stdout.split('\n')[0]).toMatch(/^id +account +userId +status/)
    expect(sessions.stdout).toMatch(/default +ann +in_progress +true +\S+Z +– +– +–\n/)
    expect(nothing.stdout).toBe('no sessions\n')
    expect(endpoints.stdout).toContain('rollcall endpoint add --url URL')
  })

  it.each(['sessions', 'sessions --json', 'events --json', '--help', 'simulate --json'])(
    '`%s` into a pipe whose reader has gone ends in silence',
    async (line) => {
      const running = startCli(line.split(' '), { env })
      // Long before it has started up and writes.
      running.process.stdout.destroy()

      const { code, stderr } = await running.ended

      expect(stderr).toBe('')
      // Success, or what a shell makes of SIGPIPE.
      expect([0, 141]).toContain(code)
    },
  )
})

describe('simulate', () => {
  it('prints one value, serves the API and its truth, and stops on SIGTERM with exit code 0', async () => {
    const simulator = startCli(['simulate', '--seed', '7', '--json'])
    await simulator.printed(/\}\n/)
    const told = JSON.parse(simulator.output.stdout) as Record<'url' | 'appkey' | 'accessToken' | 'truth', string>
    const one = { IVH_BASE_URL: told.url, IVH_APPKEY: told.appkey, IVH_ACCESS_TOKEN: told.accessToken }

    const ticked = await rollcall(['tick', '--json'], { env: { ...env, ...one, ROLLCALL_ACCOUNT: 'simulated' } })
    const truth = (await (await fetch(told.truth)).json()) as { transitions: { sessionId: string; time: string }[] }
    const ended = await simulator.stop('SIGTERM')

    const sessions = await json<SessionRow[]>('sessions', '--account', 'simulated')
    const real = new Set(truth.transitions.map(({ sessionId }) => sessionId))
    expect(ticked).toMatchObject({ code: 0, stderr: '' })
    expect(sessions.length).toBeGreaterThan(0)
    expect(sessions.filter(({ id }) => !real.has(id))).toEqual([])
    expect(truth.transitions[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(ended.stdout).toBe(`${JSON.stringify(told)}\n`)
    await expect(fetch(told.truth)).rejects.toThrow('fetch failed')
  })

  it('gives the same keys for the same seed, as lines that a shell can run', async () => {
    const started = ['7', '7'].map((seed) => startCli(['simulate', '--seed', seed]))
    const [first, second] = await Promise.all(started.map((running) => running.printed(/IVH_APPKEY=(\w+)/)))
    const [ended] = await Promise.all(started.map((running) => running.stop('SIGKILL')))

    expect(first?.[1]).toMatch(/^\w{16,}$/)
    expect(second?.[1]).toBe(first?.[1])
    for (const line of ended?.stdout.trim().split('\n') ?? []) expect(line).toMatch(/^(export IVH_\w+=\S+|# .*)$/)
  })

  it('stops with exit code 0 even when it is told to in the moment it says that it serves', async () => {
    const codes: unknown[] = []

    for (let i = 0; i < 8; i++) {
      const one = startCli(['simulate', '--json'])
      one.process.stdout.once('data', () => one.process.kill('SIGINT'))
      const { code, signal } = await one.ended
      codes.push(signal ?? code)
    }

    expect(codes).toEqual(Array.from({ length: 8 }, () => 0))
  })

  it('says so in one line when its port is taken', async () => {
    const taken = createTcpServer().listen(0, '127.0.0.1')
    undo.push(() => taken.close())
    await once(taken, 'listening')

    const line = await failure(['simulate', '--port', String((taken.address() as AddressInfo).port)], {})

    expect(line).toMatch(/EADDRINUSE|in use|taken/)
  })
})
