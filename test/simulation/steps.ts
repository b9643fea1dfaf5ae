// What can happen at one step of a run, each drawn from that step's own chance: leaving a step out changes no other's draws.
import { type Kysely, sql } from 'kysely'
import { drain } from '../../lib/deliver.ts'
import { between, happens, pick } from '../../lib/local/simulator/chance.ts'
import type { Fault } from '../../lib/local/simulator/simulator.ts'
import { STATS_PER_TICK, tick, type TickResult } from '../../lib/reconcile.ts'
import type { Database } from '../../lib/store/database.ts'
import type { Actor, Fate } from './actor.ts'
import { changeEndpoints, migrate } from './operators.ts'
import type { CommittedListing } from './oracles.ts'
import type { Mood } from './receivers.ts'
import { type Clocks, count, LISTENER, note, type Run, start, WITNESS } from './stage.ts'

/** Nobody need wait long for an answer that does not come; where one comes, the machine may be busy. */
const POST_DEADLINE_MS = { hanging: 150, usual: 1_000 }
/** Between two looks at what an actor waits for. */
const LOOK_MS = 20

/** What can happen, and how often. */
const STEPS = {
  proceedOne: { weight: 60, act: proceedOne },
  startTick: { weight: 10, act: startTick },
  startDrain: { weight: 10, act: (run) => startDrain(run) },
  passTime: { weight: 12, act: passTime },
  endWaits: { weight: 6, act: endWaits },
  glitch: { weight: 3, act: glitch },
  changeMood: { weight: 3, act: changeMood },
  changeEndpoints: { weight: 3, act: changeEndpoints },
  giveUp: { weight: 1, act: giveUp },
  freeze: { weight: 1, act: freeze },
  changeClocks: { weight: 1, act: changeClocks },
  cutConnections: { weight: 1, act: cutConnections },
  migrate: { weight: 0.3, act: migrate },
} satisfies Record<string, { weight: number; act: (run: Run) => Promise<void> | void }>

/** Other weights than usual, for runs that seek one kind of trouble. */
export type Weights = Partial<Record<keyof typeof STEPS, number>>

/** One step: which one, and all it decides, comes from `run.chance`. */
export async function step(run: Run): Promise<void> {
  const weighted = Object.entries(STEPS).map(([name, { weight, act }]) => {
    return { weight: run.weights[name] ?? weight, act }
  })
  let at = between(run.chance, [0, weighted.reduce((sum, { weight }) => sum + weight, 0)])
  for (const { weight, act } of weighted) {
    at -= weight
    if (at < 0) return act(run)
  }
}

/** Lets one actor send its next few statements; now and then it does not survive the last of them. */
async function proceedOne(run: Run): Promise<void> {
  const actor = pick(
    run.chance,
    run.actors.filter((one) => one !== run.frozen && one.waitsAt() !== undefined),
  )
  for (let left = Math.ceil(between(run.chance, [0, 6])); actor?.waitsAt() !== undefined && left > 0; left -= 1) {
    const fate: Fate =
      left > 1 || happens(run.chance, 0.9) ? 'go on' : happens(run.chance, 0.5) ? 'die before' : 'die after'
    if (fate !== 'go on') count(run, `${actor.name} killed`)
    count(run, 'statements')
    await proceed(run, actor, fate)
  }
}

const isToSettle = (actor: Actor) => actor.waitsAt()?.includes('insert into attempt') === true

async function proceed(run: Run, actor: Actor, fate: Fate): Promise<void> {
  const settles = isToSettle(actor)
  actor.proceed(fate)
  await untilSettled(run, actor)
  if (settles) await noteDelivered(run)
  run.actors = run.actors.filter((one) => !one.done)
}

/** Resolves when the actor waits for its next word or is done, and at once when it waits for a lock that another holds. */
async function untilSettled(run: Run, actor: Actor): Promise<void> {
  const works = (one: Actor) => !one.done && one.waitsAt() === undefined
  // A tick tries the API again after a fault.
  for (let waitedMs = 0; works(actor) && waitedMs < 5_000; waitedMs += LOOK_MS) {
    await actor.settled(LOOK_MS)
    if (works(actor) && (await blockedIn(run)) >= run.actors.filter(works).length) return
  }
}

/** How many statements wait for a lock. */
async function blockedIn({ admin }: Run): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(admin)
  return rows[0]?.n ?? 0
}

/** Lets every tick, drain and operator come to its end: those first that can go on, since others may wait for them. */
export async function finishActors(run: Run): Promise<void> {
  while (run.actors.length > 0) {
    const ready = run.actors.filter((actor) => actor.waitsAt() !== undefined)
    for (const actor of ready) if (actor.waitsAt() !== undefined) await proceed(run, actor, 'go on')
    if (ready.length === 0) await Promise.race(run.actors.map((actor) => actor.settled(LOOK_MS)))
    run.actors = run.actors.filter((one) => !one.done)
  }
}

export async function startTick(run: Run): Promise<void> {
  if (run.actors.filter(({ name }) => name === 'tick').length >= 3) return
  // Nobody need wait for an answer that does not come.
  const statDeadlineMs = run.simulator.settings.statUnavailable ? 100 : 3_000
  const work = (db: Kysely<Database>) => tick(db, run.account, { listDeadlineMs: 3_000, statDeadlineMs })
  const onEnd = (result: TickResult | undefined, error: unknown) => {
    if (result?.asked === STATS_PER_TICK) count(run, 'statsession short')
    note(run, 'tick', result?.outcome, error)
  }
  let listedAt: Date | undefined
  let items: CommittedListing['items'] = []
  await start(run, 'tick', work, onEnd, (statement, [row]) => {
    if (statement.includes('from "account" where "name"') && row) {
      listedAt = row.now as Date
      // From here to its next statement the tick asks the API, and no other actor moves.
      run.simulator.onListing = (answered) => void (items = answered.flatMap(readItem))
    }
    // Noted only now: after a clock was set back, two ticks may begin at the same moment.
    if (listedAt && /insert into "?snapshot"? (?!.*do nothing)/s.test(statement)) {
      run.listings.set(listedAt.getTime(), items)
    }
  })
}

function readItem(item: unknown): CommittedListing['items'] {
  const { SessionId, SessionStatus, IsSessionStarted } = Object(item) as Record<string, unknown>
  if (typeof SessionId !== 'string' || !/^m\d+$/.test(SessionId)) return []
  return [{ id: SessionId, status: Number(SessionStatus), started: IsSessionStarted === true }]
}

const postDeadlineIn = ({ receivers }: Run) =>
  POST_DEADLINE_MS[[...receivers.moods.values()].includes('hanging') ? 'hanging' : 'usual']

export async function startDrain(run: Run, postDeadlineMs = postDeadlineIn(run)): Promise<void> {
  if (run.actors.filter(({ name }) => name === 'drain').length >= 3) return
  // Beyond 1, so that no wait of a retry ends by itself: `endWaits` does.
  const random = () => 1_000
  const options = { timeMs: 600_000, postDeadlineMs, random }
  await start(
    run,
    'drain',
    (db) => drain(db, run.poster, options),
    (result, error) => {
      note(run, 'drain', result && 'done', error)
      count(run, 'claimed', result?.claimed)
    },
  )
}

/** The platform stops one function where it is, best before it says what it did; the others go on. The one before is thawed. */
function freeze(run: Run): void {
  const waiting = run.actors.filter((one) => one.waitsAt() !== undefined)
  const sent = waiting.filter(isToSettle)
  run.frozen = pick(run.chance, sent.length > 0 ? sent : waiting)
}

function passTime(run: Run): void {
  run.clocks.life += Math.round(between(run.chance, [100, 8_000]))
  run.people.step(run.clocks.life)
}

const CLOCKS: (keyof Clocks)[] = ['life', 'apiAhead', 'database']

/** A clock jumps: the API's, what signatures are held against, or the database's at a failover. */
function changeClocks(run: Run): void {
  const { clocks, chance } = run
  const jump = pick(chance, [-3_600_000, -60_000, -2_000, 0, 0, 2_000, 60_000, 3_600_000]) ?? 0
  const which = pick(chance, run.only.clocks ?? CLOCKS) ?? 'life'
  // Far back, nothing would happen for the rest of the run.
  if (which === 'life') clocks.life += Math.max(jump, -2_000)
  else clocks[which] = jump
  // A tick that has its listing already may be refused when it asks for a session.
  count(run, which === 'apiAhead' ? 'signature clock jumps' : 'clock jumps')
}

function glitch(run: Run): void {
  const { settings, faults } = run.simulator
  const kinds: Fault['kind'][] = ['code', 'cut', 'cutBody', 'html', 'status', 'truncatedJson', 'badSignature']
  const some = (share: number) => (happens(run.chance, 0.3) ? share : 0)
  settings.emptyListShare = some(0.3)
  settings.droppedShare = some(0.2)
  settings.duplicateShare = some(0.2)
  settings.lingerSeconds = some(20)
  settings.statUnavailable = happens(run.chance, 0.2)
  settings.extraItems = happens(run.chance, 0.1) ? [null, { SessionId: 'm\u0000', SessionStatus: 1 }] : []
  settings.shuffle = happens(run.chance, 0.5)
  settings.emptyAs = pick(run.chance, ['[]', 'null', 'missing'] as const) ?? '[]'
  settings.fields = happens(run.chance, 0.5) ? 6 : 11
  settings.driverTypeAs = happens(run.chance, 0.5) ? 'number' : 'string'
  if (settings.statUnavailable) count(run, 'statsession down')
  if (happens(run.chance, 0.3)) {
    faults.push({ kind: pick(run.chance, kinds) ?? 'code', times: happens(run.chance, 0.2) ? 3 : 1 })
    count(run, 'API faults')
  }
  Object.assign(settings, run.only.settings)
}

const MOODS: Mood[] = ['well', 'well', 'failing', 'hanging', 'cutting', 'busy', 'redirecting', 'gone']

function changeMood(run: Run): void {
  const name = pick(run.chance, [...run.endpoints.keys()]) ?? WITNESS
  const moods = (run.only.moods ?? MOODS).filter((mood) => mood !== 'gone' || isMortal(name))
  run.receivers.moods.set(name, pick(run.chance, moods) ?? 'well')
  count(run, 'mood changes')
}

/** As if hours had passed: every wait and every lease is over. */
export async function endWaits(run: Run): Promise<void> {
  // Somebody in mid-transaction may hold what this would wait for.
  await sql`update endpoint set hold_until = null, probe_until = null
    where id in (select id from endpoint for no key update skip locked)`.execute(run.admin)
  // Past for whichever clock.
  await sql`update delivery set due_at = '2000-01-01' where id in (
    select id from delivery where state = 'pending' and due_at > '2000-01-01' for no key update skip locked)`.execute(
    run.admin,
  )
}

/** The witness and the listener get everything in the end. */
const isMortal = (name: string) => name !== WITNESS && name !== LISTENER

/** As if days had passed: a failure is now the last of what an endpoint was sent before. */
async function giveUp(run: Run): Promise<void> {
  const name = pick(run.chance, [...run.endpoints.keys()].filter(isMortal))
  if (name === undefined) return
  run.mortal.add(name)
  await sql`update delivery set retry_until = '2000-01-01' where id in (
    select id from delivery where endpoint_id = ${run.endpoints.get(name)} and state = 'pending' and retry_until is not null
    for no key update skip locked)`.execute(run.admin)
  count(run, 'given up')
}

async function noteDelivered(run: Run): Promise<void> {
  const { rows } = await sql<{ key: string; attempts: number }>`
    select endpoint_id || ' ' || event_id as key, attempts from delivery where state = 'delivered'`.execute(run.admin)
  for (const { key, attempts } of rows) if (!run.delivered.has(key)) run.delivered.set(key, attempts)
}

async function cutConnections(run: Run): Promise<void> {
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(run.admin)
  count(run, 'cuts')
}
