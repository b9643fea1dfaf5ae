// Two tickers and two drainers at work on one database, as four processes would be, while something happens to Postgres;
// then calm, and the oracles of the simulation. Tencent's API is the simulator, and its truth log the oracle's ground.
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Kysely, PostgresDialect, type PostgresPool, sql } from 'kysely'
import pMap from 'p-map'
import { drain } from '../../lib/deliver.ts'
import { describe } from '../../lib/errors.ts'
import { serveSimulator } from '../../lib/local/simulator/server.ts'
import { createSimulator, liveAt, type Simulator } from '../../lib/local/simulator/simulator.ts'
import { traffic } from '../../lib/local/simulator/traffic.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { readSessions } from '../../lib/store/history.ts'
import { openPool, type PoolOptions } from '../../lib/store/pool.ts'
import { rebuild, tornApart } from '../simulation/judge.ts'
import { type CommittedListing, ORACLES, NOBODY_ELSE } from '../simulation/oracles.ts'
import { openReceivers, type Receivers } from '../simulation/receivers.ts'
import { eventually } from '../support/receiver.ts'
import { loopbackPoster } from '../support/world.ts'

export interface Storm {
  /** A hand of the test's own in the database, past any pooler. */
  admin: Kysely<Database>
  receivers: Receivers
  /** Ticks by outcome, drains that ended well or not. */
  counts: Record<string, number>
  /** What ticks and drains failed with, as it is logged, and how often. */
  faults: Map<string, number>
  /** Works at full load until what happens has happened. */
  during: (happens: () => Promise<void>) => Promise<void>
  /** Waits for so many more ticks that find something new and commit it: how fast they come is the machine's affair. */
  moreCommits: (ticks: number) => Promise<void>
  /** Lets everything be told, with nothing in the way, and gives what the oracles find. */
  breaches: () => Promise<string[]>
  /** What it was, in one line. */
  told: () => string
  close: () => Promise<void>
}

const WITNESS = 'witness'
/** How much faster than the clock sessions live. */
const SPEED = 30

/** `url` is of a migrated database; tickers and drainers reach it `through` another address where there is one. */
export async function openStorm(url: string, options: { through?: string; pool?: PoolOptions } = {}): Promise<Storm> {
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') }
  const settings = { preparingSeconds: [1, 20] as [number, number], failedShare: 0.1, brokenShare: 0.1 }
  const simulator = createSimulator({ seed: Date.now(), now: () => clock.now, settings })
  const people = traffic(simulator, { sessionsPerMinute: 30, lengthSeconds: [5, 60], leakedShare: 0 })
  const receivers = await openReceivers()
  const unhurried = new URL(url)
  // What a storm sets for the database is for those in it.
  unhurried.searchParams.set('options', '-c statement_timeout=0 -c lock_timeout=0')
  const admin = openDatabase(unhurried.href, { connections: 2 })
  for (const name of [WITNESS, 'second']) {
    await addEndpoint(admin, { url: receivers.url(name), account: null, events: ['*'], description: name })
  }
  const listings = new Map<number, CommittedListing['items']>()
  const counts: Record<string, number> = {}
  const faults = new Map<string, number>()
  const count = (what: string) => (counts[what] = (counts[what] ?? 0) + 1)
  const secrets = [...new Set([url, options.through ?? url])].flatMap((one) => [new URL(one).password, one])
  const fail = (who: string, text: string, shown = text) => {
    count(`${who} failed`)
    if (process.env.TRACE) console.log(new Date().toISOString(), who, text)
    faults.set(text, (faults.get(text) ?? 0) + 1)
    if (secrets.some((secret) => shown.includes(secret))) faults.set(`a secret is shown: ${text}`, 1)
  }

  const tickers = await Promise.all([1, 2].map(() => openTicker(options.through ?? url, options.pool, simulator)))
  const drainers = [1, 2].map(() => openDatabase(options.through ?? url, options.pool))
  const poster = loopbackPoster()
  const tickOnce = async ({ db, account, heard }: Ticker) => {
    const [result] = await reconcile(db, [account], { timeMs: 20_000 })
    if (!result) throw new Error('there is one account')
    // Two ticks may begin in the same millisecond, but only one of them commits; a failed one may have, unheard.
    const isHeard = result.outcome === 'failed' ? !listings.has(heard.listedAt) : result.outcome !== 'skipped'
    if (isHeard) listings.set(heard.listedAt, heard.items)
    if (result.outcome === 'failed') fail('tick', result.reason ?? '')
    else count(`tick ${result.outcome}`)
    return result
  }
  const drainOnce = async (db: Kysely<Database>) => {
    try {
      await drain(db, poster, { timeMs: 3_000, postDeadlineMs: 1_000, leaseMs: 2_000, random: () => 0.01 })
      count('drain done')
    } catch (error) {
      fail('drain', describe(error), inspect(error, { depth: 5 }))
    }
  }

  /** As many at once as there are processes, until `done`. */
  const work = async (done: () => boolean) => {
    const again = async (act: () => Promise<unknown>) => {
      while (!done()) {
        await act()
        await sleep(10)
      }
    }
    await Promise.all([
      ...tickers.map((ticker) => again(() => tickOnce(ticker))),
      ...drainers.map((db) => again(() => drainOnce(db))),
    ])
  }

  return {
    admin,
    receivers,
    counts,
    faults,
    during: async (happens) => {
      const [bornAt, startedAt] = [clock.now, Date.now()]
      const passTime = setInterval(() => {
        clock.now = bornAt + (Date.now() - startedAt) * SPEED
        people.step(clock.now)
        receivers.moods.set('second', Math.floor(clock.now / 1_000) % 5 === 0 ? 'failing' : 'well')
      }, 5)
      let over = false
      const working = work(() => over)
      try {
        await happens()
      } finally {
        over = true
        await working
        clearInterval(passTime)
      }
    },
    moreCommits: (ticks) => {
      const committed = () => counts['tick committed'] ?? 0
      const enough = committed() + ticks
      return eventually(`${ticks} ticks commit`, () => committed() >= enough, 60_000)
    },
    breaches: async () => {
      receivers.moods.clear()
      const [first] = tickers
      // A server notices a moment later that a client is gone; until then its lock makes ticks skip.
      for (const round of [1, 2, 3, 4]) {
        await eventually(`tick ${round} after the storm`, async () => {
          const { outcome } = await tickOnce(first!)
          return outcome === 'committed' || outcome === 'unchanged'
        })
      }
      await eventually(
        'everything is delivered',
        async () => {
          await Promise.all(drainers.map(drainOnce))
          const left = await admin.selectFrom('delivery').select('id').where('state', '=', 'pending').execute()
          return left.length === 0
        },
        120_000,
      )
      const committed = await admin
        .selectFrom('snapshot')
        .select(['listed_at', 'outcome'])
        .where('outcome', '<>', 'failed')
        .orderBy('listed_at')
        .execute()
      const evidence = {
        truth: simulator.truth,
        now: clock.now,
        listings: committed.map(({ listed_at, outcome }) => ({
          listedAt: listed_at,
          complete: outcome !== 'incomplete',
          items: listings.get(listed_at.getTime()) ?? [],
        })),
        statFailed: false,
        requests: receivers.requests,
        ...NOBODY_ELSE,
        trespasses: receivers.trespasses,
        witness: WITNESS,
        faithful: [WITNESS, 'second'],
      }
      const complete = evidence.listings.filter((listing) => listing.complete)
      const rebuilt = await pMap(complete, (listing) => rebuild(admin, listing), { concurrency: 2 })
      return [
        ...Object.values(ORACLES).flatMap((oracle) => oracle(evidence)),
        ...rebuilt.flat(),
        ...(await tornApart(admin)),
        ...(await tablesTell(admin, simulator, clock.now)),
      ]
    },
    told: () => JSON.stringify({ ...counts, requests: receivers.requests.length, faults: Object.fromEntries(faults) }),
    close: async () => {
      await Promise.all([...drainers, ...tickers.map(({ db }) => db), admin].map((db) => db.destroy()))
      for (const ticker of tickers) await ticker.close()
      await receivers.close()
    },
  }
}

interface Ticker {
  /** What the API answered last, and when the tick that asked had begun. */
  heard: { listedAt: number; items: CommittedListing['items'] }
  db: Kysely<Database>
  account: { name: string; api: { baseUrl: string; appkey: string; accessToken: string } }
  close(): Promise<void>
}

/** A ticker with an address of the API of its own, so that what it was answered can be told from the other's. */
async function openTicker(url: string, options: PoolOptions | undefined, simulator: Simulator): Promise<Ticker> {
  const heard: Ticker['heard'] = { listedAt: 0, items: [] }
  let listedAt = 0
  const onListing = (items: object[]) => {
    const readable = items as { SessionId: string; SessionStatus: number; IsSessionStarted: boolean }[]
    const read = readable.map((item) => ({
      id: item.SessionId,
      status: item.SessionStatus,
      started: item.IsSessionStarted,
    }))
    Object.assign(heard, { listedAt, items: read })
  }
  const view = new Proxy(simulator, {
    get: (target, name) => (name === 'onListing' ? onListing : Reflect.get(target, name)),
  })
  const server = await serveSimulator(view)
  const pool = openPool(url, options ?? {})
  const tapped: PostgresPool = {
    connect: async () => {
      const client = await pool.connect()
      const query = async (statement: string, values: readonly unknown[]) => {
        const result = await client.query<{ now?: Date }>(statement, values)
        const [row] = result.rows
        if (statement.includes('from "account" where "name"') && row?.now) listedAt = row.now.getTime()
        return result
      }
      return { query, release: () => client.release() } as unknown as typeof client
    },
    end: () => pool.end(),
  }
  const { appkey, accessToken } = simulator
  return {
    heard,
    db: new Kysely<Database>({ dialect: new PostgresDialect({ pool: tapped }) }),
    account: { name: 'default', api: { baseUrl: server.url, appkey, accessToken } },
    close: () => server.close(),
  }
}

/** The tables say what is true: who is live, and how far the positions go. */
async function tablesTell(admin: Kysely<Database>, simulator: Simulator, now: number): Promise<string[]> {
  const stored = (await readSessions(admin, { live: true })).map(({ id }) => id).sort()
  const live = liveAt({ truth: simulator.truth }, now)
    .map(({ sessionId }) => sessionId)
    .sort()
  const breaches = stored.join() === live.join() ? [] : [`tables: ${stored.length} are live, in truth ${live.length}`]
  const { rows } = await sql<{ position: number; last: number; events: number }>`
    select position, (select max(position) from event) as last, (select count(*) from event) as events
    from account`.execute(admin)
  const [row] = rows
  if (row?.position !== row?.last || row?.last !== row?.events) breaches.push(`tables: ${JSON.stringify(rows)}`)
  return breaches
}
