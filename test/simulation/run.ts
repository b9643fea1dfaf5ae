// One seeded run: random lives in the simulated API, ticks and drains that overlap statement by statement, die, and lose
// their connections, an API and receivers that misbehave. Then quiet, and the oracles. The seed decides every step.
import { type Kysely, sql } from 'kysely'
import { addressGuard } from '../../lib/address.ts'
import { drain } from '../../lib/deliver.ts'
import { between, type Chance, chances, happens, pick } from '../../lib/local/simulator/chance.ts'
import { createSimulator, type Fault, type Simulator } from '../../lib/local/simulator/simulator.ts'
import { serveSimulator } from '../../lib/local/simulator/server.ts'
import { type Traffic, traffic } from '../../lib/local/simulator/traffic.ts'
import { describe } from '../../lib/errors.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openPoster, type Poster } from '../../lib/post.ts'
import { type Account, tick } from '../../lib/reconcile.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import {
  addEndpoint,
  disableEndpoint,
  enableEndpoint,
  listEndpoints,
  removeEndpoint,
} from '../../lib/store/endpoint.ts'
import { listEvents, readSessions } from '../../lib/store/history.ts'
import { cloneDatabase } from '../support/clone.ts'
import { type Actor, type Fate, Killed, startActor, type Tap } from './actor.ts'
import { type CommittedListing, ORACLES } from './oracles.ts'
import { type Mood, openReceivers, type Receivers } from './receivers.ts'

export interface Report {
  seed: number
  steps: number
  breaches: string[]
  counts: Record<string, number>
}

export interface RunOptions {
  seed: number
  steps: number
  /** The server to make a database on. */
  server: string
  /** Changes statements on their way, to see that an oracle notices. */
  rewrite?: NonNullable<Tap['rewrite']>
}

const WITNESS = 'witness'
const POST_DEADLINE_MS = 150

interface Run {
  chance: Chance
  url: string
  /** The simulation's own hand in the database: never part of what is tested. */
  admin: Kysely<Database>
  simulator: Simulator
  clock: { now: number }
  people: Traffic
  account: Account
  receivers: Receivers
  poster: Poster
  actors: Actor[]
  endpoints: Map<string, string>
  counts: Record<string, number>
  /** What the API answered to a tick, by the tick's time. */
  listings: Map<number, CommittedListing['items']>
  breaches: string[]
  rewrite: Tap['rewrite']
}

/** Runs the seed, and gives what the oracles found. */
export async function simulate({ seed, steps, server, rewrite }: RunOptions): Promise<Report> {
  const database = await cloneDatabase(server)
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') }
  const settings = {
    preparingSeconds: [1, 20] as [number, number],
    cachedShare: 0.3,
    failedShare: 0.1,
    brokenShare: 0.1,
  }
  const simulator = createSimulator({
    seed,
    now: () => clock.now,
    settings: { ...settings, brokenAfterSeconds: [1, 60] },
  })
  const api = await serveSimulator(simulator)
  const { appkey, accessToken } = simulator
  const run: Run = {
    chance: chances(seed, ['run']).run,
    url: database.url,
    admin: openDatabase(database.url, { connections: 2 }),
    simulator,
    clock,
    people: traffic(simulator, { sessionsPerMinute: 60, lengthSeconds: [3, 60], displacedShare: 0.1 }),
    account: { name: 'default', api: { baseUrl: api.url, appkey, accessToken } },
    receivers: await openReceivers(),
    poster: openPoster(addressGuard(['127.0.0.0/8'])),
    actors: [],
    endpoints: new Map(),
    counts: {},
    listings: new Map(),
    breaches: [],
    rewrite,
  }
  try {
    for (const name of [WITNESS, 'second']) await add(run, name)
    for (let i = 0; i < steps; i += 1) await step(run)
    await quiet(run)
    await judge(run)
  } finally {
    await finishActors(run)
    await api.close()
    await run.receivers.close()
    await run.admin.destroy()
    await database.drop()
  }
  return { seed, steps, breaches: run.breaches, counts: run.counts }
}

function count(run: Run, what: string, by = 1): void {
  run.counts[what] = (run.counts[what] ?? 0) + by
}

async function add(run: Run, name: string, db = run.admin): Promise<void> {
  const endpoint = { url: run.receivers.url(name), account: null, events: ['*'], description: name }
  run.endpoints.set(name, (await addEndpoint(db, endpoint)).id)
}

/** What can happen at one step, and how often. */
const STEPS: [weight: number, act: (run: Run) => Promise<void> | void][] = [
  [60, proceedOne],
  [10, (run) => startTick(run)],
  [10, (run) => startDrain(run)],
  [12, passTime],
  [3, glitch],
  [3, changeMood],
  [6, endWaits],
  [2, changeEndpoints],
  [1, cutConnections],
  [0.3, (run) => operate(run, (db) => migrateToLatest(db))],
]

async function step(run: Run): Promise<void> {
  let at = between(run.chance, [0, STEPS.reduce((sum, [weight]) => sum + weight, 0)])
  for (const [weight, act] of STEPS) {
    at -= weight
    if (at < 0) return act(run)
  }
}

/** Lets one actor send its next few statements; now and then it does not survive the last of them. */
async function proceedOne(run: Run): Promise<void> {
  const actor = pick(
    run.chance,
    run.actors.filter((one) => one.waitsAt() !== undefined),
  )
  for (let left = Math.ceil(between(run.chance, [0, 6])); actor?.waitsAt() !== undefined && left > 0; left -= 1) {
    const fate: Fate =
      left > 1 || happens(run.chance, 0.9) ? 'go on' : happens(run.chance, 0.5) ? 'die before' : 'die after'
    if (fate !== 'go on') count(run, `${actor.name} killed`)
    count(run, 'statements')
    await proceed(run, actor, fate)
  }
}

async function proceed(run: Run, actor: Actor, fate: Fate): Promise<void> {
  actor.proceed(fate)
  // A tick never waits for a lock, but tries the API again after a fault; a drain may wait for a lock of another.
  await actor.settled(actor.name === 'tick' ? 5_000 : 400)
  run.actors = run.actors.filter((one) => !one.done)
}

async function startTick(run: Run): Promise<void> {
  if (run.actors.filter(({ name }) => name === 'tick').length >= 3) return
  const tap: Tap = {
    ...(run.rewrite && { rewrite: run.rewrite }),
    sent: (statement, [row]) => {
      if (!statement.includes('from "account" where "name"') || !row) return
      // From here to its next statement the tick asks the API, and no other actor moves.
      const listedAt = row.now as Date
      run.simulator.onListing = (items) => void run.listings.set(listedAt.getTime(), items.flatMap(readItem))
    },
  }
  const work = (db: Kysely<Database>) => tick(db, run.account, { listDeadlineMs: 3_000, statDeadlineMs: 3_000 })
  const actor = startActor('tick', run.url, work, (result, error) => note(run, 'tick', result?.outcome, error), tap)
  run.actors.push(actor)
  await actor.settled(1_000)
}

function readItem(item: unknown): CommittedListing['items'] {
  const { SessionId, SessionStatus, IsSessionStarted } = Object(item) as Record<string, unknown>
  if (typeof SessionId !== 'string' || !/^m\d+$/.test(SessionId)) return []
  return [{ id: SessionId, status: Number(SessionStatus), started: IsSessionStarted === true }]
}

async function startDrain(run: Run): Promise<void> {
  if (run.actors.filter(({ name }) => name === 'drain').length >= 3) return
  // Beyond 1, so that no wait of a retry ends by itself: `endWaits` does.
  const random = () => 1_000
  const work = (db: Kysely<Database>) =>
    drain(db, run.poster, { timeMs: 600_000, postDeadlineMs: POST_DEADLINE_MS, random })
  const tap = run.rewrite ? { rewrite: run.rewrite } : {}
  const actor = startActor(
    'drain',
    run.url,
    work,
    (result, error) => {
      note(run, 'drain', result && 'done', error)
      count(run, 'claimed', result?.claimed)
    },
    tap,
  )
  run.actors.push(actor)
  await actor.settled(1_000)
}

function note(run: Run, name: string, outcome: string | undefined, error: unknown): void {
  if (outcome) count(run, `${name} ${outcome}`)
  else if (!(error instanceof Killed)) {
    count(run, `${name} failed`)
    if (process.env.TRACE) console.log(name, describe(error))
  }
}

function passTime(run: Run): void {
  run.clock.now += Math.round(between(run.chance, [100, 8_000]))
  run.people.step(run.clock.now)
}

function glitch(run: Run): void {
  const { settings, faults } = run.simulator
  const kinds: Fault['kind'][] = ['code', 'cut', 'cutBody', 'html', 'status', 'truncatedJson', 'badSignature']
  const some = (share: number) => (happens(run.chance, 0.3) ? share : 0)
  settings.emptyListShare = some(0.3)
  settings.droppedShare = some(0.2)
  settings.duplicateShare = some(0.2)
  settings.lingerSeconds = some(20)
  settings.extraItems = happens(run.chance, 0.1) ? [null, { SessionId: 'm\u0000', SessionStatus: 1 }] : []
  settings.shuffle = happens(run.chance, 0.5)
  settings.emptyAs = pick(run.chance, ['[]', 'null', 'missing'] as const) ?? '[]'
  settings.fields = happens(run.chance, 0.5) ? 6 : 11
  settings.driverTypeAs = happens(run.chance, 0.5) ? 'number' : 'string'
  if (happens(run.chance, 0.3)) {
    faults.push({ kind: pick(run.chance, kinds) ?? 'code', times: happens(run.chance, 0.2) ? 3 : 1 })
    count(run, 'API faults')
  }
}

function changeMood(run: Run): void {
  const moods: Mood[] = ['well', 'well', 'failing', 'hanging', 'cutting', 'busy', 'redirecting']
  const name = pick(run.chance, [...run.endpoints.keys()]) ?? WITNESS
  run.receivers.moods.set(name, pick(run.chance, moods) ?? 'well')
  count(run, 'mood changes')
}

/** As if hours had passed: every wait and every lease is over. */
async function endWaits(run: Run): Promise<void> {
  // An operator in mid-transaction may hold what this would wait for.
  if (run.actors.some(({ name }) => name === 'operator')) return
  await sql`update endpoint set hold_until = null`.execute(run.admin)
  await sql`update delivery set due_at = now() where state = 'pending' and due_at > now()`.execute(run.admin)
}

/** What operators do, as actors too: they may wait for a tick that holds a lock, and may die. */
async function changeEndpoints(run: Run): Promise<void> {
  const name = pick(
    run.chance,
    [...run.endpoints.keys()].filter((one) => one !== WITNESS),
  )
  const id = name === undefined ? undefined : run.endpoints.get(name)
  const lot = between(run.chance, [0, 1])
  if (lot < 0.25 || name === undefined || id === undefined) {
    // A name of its own, also when the one before died after it was stored.
    count(run, 'endpoints added')
    await operate(run, (db) => add(run, `late-${run.counts['endpoints added']}`, db))
  } else if (lot < 0.5) await operate(run, (db) => disableEndpoint(db, id, 'simulated'))
  else if (lot < 0.9) await operate(run, (db) => enableEndpoint(db, id, 'all'))
  else {
    run.endpoints.delete(name)
    await operate(run, (db) => removeEndpoint(db, id))
  }
}

async function operate(run: Run, work: (db: Kysely<Database>) => Promise<unknown>): Promise<void> {
  const actor = startActor('operator', run.url, work, (_, error) =>
    note(run, 'operator', error ? undefined : 'done', error),
  )
  run.actors.push(actor)
  await actor.settled(1_000)
}

async function cutConnections(run: Run): Promise<void> {
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(run.admin)
  count(run, 'cuts')
}

/** Lets every tick and drain come to its end. */
async function finishActors(run: Run): Promise<void> {
  while (run.actors.length > 0) {
    for (const actor of run.actors) {
      if (actor.waitsAt() !== undefined) await proceed(run, actor, 'go on')
      else await actor.settled(400)
    }
    run.actors = run.actors.filter((one) => !one.done)
  }
}

/** The weather clears: ticks and drains follow each other until nothing is open, and nothing is due. */
async function quiet(run: Run): Promise<void> {
  const { settings, faults } = run.simulator
  Object.assign(settings, { emptyListShare: 0, droppedShare: 0, lingerSeconds: 0, extraItems: [] })
  faults.length = 0
  run.receivers.moods.clear()
  await finishActors(run)
  // Also those that an operator left behind when it died.
  for (const { id } of await listEndpoints(run.admin)) await enableEndpoint(run.admin, id, 'all')
  // The server may take a moment to notice that a killed one is gone: until then its lock makes ticks skip.
  const done = () => (run.counts['tick committed'] ?? 0) + (run.counts['tick unchanged'] ?? 0)
  for (let end = done() + 4, tries = 0; done() < end; tries += 1) {
    if (tries > 1_000) return void run.breaches.push('quiet: ticks are skipped for ever')
    await startTick(run)
    await finishActors(run)
  }
  for (let pending = 1, rounds = 0; pending > 0; rounds += 1) {
    if (rounds > 200) return void run.breaches.push(`quiet: ${pending} deliveries are still pending`)
    await endWaits(run)
    await startDrain(run)
    await finishActors(run)
    const left = await sql<{ n: number }>`select count(*) as n from delivery where state = 'pending'`.execute(run.admin)
    pending = left.rows[0]?.n ?? 0
  }
}

async function judge(run: Run): Promise<void> {
  const { receivers, simulator, clock, breaches } = run
  const snapshots = await run.admin.selectFrom('snapshot').select(['listed_at', 'outcome']).execute()
  const committed = snapshots.filter(({ outcome }) => outcome !== 'failed')
  const listings = committed.map(({ listed_at, outcome }) => ({
    listedAt: listed_at,
    complete: outcome !== 'incomplete',
    items: run.listings.get(listed_at.getTime()) ?? [],
  }))
  const evidence = { truth: simulator.truth, now: clock.now, listings, requests: receivers.requests, witness: WITNESS }
  for (const oracle of Object.values(ORACLES)) breaches.push(...oracle(evidence))
  for (const listing of listings.filter(({ complete }) => complete)) breaches.push(...(await rebuild(run, listing)))
  breaches.push(...(await attemptsMatch(run)))
  breaches.push(...(await cursorReadsAll(run)))
  count(run, 'listings', listings.length)
  count(run, 'requests', receivers.requests.length)
  count(run, 'events', new Set(receivers.requests.map(({ id }) => id)).size)
  count(run, 'sessions', simulator.sessions.size)
}

/** The tables give back the listing that the API answered: who was live, and in which state. */
async function rebuild(run: Run, { listedAt, items }: CommittedListing): Promise<string[]> {
  const names: Record<number, string> = { 1: 'in_progress', 3: 'preparing' }
  const live = items.filter(({ status }) => status in names)
  const expected = new Set(live.map(({ id, status, started }) => `${id} ${names[status]} ${started}`))
  const rows = await readSessions(run.admin, { at: listedAt })
  const rebuilt = new Set(rows.map(({ id, status, started }) => `${id} ${status} ${started}`))
  const wrong = [...expected, ...rebuilt].filter((line) => !expected.has(line) || !rebuilt.has(line))
  return wrong.map((line) => `listing of ${listedAt.toISOString()}: ${line} is on one side only`)
}

/** Every attempt on record was a request seen; every request seen is on record, but for those of killed or cut drains. */
async function attemptsMatch(run: Run): Promise<string[]> {
  const rows = await sql<{ endpoint: string; n: number }>`
    select endpoint.description as endpoint, count(*) as n
    from attempt join delivery on delivery.id = attempt.delivery_id join endpoint on endpoint.id = delivery.endpoint_id
    group by 1`.execute(run.admin)
  const lossy = (run.counts['drain killed'] ?? 0) + (run.counts['drain failed'] ?? 0) > 0
  return [...run.endpoints.keys()].flatMap((name) => {
    const seen = run.receivers.requests.filter(({ endpoint }) => endpoint === name).length
    const stored = rows.rows.find(({ endpoint }) => endpoint === name)?.n ?? 0
    return stored > seen || (stored < seen && !lossy) ? [`attempts: ${name} saw ${seen}, on record are ${stored}`] : []
  })
}

/** A reader by cursor gets every event that the witness got, once, in order, with the same bytes. */
async function cursorReadsAll(run: Run): Promise<string[]> {
  const sent = new Map(
    run.receivers.requests.filter(({ endpoint }) => endpoint === WITNESS).map((one) => [one.id, one.body]),
  )
  const read: string[] = []
  for (let after = 0; ;) {
    const page = await listEvents(run.admin, { account: run.account.name, after, limit: 7 })
    if (page.events.length === 0) break
    read.push(...page.events.map(({ body }) => body))
    after = page.next
  }
  const bySequence = [...sent.values()].sort((a, b) => sequenceOf(a) - sequenceOf(b))
  return bySequence.join('\n') === read.join('\n')
    ? []
    : [`cursor: read ${read.length} events, the witness got ${sent.size}`]
}

const sequenceOf = (body: string) => Number((JSON.parse(body) as { sequence: string }).sequence)
