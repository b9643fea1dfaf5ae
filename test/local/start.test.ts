// `rollcall start` as a user runs it: the built dist/cli.js in a folder of its own, with a Postgres, a simulator and a
// subscriber that it starts itself. No doubles.
import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSession, createSimulator } from '../../lib/local/simulator/simulator.ts'
import { serveSimulator } from '../../lib/local/simulator/server.ts'
import { testDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { isAlive } from '../support/processes.ts'
import { eventually, openReceiver } from '../support/receiver.ts'
import { type Result, rollcall, type Running, startCli } from '../support/run.ts'
import { holding, role, serveTencent } from '../support/tencent-api.ts'

const EVERY = ['start', '--every', '1']

let folder = ''
const running: Running[] = []
const undo: (() => unknown)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-start-test-'))
  // Where root's server account can enter it, as a checkout usually is.
  chmodSync(folder, 0o755)
})

afterEach(async () => {
  for (const { process: child, ended } of running.splice(0)) {
    child.kill('SIGINT')
    await ended
  }
  const server = postmaster()
  if (server !== undefined && isAlive(server)) {
    process.kill(server, 'SIGQUIT')
    await eventually('the server left behind is gone', () => !isAlive(server))
  }
  for (const step of undo.splice(0)) await step()
  const data = join(folder, '.rollcall/postgres/data')
  if (existsSync(data)) rmSync(dirname(realpathSync(data)), { recursive: true, force: true })
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

function begin(env: Record<string, string> = {}, args = EVERY): Running {
  const one = startCli(args, { env, cwd: folder })
  running.push(one)
  return one
}

const runningFile = () => join(folder, '.rollcall/running.json')

/** The process of the server on this folder's data, as Postgres itself wrote it down. */
function postmaster(): number | undefined {
  try {
    return Number(readFileSync(join(folder, '.rollcall/postgres/data/postmaster.pid'), 'utf8').split('\n')[0])
  } catch {
    return undefined
  }
}

async function json<Value>(args: string[], env: Record<string, string> = {}): Promise<Value> {
  const { code, stdout, stderr } = await rollcall([...args, '--json'], { cwd: folder, env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Value
}

const RECEIVED = /✓ session\.(created|ready|started|closed|failed) /

interface Page {
  events: { id: string; type: string }[]
}

describe('rollcall start', () => {
  it('shows within a minute that sessions start and end, each event verified by the sample subscriber', async () => {
    const one = begin()

    await one.printed(/✓ session\.started /)
    await one.printed(/✓ session\.(closed|failed) /)

    expect(one.output.stdout).toMatch(/^database {4}a Postgres of its own, data in \.rollcall\/$/m)
    expect(one.output.stdout).toMatch(/^API {9}simulated at http:\/\/127\.0\.0\.1:\d+, its truth at http:\S+$/m)
    expect(one.output.stdout).toMatch(/^subscriber {2}http:\/\/127\.0\.0\.1:\d+\/events$/m)
    expect(one.output.stdout).not.toMatch(/refused/)
    expect(one.output.stderr).toBe('')
  }, 90_000)

  it('prints a link that opens the console once, where sessions come and go', async () => {
    const one = begin()
    const [, link = '', url = ''] = await one.printed(
      /^console {5}((http:\/\/127\.0\.0\.1:\d+)\/login\?once=[\w-]{32})$/m,
    )
    await one.printed(RECEIVED)

    const first = await fetch(link, { redirect: 'manual' })
    const second = await fetch(link, { redirect: 'manual' })
    const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const now = (await (await fetch(`${url}/api/now`, { headers: { cookie } })).json()) as { live: unknown[] }
    const without = await fetch(`${url}/api/now`)

    expect([first.status, first.headers.get('location'), second.status, without.status]).toEqual([303, '/', 401, 401])
    expect(first.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict$/)
    expect(now).toMatchObject({ channels: 40, ticks: [{ account: 'default' }] })
    expect(now.live.length).toBeGreaterThan(0)
  }, 90_000)

  it('lets tokens open the console, too, and says all faults of its settings at once', async () => {
    const tokens = { CONSOLE_READ_TOKENS: 'short', CONSOLE_WRITE_TOKENS: 'w'.repeat(31), CHANNELS: 'many' }
    const faulty = await begin(tokens).ended
    const token = 'r'.repeat(32)
    const port = await freePort()
    const one = begin({ CONSOLE_READ_TOKENS: token, CHANNELS: '12' }, [...EVERY, '--console-port', String(port)])
    const [, url = ''] = await one.printed(/^console {5}(http:\/\/127\.0\.0\.1:\d+)\//m)

    const me = await fetch(`${url}/api/me`, { headers: { authorization: `Bearer ${token}` } })

    expect(faulty.code).toBe(1)
    expect(faulty.stderr).toMatch(/CONSOLE_READ_TOKENS\[0\] is not a token.*CONSOLE_WRITE_TOKENS\[0\] is not.*/)
    expect(faulty.stderr).toMatch(/CHANNELS is no whole number from 1 to 999999/)
    expect(faulty.stderr).not.toMatch(/short|wwww|many/)
    expect(url).toBe(`http://127.0.0.1:${port}`)
    expect(await me.json()).toMatchObject({ scope: 'read', channels: 12 })
  }, 90_000)

  it('lets every command in its folder work without a setting, while it runs', async () => {
    const one = begin()
    await one.printed(RECEIVED)

    const live = await json<{ status: string; account: string }[]>(['sessions', '--live'])
    const endpoints = await json<{ url: string; state: string }[]>(['endpoint', 'list'])
    const drained = await json(['drain', '--seconds', '5'])
    const ticked = await json<{ accounts: { account: string; outcome: string }[] }>(['tick'])
    const { mode } = statSync(runningFile())

    expect(live.length).toBeGreaterThan(0)
    expect(endpoints).toMatchObject([
      { url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/events$/), state: 'active' },
    ])
    expect(drained).toMatchObject({ dead: 0 })
    expect(ticked.accounts[0]?.account).toBe('default')
    expect(['committed', 'unchanged', 'skipped']).toContain(ticked.accounts[0]?.outcome)
    // It holds the database's password.
    expect(mode & 0o077).toBe(0)
  }, 90_000)

  it('has a subscriber that takes a ping, although that is about no session', async () => {
    const one = begin()
    await one.printed(RECEIVED)
    const [endpoint] = await json<{ id: string }[]>(['endpoint', 'list'])

    const pinged = await json(['endpoint', 'ping', endpoint?.id ?? ''])

    expect(pinged).toEqual({ outcome: 'delivered', status: 204, proved: null })
    await one.printed(/✓ webhook\.ping /)
  }, 90_000)

  it('keeps ticking while an endpoint hangs and another waits for its rate', async () => {
    const hanging = await openReceiver(() => () => undefined)
    undo.push(() => hanging.close())
    const one = begin()
    await one.printed(RECEIVED)
    for (const options of [[], ['--rate', '0.5']]) {
      await json(['endpoint', 'add', '--url', hanging.url, '--events', '*', ...options])
    }
    await eventually('both were sent to', () => hanging.received.length >= 2)

    const ticks = () => one.output.stdout.match(/ tick /g)?.length ?? 0
    const before = ticks()

    await expect(eventually('six more ticks', () => ticks() >= before + 6, 20_000)).resolves.not.toThrow()
  }, 90_000)

  it('keeps ticking while many ask its console what takes long to answer', async () => {
    const token = 'r'.repeat(32)
    const one = begin({ CONSOLE_READ_TOKENS: token })
    const [, url = ''] = await one.printed(/^console {5}(http:\/\/127\.0\.0\.1:\d+)\//m)
    await one.printed(RECEIVED)
    const { environment } = JSON.parse(readFileSync(runningFile(), 'utf8')) as { environment: { DATABASE_URL: string } }
    await query(
      environment.DATABASE_URL,
      `create or replace function report.concurrency("from" timestamptz, "to" timestamptz, step interval)
        returns table (account text, bucket timestamptz, peak integer) language sql
        as 'select null::text, null::timestamptz, null::integer from pg_sleep(9)'`,
    )
    const headers = { authorization: `Bearer ${token}` }

    const asked = Array.from({ length: 8 }, () => fetch(`${url}/api/reports/peak-concurrency`, { headers }))
    const answered = Promise.race(asked).then(
      () => 'answered',
      () => 'failed',
    )
    const ticks = () => one.output.stdout.match(/ tick /g)?.length ?? 0
    const before = ticks()
    const ticked = eventually('ticks go on', () => ticks() >= before + 3).then(() => 'ticked')

    expect(await Promise.race([answered, ticked])).toBe('ticked')
  }, 90_000)

  it('lets commands in its folder work although DATABASE_URL is set to nothing, which counts as unset', async () => {
    const one = begin()
    await one.printed(RECEIVED)

    expect(await json<unknown[]>(['sessions'], { DATABASE_URL: '' })).not.toEqual([])
  }, 90_000)

  it('stops when nobody reads what it prints any more', async () => {
    const one = begin()
    await one.printed(RECEIVED)
    const server = postmaster() ?? 0

    one.process.stdout.destroy()
    const ended = await one.ended

    expect(ended.stderr).toBe('')
    expect(isAlive(server)).toBe(false)
    expect(existsSync(runningFile())).toBe(false)
  }, 90_000)

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'stops on %s: exit code 0, its server gone, no running.json left',
    async (signal) => {
      const one = begin()
      await one.printed(RECEIVED)
      const server = postmaster() ?? 0
      expect(isAlive(server)).toBe(true)

      const ended = await one.stop(signal)

      expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
      expect(isAlive(server)).toBe(false)
      expect(existsSync(runningFile())).toBe(false)
    },
    90_000,
  )

  it('keeps its data: what a first run saw is still there in the second, and its endpoint receives on', async () => {
    const first = begin()
    await first.printed(RECEIVED)
    const before = await json<Page>(['events', '--limit', '5'])
    const [endpoint] = await json<{ id: string; url: string }[]>(['endpoint', 'list'])
    await first.stop('SIGINT')

    const afterwards = await rollcall(['events', '--json'], { cwd: folder })
    const second = begin()
    await second.printed(RECEIVED)
    const again = await json<Page>(['events', '--limit', '5'])
    const endpoints = await json<{ id: string; url: string }[]>(['endpoint', 'list'])

    expect(before.events.length).toBeGreaterThan(0)
    expect(again.events.slice(0, before.events.length)).toEqual(before.events)
    expect(endpoints.map(({ id }) => id)).toEqual([endpoint?.id])
    expect(second.output.stdout).toContain(`subscriber  ${endpoints[0]?.url}`)
    // Between the two runs there is nothing to ask.
    expect(afterwards).toMatchObject({ code: 1, stdout: '' })
    expect(afterwards.stderr).toMatch(/^config_invalid: DATABASE_URL is not set/)
  }, 150_000)

  it('beside another in the same folder says who is there, and leaves that one alone', async () => {
    const first = begin()
    await first.printed(RECEIVED)
    const before = readFileSync(runningFile(), 'utf8')

    const second = await begin().ended

    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(new RegExp(`^local_postgres_failed: .*process ${first.process.pid}.*\n$`))
    expect(readFileSync(runningFile(), 'utf8')).toBe(before)
    expect((await json<unknown[]>(['sessions'])).length).toBeGreaterThan(0)
  }, 90_000)

  it('takes up the folder of one that was killed', async () => {
    const first = begin()
    await first.printed(RECEIVED)
    const { events } = await json<Page>(['events', '--limit', '5'])
    await first.stop('SIGKILL')

    const orphaned = await rollcall(['sessions'], { cwd: folder })
    const second = begin()
    await second.printed(RECEIVED)

    expect(orphaned.stderr).toMatch(/DATABASE_URL is not set/)
    expect((await json<Page>(['events', '--limit', '5'])).events.slice(0, events.length)).toEqual(events)
  }, 150_000)

  it('interrupted while it starts leaves no server behind', async () => {
    const one = begin()
    await eventually('its server begins to run', () => postmaster() !== undefined)
    const server = postmaster() ?? 0

    await one.stop('SIGINT')

    await eventually('the server is gone', () => !isAlive(server), 5_000)
    expect(existsSync(runningFile())).toBe(false)
  }, 60_000)

  it('uses the database of DATABASE_URL, and starts none', async () => {
    const database = await testDatabase()
    undo.push(() => database.drop())
    const env = { DATABASE_URL: database.url }
    const one = begin(env)
    await one.printed(RECEIVED)

    const { rows } = await query(database.url, 'select count(*)::int as events from event')
    const fromFolder = await json<unknown[]>(['sessions'])
    const ended = await one.stop('SIGINT')

    expect(rows[0]?.['events']).toBeGreaterThan(0)
    expect(fromFolder.length).toBeGreaterThan(0)
    expect(one.output.stdout).toMatch(/^database {4}the one of DATABASE_URL$/m)
    expect(one.output.stdout).not.toContain(new URL(database.url).password)
    expect(existsSync(join(folder, '.rollcall/postgres'))).toBe(false)
    expect(ended.code).toBe(0)
  }, 90_000)

  it('uses the database of a secret, and leaves the secret where it is', async () => {
    const database = await testDatabase()
    const tencent = await serveTencent(holding({ 'rollcall-db': database.url }))
    undo.push(
      () => database.drop(),
      () => tencent.close(),
    )
    const one = begin({ ...role, DATABASE_URL: 'ssm:rollcall-db', TENCENT_API_URL: tencent.url })
    await one.printed(RECEIVED)

    const written = readFileSync(runningFile(), 'utf8')
    const fromFolder = await json<unknown[]>(['sessions'], role)

    expect(fromFolder.length).toBeGreaterThan(0)
    expect(written).toContain('"DATABASE_URL":"ssm:rollcall-db"')
    for (const text of [written, one.output.stdout, one.output.stderr]) {
      expect(text).not.toContain(new URL(database.url).password)
      expect(text).not.toContain('hush')
    }
  }, 90_000)

  it('removes what is old, as the settings say', async () => {
    const database = await testDatabase()
    undo.push(() => database.drop())
    await query(database.url, "insert into account (name) values ('old')")
    await query(
      database.url,
      `insert into snapshot (account_id, listed_at, outcome, error, duration_ms)
        select id, now() - days * interval '1 day', 'failed', 'api_unreachable', 1
        from account cross join generate_series(1, 10) as days`,
    )

    const one = begin({ DATABASE_URL: database.url, RETAIN_TICKS_DAYS: '5' })
    await one.printed(/prune .*removed/)

    expect(one.output.stdout).toMatch(/prune 0 deliveries, 0 events, 6 ticks removed/)
  }, 90_000)

  it('asks the real API when its keys are set, and no simulator; hostile names stay inert', async () => {
    const simulator = createSimulator({ settings: { preparingSeconds: [0, 0] } })
    const server = await serveSimulator(simulator)
    undo.push(() => server.close())
    createSession(simulator, { userId: 'eve\u001b[2J\u009b31m\r\nroot', projectId: 'p', sessionId: 'm-real' })
    const { appkey, accessToken } = simulator

    const one = begin({ IVH_BASE_URL: server.url, IVH_APPKEY: appkey, IVH_ACCESS_TOKEN: accessToken })
    await one.printed(/✓ session\.ready.*/)
    const sessions = await json<{ id: string }[]>(['sessions'])

    expect(sessions.map(({ id }) => id)).toEqual(['m-real'])
    expect(one.output.stdout).toMatch(new RegExp(`^API {9}${new URL(server.url).host}$`, 'm'))
    expect(one.output.stdout).not.toContain(accessToken)
    expect(one.output.stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
  }, 90_000)

  it('delivers to its subscriber although WEBHOOK_ALLOW opens other ranges only', async () => {
    const one = begin({ WEBHOOK_ALLOW: '10.0.0.0/8' })

    await expect(one.printed(RECEIVED)).resolves.toBeTruthy()
  }, 90_000)

  it.each<[string, Record<string, string>, RegExp]>([
    ['IVH_APPKEY without IVH_ACCESS_TOKEN', { IVH_APPKEY: 'key' }, /^config_invalid: IVH_ACCESS_TOKEN is not set\n$/],
    ['IVH_ACCESS_TOKEN without IVH_APPKEY', { IVH_ACCESS_TOKEN: 'hush' }, /^config_invalid: IVH_APPKEY is not set\n$/],
    [
      'several bad settings',
      { IVH_APPKEY: 'two hush words', WEBHOOK_ALLOW: 'all', IVH_BASE_URL: 'nowhere' },
      /^config_invalid: (?=.*IVH_APPKEY )(?=.*IVH_ACCESS_TOKEN )(?=.*IVH_BASE_URL )(?=.*WEBHOOK_ALLOW ).*\n$/,
    ],
    [
      'a DATABASE_URL where nobody listens',
      { DATABASE_URL: 'postgresql://me:hush@127.0.0.1:1/x' },
      /^database_unreachable: .*DATABASE_URL.*\n$/,
    ],
    ['a DATABASE_URL that is none', { DATABASE_URL: 'mysql://me:hush@h/x' }, /^config_invalid: DATABASE_URL .*\n$/],
  ])(
    '%s: one clear line, exit code 1, and nothing left running',
    async (_, env, expected) => {
      const ended: Result = await begin(env).ended

      expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 1, stdout: '' })
      expect(ended.stderr).toMatch(expected)
      expect(ended.stderr).not.toContain('hush')
      expect(existsSync(runningFile())).toBe(false)
      const server = postmaster()
      expect(server === undefined || !isAlive(server)).toBe(true)
    },
    60_000,
  )

  it('touches nothing when a setting is bad: no table appears in the database of DATABASE_URL', async () => {
    const database = await testDatabase()
    undo.push(() => database.drop())
    await query(database.url, 'drop schema report cascade; drop schema public cascade; create schema public')

    const ended = await begin({ DATABASE_URL: database.url, IVH_APPKEY: 'key' }).ended

    const { rowCount } = await query(database.url, `select from pg_tables where schemaname = 'public'`)
    expect(ended.stderr).toMatch(/^config_invalid: IVH_ACCESS_TOKEN/)
    expect(rowCount).toBe(0)
  }, 60_000)
})

async function query(url: string, text: string): Promise<pg.QueryResult<Record<string, unknown>>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query<Record<string, unknown>>(text)
  } finally {
    await client.end()
  }
}
