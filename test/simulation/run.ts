// One seeded run: random lives in the simulated API, ticks and drains that overlap statement by statement, die, and lose
// their connections, an API and receivers that misbehave. Then quiet, and the oracles. The seed decides every step.
import { sql } from 'kysely'
import { addressGuard } from '../../lib/address.ts'
import { OPERATOR_EVENT_TYPES } from '../../lib/core/event.ts'
import { chances } from '../../lib/local/simulator/chance.ts'
import { createSimulator } from '../../lib/local/simulator/simulator.ts'
import { serveSimulator } from '../../lib/local/simulator/server.ts'
import { traffic } from '../../lib/local/simulator/traffic.ts'
import { openPoster } from '../../lib/post.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { BEING_REMOVED, listEndpoints, removeEndpoint, updateEndpoint } from '../../lib/store/endpoint.ts'
import { enableEndpoint } from '../../lib/store/endpoint-state.ts'
import { replay } from '../../lib/store/replay.ts'
import { cloneDatabase } from '../support/clone.ts'
import { judge } from './judge.ts'
import { ALLOWED, openReceivers } from './receivers.ts'
import { add } from './operators.ts'
import { type Clocks, LISTENER, type Only, type Run, WITNESS } from './stage.ts'
import { endWaits, finishActors, startDrain, startTick, step, type Weights } from './steps.ts'

export interface Report {
  seed: number
  breaches: string[]
  counts: Record<string, number>
}

export interface RunOptions {
  seed: number
  /** How many steps, or which of them: a step does the same whether others are left out or not. */
  steps: number | number[]
  /** The server to make a database on. */
  server: string
  weights?: Weights
  only?: Only
}

/** Runs the seed, and gives what the oracles found. */
export async function simulate({ seed, steps, server, weights = {}, only = {} }: RunOptions): Promise<Report> {
  const database = await cloneDatabase(server)
  const clocks: Clocks = { life: Date.parse('2026-01-01T00:00:00Z'), apiAhead: 0, database: 0 }
  const simulator = createSimulator({
    seed,
    now: () => clocks.life,
    wallClock: () => Date.now() + clocks.apiAhead,
    settings: {
      preparingSeconds: [1, 20],
      cachedShare: 0.3,
      failedShare: 0.1,
      brokenShare: 0.1,
      brokenAfterSeconds: [1, 60],
      ...only.settings,
    },
  })
  const api = await serveSimulator(simulator)
  const { appkey, accessToken } = simulator
  const run: Run = {
    chance: chanceOf(seed, 0),
    url: database.url,
    admin: openDatabase(database.url, { connections: 2 }),
    simulator,
    clocks,
    people: traffic(simulator, { sessionsPerMinute: 60, lengthSeconds: [3, 60], displacedShare: 0.1 }),
    account: { name: 'default', api: { baseUrl: api.url, appkey, accessToken } },
    receivers: await openReceivers(),
    poster: openPoster(addressGuard([`${ALLOWED}/32`])),
    actors: [],
    endpoints: new Map(),
    again: [],
    begun: new Map(),
    replayed: new Set(),
    mortal: new Set(),
    gone: new Set(),
    wanted: new Map(),
    delivered: new Map(),
    counts: {},
    listings: new Map(),
    breaches: [],
    only,
    frozen: undefined,
    weights,
  }
  try {
    await add(run, WITNESS)
    // Whoever began with everything must have everything in the end, even if it accepted nothing for long.
    await add(run, 'second', run.admin, { from: 'start' })
    await add(run, LISTENER, run.admin, { events: [...OPERATOR_EVENT_TYPES] })
    for (const number of typeof steps === 'number' ? Array(steps).keys() : steps) {
      run.chance = chanceOf(seed, number)
      await step(run)
    }
    await quiet(run)
    await judge(run)
  } finally {
    await finishActors(run)
    await api.close()
    await run.receivers.close()
    await run.admin.destroy()
    await database.drop()
  }
  return { seed, breaches: run.breaches, counts: run.counts }
}

/** Of one step: independent of all others. */
const chanceOf = (seed: number, step: number) => chances(seed * 10_007 + step, ['step']).step

/** The weather clears: ticks and drains follow each other until nothing is open, and nothing is due. */
async function quiet(run: Run): Promise<void> {
  const { clocks, receivers } = run
  const { settings, faults, reached } = run.simulator
  Object.assign(settings, {
    emptyListShare: 0,
    droppedShare: 0,
    lingerSeconds: 0,
    extraItems: [],
    statUnavailable: false,
  })
  faults.length = 0
  clocks.apiAhead = 0
  clocks.life = Math.max(clocks.life, reached)
  receivers.moods.clear()
  await finishActors(run)
  // Also those that an operator left behind when it died.
  for (const { id, description, stateReason } of await listEndpoints(run.admin)) {
    if (stateReason === 'gone') run.gone.add(description)
    if (stateReason === BEING_REMOVED) {
      await removeEndpoint(run.admin, id)
      continue
    }
    await updateEndpoint(run.admin, id, { url: receivers.url(description) })
    await enableEndpoint(run.admin, id, 'all')
  }
  // The server may take a moment to notice that a killed one is gone: until then its lock makes ticks skip.
  const done = () => (run.counts['tick committed'] ?? 0) + (run.counts['tick unchanged'] ?? 0)
  const since = performance.now()
  for (let end = done() + 4, tries = 0; done() < end; tries += 1) {
    if (tries > 50 && performance.now() - since > 5_000)
      return void run.breaches.push('quiet: ticks fail or are skipped for ever')
    await startTick(run)
    await finishActors(run)
  }
  await drainAll(run)
  // Once more, all of it.
  const { requests } = receivers
  const before = requests.length
  await replay(run.admin, { endpoint: run.endpoints.get(WITNESS) ?? '' })
  await drainAll(run)
  run.again = requests.splice(before)
}

async function drainAll(run: Run): Promise<void> {
  for (let pending = 1, rounds = 0; pending > 0; rounds += 1) {
    if (rounds > 200) return void run.breaches.push(`quiet: ${pending} deliveries are still pending`)
    await endWaits(run)
    // Nobody hangs any more: who is late is late because the machine is busy.
    await startDrain(run, 10_000)
    await finishActors(run)
    const left = await sql<{ n: number }>`select count(*) as n from delivery where state = 'pending'`.execute(run.admin)
    pending = left.rows[0]?.n ?? 0
  }
}
