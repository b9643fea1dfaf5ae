// A soak: real function processes against a real Postgres while sessions come and go as fast as the machine can tell them,
// some of the processes are killed all the time, and subscribers have natures of their own. Tencent's API is the simulator.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { Webhook } from 'standardwebhooks'
import { describe } from '../../lib/errors.ts'
import { chances, pick } from '../../lib/local/simulator/chance.ts'
import { createSimulator, type Simulator } from '../../lib/local/simulator/simulator.ts'
import { serveSimulator } from '../../lib/local/simulator/server.ts'
import { type Traffic, traffic } from '../../lib/local/simulator/traffic.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { cloneDatabase } from '../support/clone.ts'
import { eventually } from '../support/receiver.ts'
import { endFleet, type Fleet, killOne, startAgain, startFleet, stopAll } from './fleet.ts'
import { breach, committed, count, createLedger, finish, happened, type Ledger, sweep } from './ledger.ts'
import { readRecord } from './record.ts'
import { growth, lookAtTables, rssMb, type Sample } from './samples.ts'
import { openSubscribers, SUBSCRIBERS, type Subscribers } from './subscribers.ts'

export interface SoakOptions {
  /** The server to make a database on. */
  server: string
  seed: number
  /** It ends after that time, or that many deliveries. */
  runMs: number
  deliveries: number
  sessionsPerSecond: number
  killEveryMs: number
  sampleEveryMs: number
  onSample?: (sample: Sample, ledger: Ledger) => void
}

export interface SoakReport {
  ledger: Ledger
  samples: Sample[]
  latency: Subscribers['latency']
  /** Real time in which sessions came, and CPU time of the soak's own process in it. */
  runMs: number
  ownCpuMs: number
}

/** How much faster the API's clock goes than ours. */
const SPEED = 50
const RETENTION_SECONDS = 1_200
/** Events that a subscriber may be behind before the API's clock waits: the machine gives the pace. */
const MOST_BEHIND = 500
const POLL_MS = 500

interface Soak extends SoakOptions {
  db: Kysely<Database>
  ledger: Ledger
  simulator: Simulator
  clock: { now: number; isHeld: boolean }
  fleet: Fleet
  subscribers: Subscribers
  /** Brings the ledger's truth up to now. */
  look: () => number
  polledTo: Date
  samples: Sample[]
}

/** Runs it to its end, and gives what the oracles found. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, sessionsPerSecond } = options
  const database = await cloneDatabase(options.server)
  const db = openDatabase(database.url, { connections: 2 })
  const clock = { now: Date.now(), isHeld: false }
  const simulator = createSimulator({
    seed,
    now: () => clock.now,
    settings: {
      preparingSeconds: [2, 20],
      cachedShare: 0.2,
      failedShare: 0.1,
      brokenShare: 0.1,
      brokenAfterSeconds: [5, 100],
      retentionSeconds: RETENTION_SECONDS,
      capacity: 100_000,
    },
  })
  const api = await serveSimulator(simulator)
  const ledger = createLedger([...SUBSCRIBERS], RETENTION_SECONDS * 1_000)
  let lookedAt = Date.now()
  const look = () => {
    const now = Date.now()
    for (const step of simulator.truth.splice(0)) happened(ledger, step, { after: lookedAt, before: now })
    lookedAt = now
    return simulator.reached
  }
  const chance = chances(seed, ['soak', 'subscribers'])
  const subscribers = await openSubscribers(ledger, chance.subscribers, look)
  for (const name of SUBSCRIBERS) {
    const endpoint = { url: subscribers.url(name), account: null, events: ['*'], description: name }
    subscribers.verifiers.set(name, new Webhook((await addEndpoint(db, endpoint)).secret))
  }

  const { appkey, accessToken } = simulator
  const ivh = { IVH_BASE_URL: api.url, IVH_APPKEY: appkey, IVH_ACCESS_TOKEN: accessToken }
  const env = { DATABASE_URL: database.url, WEBHOOK_ALLOW: '127.0.0.0/8', LOG_LEVEL: 'error', ...ivh }
  const fleet = startFleet(env, (what) => breach(ledger, 'process', what))
  const run: Soak = {
    ...options,
    db,
    ledger,
    simulator,
    clock,
    fleet,
    subscribers,
    look,
    polledTo: new Date(0),
    samples: [],
  }
  const onExit = () => endFleet(fleet)
  process.once('exit', onExit)
  try {
    const cpu = process.cpuUsage()
    const beganAt = performance.now()
    const sessionsPerMinute = (sessionsPerSecond * 60) / SPEED
    const people = traffic(simulator, { sessionsPerMinute, lengthSeconds: [20, 120], leakedShare: 0.02 })
    await busy(run, people, () => pick(chance.soak, fleet.mortal)!)
    const runMs = performance.now() - beganAt
    const { user, system } = process.cpuUsage(cpu)
    await quiet(run)
    return { ledger, samples: run.samples, latency: subscribers.latency, runMs, ownCpuMs: (user + system) / 1_000 }
  } finally {
    endFleet(fleet)
    process.off('exit', onExit)
    await api.close()
    await subscribers.close()
    await db.destroy()
    await database.drop()
  }
}

/** Sessions come and go, processes are killed, until time is up. */
async function busy(run: Soak, people: Traffic, victim: () => Fleet['mortal'][number]): Promise<void> {
  const { clock, fleet, ledger, look, killEveryMs, sampleEveryMs } = run
  const beganAt = performance.now()
  let passedAt = beganAt
  const passTime = setInterval(() => {
    const now = performance.now()
    if (!clock.isHeld) {
      clock.now += (now - passedAt) * SPEED
      people.step(clock.now)
    }
    passedAt = now
    look()
  }, 5)
  let killAt = beganAt + killEveryMs
  let sampleAt = beganAt + sampleEveryMs
  try {
    while (performance.now() - beganAt < run.runMs && (ledger.counts['deliveries'] ?? 0) < run.deliveries) {
      await sleep(Math.min(POLL_MS, killEveryMs / 4))
      await poll(run)
      if (performance.now() >= killAt) {
        killAt += killEveryMs
        const place = victim()
        await killOne(fleet, place)
        count(ledger, `killed ${place.name}`)
      }
      if (performance.now() >= sampleAt) {
        sampleAt += sampleEveryMs
        await sample(run, performance.now() - beganAt)
      }
    }
  } finally {
    clearInterval(passTime)
  }
}

/** Learns which ticks have committed, and lets the API's clock wait while somebody is too far behind. */
async function poll(run: Soak): Promise<void> {
  const { db, ledger, clock } = run
  const { rows } = await sql<{ listed_at: Date; duration_ms: number; outcome: string; position: number }>`
    select listed_at, duration_ms, outcome from snapshot
    where listed_at > ${run.polledTo} and outcome <> 'failed' order by listed_at`.execute(db)
  for (const { listed_at: listedAt, duration_ms: durationMs, outcome } of rows) {
    const from = listedAt.getTime()
    committed(ledger, { from, to: from + durationMs + 1 })
    count(ledger, `ticks ${outcome}`)
    run.polledTo = new Date(from + 1)
  }
  sweep(ledger)
  const behind = (await lastPosition(db)) - Math.min(...ledger.positions.counts)
  clock.isHeld = behind > MOST_BEHIND
  if (clock.isHeld) count(ledger, 'polls with the clock held')
}

async function lastPosition(db: Kysely<Database>): Promise<number> {
  const account = await db.selectFrom('account').select('position').executeTakeFirst()
  return account?.position ?? 0
}

async function sample(run: Soak, ms: number): Promise<void> {
  const pidOf = (name: string) => run.fleet.kept.find((place) => place.name === name)?.loop.process.pid
  const memory = {
    reconcileMb: rssMb(pidOf('reconcile')),
    webhookMb: rssMb(pidOf('webhook')),
    ownMb: rssMb(process.pid),
  }
  const one = { seconds: Math.round(ms / 1_000), ...memory, ...(await lookAtTables(run.db)) }
  run.samples.push(one)
  run.onSample?.(one, run.ledger)
}

/** Nobody comes any more, whoever is there leaves, and everything is told and delivered; then the last oracles. */
async function quiet(run: Soak): Promise<void> {
  const { db, ledger, fleet, clock, simulator, subscribers } = run
  subscribers.behave()
  // Whoever prepares gets ready, then everybody is idle for too long; no end is forgotten yet.
  clock.now += (simulator.settings.idleCloseSeconds + 60) * 1_000
  const sessionsAreOver = async () => {
    run.look()
    const open = await db.selectFrom('session').select('id').where('ended_at', 'is', null).limit(1).execute()
    return open.length === 0
  }
  // The oracles then say who was not told.
  const note = (error: unknown) => breach(ledger, 'lost', describe(error))
  await eventually('every session is over', sessionsAreOver, 120_000).catch(note)
  await stopAll(fleet, 'reconcile')
  // With no drain alive, every lease is that of a killed one: all waits can be cut short.
  await stopAll(fleet, 'webhook')
  await sql`update delivery set due_at = now() where state = 'pending' and due_at > now()`.execute(db)
  await sql`update endpoint set hold_until = null`.execute(db)
  startAgain(fleet, 'webhook')
  const pending = () => db.selectFrom('delivery').select('id').where('state', '=', 'pending').limit(1).execute()
  await eventually('everything is delivered', async () => (await pending()).length === 0, 120_000).catch(note)
  await stopAll(fleet, 'webhook')

  await poll(run)
  finish(ledger, await lastPosition(db))
  await readRecord(db, ledger)
  for (const what of growth(run.samples)) breach(ledger, 'growth', what)
}
