// docs/subscribing.md is run: its receiver, its statements and its commands. No doubles but the simulated API.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Event, INBOX_SQL, receive, type Work } from '../../lib/subscriber/index.ts'
import { closeSession, createSession, type Simulator, startSession } from '../../lib/local/simulator/simulator.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/receiver.ts'
import { openWorld, type World } from '../support/world.ts'
import { installed, OWN_MODULES } from './installed.ts'
import {
  batch,
  ed25519,
  alsoSigned,
  eventOf,
  LIVES,
  M1,
  type Message,
  operatorBody,
  secretOf,
  single,
} from './messages.ts'
import { publishedModules } from './published.ts'

const root = join(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/subscribing.md'), 'utf8')
const pair = ed25519()
const SECRETS = [secretOf(1), secretOf(2), pair.publicKey]

/** The code block whose first line names it so. */
function block(name: string): string {
  const [, text] =
    new RegExp('```\\w+\\n(?://|--) ' + name.replace('.', '\\.') + '\\n([\\s\\S]*?)```').exec(guide) ?? []
  if (text === undefined) throw new Error(`docs/subscribing.md has no block ${name}`)
  return text
}

let folder: string
let database: TestDatabase
let pool: pg.Pool

beforeAll(async () => {
  const own = {
    pg: OWN_MODULES,
    kysely: OWN_MODULES,
    standardwebhooks: OWN_MODULES,
    cloudevents: await publishedModules(),
  }
  folder = installed(own)
  for (const name of ['receiver.mjs', 'work.mjs', 'with-kysely.mjs', 'published.mjs'])
    writeFileSync(join(folder, name), block(name))
  database = await testDatabase()
  pool = new pg.Pool({ connectionString: database.url })
  await pool.query(block('live_session.sql'))
  await pool.query(INBOX_SQL)
}, 120_000)
beforeEach(() => pool.query('truncate live_session, rollcall_inbox, rollcall_lane'))
afterAll(async () => {
  await pool.end()
  await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

/** Starts the receiver with these secrets, and gives its address once it listens. */
async function start(secrets: string[]): Promise<{ url: string; process: ChildProcess }> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  writeFileSync(join(folder, `receiver-${port}.mjs`), block('receiver.mjs').replace('8080', String(port)))
  const child = spawn(process.execPath, [`receiver-${port}.mjs`], {
    cwd: folder,
    env: { SECRETS: secrets.join(' '), DATABASE_URL: database.url },
    stdio: ['ignore', 'inherit', 'ignore'],
  })
  const url = `http://127.0.0.1:${port}/`
  await eventually('the receiver answers', () =>
    fetch(url, { method: 'POST' }).then(
      () => true,
      () => false,
    ),
  )
  return { url, process: child }
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill()
  await ended
}

/** Who lives and who is started, by the subscriber's table. */
async function live(): Promise<Record<string, boolean>> {
  const { rows } = await pool.query<{ id: string; started: boolean }>(
    'select id, started from live_session order by id',
  )
  return Object.fromEntries(rows.map(({ id, started }) => [id, started]))
}

describe('the receiver', () => {
  let receiver: Awaited<ReturnType<typeof start>>
  beforeAll(async () => void (receiver = await start(SECRETS)))
  afterAll(() => stop(receiver.process))

  const send = async ({ headers, body }: { headers: Record<string, string>; body: string | Uint8Array }) => {
    const response = await fetch(receiver.url, { method: 'POST', headers, body })
    return [response.status, await response.text()]
  }
  const now = (body: string, secrets = [secretOf(1)]): Message => single(body, secrets, new Date())
  const [created = '', ready = '', started = '', closed = ''] = M1

  test('folds single events into the sessions that live', async () => {
    const seen = []
    for (const body of [created, ready, started, closed]) {
      expect(await send(now(body))).toEqual([204, ''])
      seen.push(await live())
    }

    expect(seen).toEqual([{ m1: false }, { m1: false }, { m1: true }, {}])
  })

  test('takes batches, duplicates, and old ones that are replayed', async () => {
    expect(await send(batch([created, started], [secretOf(1)], new Date()))).toEqual([204, ''])
    expect(await send(batch([created, ready, started], [secretOf(1)], new Date()))).toEqual([204, ''])
    expect(await live()).toEqual({ m1: true })
    expect(await send(now(closed))).toEqual([204, ''])
    for (const body of M1) expect(await send(now(body))).toEqual([204, ''])

    expect(await live()).toEqual({})
  })

  test('takes what any of its secrets signed, and ed25519 signatures', async () => {
    expect(await send(now(created, [secretOf(2)]))).toEqual([204, ''])
    expect(await send(alsoSigned(now(ready, []), pair))).toEqual([204, ''])
    expect(await send(now(started, [secretOf(3)]))).toEqual([401, ''])

    expect(await live()).toEqual({ m1: false })
  })

  test('answers a challenge with its text, but nobody who cannot sign', async () => {
    const ping = operatorBody('webhook.ping', 'ep_1', { endpoint: 'ep_1', challenge: 'kJ5 <b>=' })

    expect(await send(now(ping))).toEqual([200, 'kJ5 <b>='])
    expect(await send(now(ping, [secretOf(3)]))).toEqual([401, ''])
    expect(await send(now(operatorBody('webhook.ping', 'ep_1', { endpoint: 'ep_1' }, 2)))).toEqual([204, ''])
  })

  test('answers 500 while it cannot do the work, and does it later', async () => {
    await pool.query('alter table live_session rename to elsewhere')
    expect(await send(now(created))).toEqual([500, ''])
    await pool.query('alter table elsewhere rename to live_session')

    expect(await send(now(created))).toEqual([204, ''])
    expect(await live()).toEqual({ m1: false })
  })

  test('answers 413 to a body without end, and keeps none of it', async () => {
    const { headers } = now(created)
    const body = Buffer.alloc(64 * 1024 * 1024, ' ')

    expect(await send({ headers, body })).toEqual([413, ''])
    expect(await send({ headers, body: body.subarray(0, 8 * 1024 * 1024 + 1) })).toEqual([413, ''])
    expect(await send({ headers, body: body.subarray(0, 8 * 1024 * 1024) })).toEqual([401, ''])
  })
})

/** The id of a session that is made now. */
function createdIn(simulator: Simulator): string[] {
  const created = createSession(simulator, { userId: `user-${simulator.now()}`, projectId: 'p' })
  return 'ok' in created ? [created.ok.id] : []
}

describe('beside a real Rollcall', () => {
  let world: World
  let env: Record<string, string>
  beforeAll(async () => void (world = await openWorld()))
  afterAll(() => world.close())

  const rollcall = async (line: string): Promise<unknown> => {
    const args = line.replace('npx rollcall ', '').split(' ')
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'dist/cli.js'), ...args], { env })
    return JSON.parse(stdout)
  }
  const truth = async () => {
    const sessions = (await rollcall('npx rollcall sessions --live --json')) as { id: string; started: boolean }[]
    return Object.fromEntries(sessions.map(({ id, started }) => [id, started]))
  }

  test('the receiver ends up with the sessions that live, and so does who pulls the events', async () => {
    const simulated = await world.simulate('default', { cachedShare: 1 })
    env = simulated.env
    const url = 'http://127.0.0.1:1/'
    const { id, secret } = (await rollcall(`npx rollcall endpoint add --url ${url} --events * --json`)) as {
      id: string
      secret: string
    }
    const receiver = await start([secret])
    await world.db.updateTable('endpoint').set({ url: receiver.url }).where('id', '=', id).execute()
    // Four lives, one step further on each tick; one ends on the last.
    const ids: string[] = []
    for (let tick = 0; tick < 4; tick += 1) {
      simulated.clock.now += 1_000
      const [first] = ids
      if (tick === 3 && first) closeSession(simulated.simulator, first)
      for (const id of ids.slice(0, 2)) startSession(simulated.simulator, id)
      ids.push(...createdIn(simulated.simulator))
      await rollcall('npx rollcall tick --json')
    }
    await rollcall('npx rollcall drain --json')
    await stop(receiver.process)
    const expected = await truth()

    expect(await live()).toEqual(expected)
    expect(ids.map((one) => expected[one])).toEqual([undefined, true, false, false])

    await pool.query('truncate live_session, rollcall_inbox, rollcall_lane')
    const [command = ''] = /^npx rollcall events .*$/m.exec(guide) ?? []
    const { events, next } = (await rollcall(command)) as { events: Event[]; next: number }
    const { work } = (await import(pathToFileURL(join(folder, 'work.mjs')).href)) as {
      work: (client: pg.PoolClient, ...args: Parameters<Work>) => Promise<unknown>
    }
    const client = await pool.connect()
    await client.query('begin')
    await receive(client, events, (event, order) => work(client, event, order))
    await client.query('commit')
    client.release()

    expect(await live()).toEqual(expected)
    expect(next).toBe(events.length)
  })
})

describe('the guide', () => {
  test('shows the tables that INBOX_SQL creates', () => {
    expect(block('inbox.sql').trim()).toBe(INBOX_SQL.trim())
  })

  test('prunes what is older than it says, and no more', async () => {
    await pool.query(
      `insert into rollcall_inbox values ('old', now() - interval '31 days'), ('new', now() - interval '29 days')`,
    )
    await pool.query(
      `insert into rollcall_lane values ('/a', 'old', '1', now() - interval '31 days'), ('/a', 'new', '1', now())`,
    )
    await pool.query(block('prune.sql'))

    const { rows } = await pool.query('select id from rollcall_inbox union all select subject from rollcall_lane')
    expect(rows).toEqual([{ id: 'new' }, { id: 'new' }])
  })

  test('has an adapter for Kysely that works', async () => {
    const { receiveIn } = (await import(pathToFileURL(join(folder, 'with-kysely.mjs')).href)) as {
      receiveIn: (
        db: unknown,
        events: Event[],
        work: (tx: unknown, ...args: Parameters<Work>) => Promise<unknown>,
      ) => Promise<void>
    }
    const worked: string[] = []
    const work = (_: unknown, { id }: Event) => Promise.resolve(worked.push(id))
    const events = LIVES.map(eventOf)
    await receiveIn(database.db, events, work)
    await receiveIn(database.db, events, work)

    expect(worked).toEqual(events.map(({ id }) => id))
  })

  test('verifies and reads with the published libraries, one event and a batch', async () => {
    const { eventsOf } = (await import(pathToFileURL(join(folder, 'published.mjs')).href)) as {
      eventsOf: (body: string, headers: Record<string, string>, secret: string) => Event[]
    }
    for (const { body, headers } of [
      single(M1[0] ?? '', [secretOf(1)], new Date()),
      batch(LIVES, [secretOf(1)], new Date()),
    ]) {
      const events = [JSON.parse(body) as Event].flat()

      expect(JSON.parse(JSON.stringify(eventsOf(body, headers, secretOf(1))))).toEqual(events)
      expect(() => eventsOf(body, headers, secretOf(3))).toThrow('No matching signature')
    }
  })
})
