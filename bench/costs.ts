// What does Rollcall cost a month on SCF? The built functions run here, warm, against a real Postgres and the simulator over
// loopback; the model of cost-model.ts makes a month of it. `npm run bench -- costs --memory MB --endpoints N
// --session-minutes MIN --api-ms MS --receiver-ms MS`; with `--price-gb-second P --price-million P`, which a region's price
// list has, in money.
import { parseArgs } from 'node:util'
import { type Kysely, sql } from 'kysely'
import { serveSimulator } from '../lib/local/simulator/server.ts'
import {
  closeSession,
  createSession,
  createSimulator,
  startSession,
  type Simulator,
} from '../lib/local/simulator/simulator.ts'
import { FULL_PACE } from '../lib/core/retry.ts'
import type { DrainResult } from '../lib/deliver.ts'
import { migrateToLatest } from '../lib/migrate.ts'
import type { TickResult } from '../lib/reconcile.ts'
import { type Database, openDatabase } from '../lib/store/database.ts'
import { addEndpoint } from '../lib/store/endpoint.ts'
import { startInstance, type WarmInstance } from '../test/support/bundle.ts'
import { openReceiver } from '../test/support/receiver.ts'
import { type Load, type Measured, type Month, monthOf } from './cost-model.ts'
import type { Report } from './main.ts'
import { withPostgres } from './postgres.ts'
import { median, rounded } from './statistics.ts'

const TICKS = 2_000
const SESSIONS = 400
const SINGLES = 50
const LISTINGS = 400
const TIMER = { Type: 'Timer' }
/** Of README's table. */
const RETENTION = { deliveriesDays: 30, eventsDays: 30, ticksDays: 400 }

interface Prices {
  gbSecond: number
  million: number
}

export async function costs(args: string[]): Promise<Report> {
  const { values } = parseArgs({
    args,
    options: {
      memory: { type: 'string', default: '128' },
      endpoints: { type: 'string', default: '1' },
      'session-minutes': { type: 'string', default: '10' },
      'api-ms': { type: 'string', default: '50' },
      'receiver-ms': { type: 'string', default: '100' },
      'price-gb-second': { type: 'string' },
      'price-million': { type: 'string' },
    },
  })
  const number = (name: keyof typeof values) => {
    const value = Number(values[name] ?? 0)
    if (!(value >= 0)) throw new Error(`--${name} is a number, 0 or more, not ${JSON.stringify(values[name])}`)
    return value
  }
  const isPriced = values['price-gb-second'] !== undefined || values['price-million'] !== undefined
  const prices = isPriced ? { gbSecond: number('price-gb-second'), million: number('price-million') } : undefined
  const load = {
    sweepSeconds: 60,
    sessionMinutes: number('session-minutes'),
    endpoints: number('endpoints'),
    memoryMb: number('memory'),
    apiLatencyMs: number('api-ms'),
    receiverLatencyMs: number('receiver-ms'),
    postsAtOnce: FULL_PACE,
    retention: RETENTION,
  }
  const measured = await withPostgres({}, measure)
  const table: Report['table'] = {}
  for (const tickSeconds of [5, 10, 30, 60]) {
    for (const sessionsPerDay of [100, 1_000, 10_000]) {
      table[`${tickSeconds} s, ${sessionsPerDay} a day`] = row(
        measured,
        { ...load, tickSeconds, sessionsPerDay },
        prices,
      )
    }
  }
  return { table, figures: { measured, load } }
}

function row(measured: Measured, load: Omit<Load, 'slowness'>, prices: Prices | undefined) {
  const here = monthOf(measured, { ...load, slowness: 1 })
  const slower = monthOf(measured, { ...load, slowness: 3 })
  const price = (month: Month, { gbSecond, million }: Prices) =>
    rounded(month.gbSeconds * gbSecond + (month.invocations / 1e6) * million)
  return {
    invocations: Math.round(here.invocations),
    'GB-s': Math.round(here.gbSeconds),
    'GB-s if 3 times as slow': Math.round(slower.gbSeconds),
    'rows written': Math.round(here.rowsWritten),
    'GB kept': rounded(here.gbKept),
    ...(prices && { price: price(here, prices), 'price if 3 times as slow': price(slower, prices) }),
  }
}

async function measure(url: string): Promise<Measured> {
  const db = openDatabase(url)
  const simulator = createSimulator({ seed: 1, settings: { cachedShare: 1 } })
  const server = await serveSimulator(simulator)
  const receiver = await openReceiver()
  const env = {
    DATABASE_URL: url,
    IVH_BASE_URL: server.url,
    IVH_APPKEY: simulator.appkey,
    IVH_ACCESS_TOKEN: simulator.accessToken,
    WEBHOOK_ALLOW: '127.0.0.0/8',
  }
  const [reconcile, webhook] = [startInstance('reconcile', env), startInstance('webhook', env)]
  try {
    await migrateToLatest(db)
    await addEndpoint(db, {
      account: null,
      events: ['session.started', 'session.closed', 'session.failed'],
      description: '',
      url: receiver.url,
    })
    return await measureAll(db, simulator, reconcile, webhook)
  } finally {
    await Promise.all([reconcile.stop(), webhook.stop(), server.close(), receiver.close()])
    await db.destroy()
  }
}

async function measureAll(
  db: Kysely<Database>,
  simulator: Simulator,
  reconcile: WarmInstance,
  webhook: WarmInstance,
): Promise<Measured> {
  const tick = () => invoke(reconcile, TIMER)
  const sweep = () => invoke(webhook, TIMER)
  const drain = () => invoke(webhook, {})
  const create = (userId: string) => {
    const created = createSession(simulator, { userId, projectId: 'p' })
    if (!('ok' in created)) throw new Error(`no session: ${JSON.stringify(created)}`)
    return created.ok.id
  }
  await times(20, tick)
  await times(20, sweep)
  const ticksBefore = await sizeOf(db, ['snapshot'])
  const unchangedTickMs = await times(TICKS, tick)
  const ticksAfter = await sizeOf(db, ['snapshot'])
  const idleSweepMs = await times(50, sweep)

  // Of one change, most of the time is what any number has in common.
  const ticksOfOne: number[] = []
  const drainsOfOne: number[] = []
  for (let i = 0; i < SINGLES; i += 1) {
    const { ticksMs, drainsMs } = await live([create(`single-${i}`)])
    ticksOfOne.push(mean(ticksMs))
    drainsOfOne.push(mean(drainsMs))
  }

  const groups = [['session', 'session_version'], ['event'], ['delivery', 'attempt']]
  const before = await Promise.all(groups.map((tables) => sizeOf(db, tables)))
  const ids = Array.from({ length: SESSIONS }, (_, i) => create(`user-${i}`))
  let listingMs = NaN
  const many = await live(ids, async () => {
    listingMs = await times(LISTINGS, tick)
  })
  const after = await Promise.all(groups.map((tables) => sizeOf(db, tables)))
  const [ofSessions, ofEvents, ofDeliveries] = after.map(({ bytes, rows }, i) => ({
    bytes: (bytes - (before[i]?.bytes ?? 0)) / SESSIONS,
    rows: (rows - (before[i]?.rows ?? 0)) / SESSIONS,
  }))
  // Beside those that list: what the machine does else changes within a minute.
  const emptyMs = await times(LISTINGS, tick)
  if (!ofSessions || !ofEvents || !ofDeliveries) throw new Error('nothing was counted')

  const changesPerSession = many.ticksMs.length
  const drainsPerSession = many.drainsMs.length
  const deliveriesPerSession = many.delivered / SESSIONS
  const changeMs = (mean(many.ticksMs) - median(ticksOfOne)) / (SESSIONS - 1)
  const deliveryMs = (mean(many.drainsMs) - median(drainsOfOne)) / (SESSIONS - 1)
  return {
    unchangedTickMs,
    listedMs: (listingMs - emptyMs) / SESSIONS,
    changedTickMs: median(ticksOfOne) - changeMs - unchangedTickMs,
    changeMs,
    idleSweepMs,
    drainMs: median(drainsOfOne) - deliveryMs,
    deliveryMs,
    tickBytes: (ticksAfter.bytes - ticksBefore.bytes) / TICKS,
    sessionBytes: ofSessions.bytes,
    eventBytes: ofEvents.bytes,
    deliveryBytes: ofDeliveries.bytes,
    rowsPerSession: ofSessions.rows + ofEvents.rows,
    deliveryRowsPerSession: ofDeliveries.rows,
    deliveriesPerSession,
    changesPerSession,
    asksPerSession: many.asked / SESSIONS,
    drainsPerSession,
  }

  /** The life of sessions that change together, and what its ticks and drains took; `whenStarted`, all of them are listed. */
  async function live(sessionIds: string[], whenStarted?: () => Promise<void>) {
    const ticksMs: number[] = []
    const drainsMs: number[] = []
    let asked = 0
    let delivered = 0
    const change = async () => {
      const { ms, result } = await tick()
      const [account] = (result as { accounts: TickResult[] }).accounts
      if (account?.outcome !== 'committed') throw new Error(`a tick saw no change: ${JSON.stringify(account)}`)
      ticksMs.push(ms)
      asked += account.asked
      if (account.deliveries === 0) return
      const drained = await drain()
      drainsMs.push(drained.ms)
      delivered += (drained.result as DrainResult).delivered
    }
    await change()
    for (const id of sessionIds) startSession(simulator, id)
    await change()
    await whenStarted?.()
    for (const id of sessionIds) closeSession(simulator, id)
    await change()
    return { ticksMs, drainsMs, asked, delivered }
  }
}

async function invoke(instance: WarmInstance, event: object): Promise<{ ms: number; result: unknown }> {
  const beganAt = performance.now()
  const { result, thrown } = await instance.invoke(event)
  if (thrown !== undefined) throw new Error(thrown)
  return { ms: performance.now() - beganAt, result }
}

async function times(count: number, what: () => Promise<{ ms: number }>): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < count; i += 1) taken.push((await what()).ms)
  return median(taken)
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
const mean = (values: number[]) => sum(values) / values.length

async function sizeOf(db: Kysely<Database>, tables: string[]): Promise<{ bytes: number; rows: number }> {
  const sizes = await Promise.all(
    tables.map((table) =>
      sql<{ bytes: number; rows: number }>`
        select pg_total_relation_size(${table}::regclass)::float8 as bytes, count(*)::float8 as rows
        from ${sql.table(table)}`.execute(db),
    ),
  )
  const rows = sizes.flatMap((size) => size.rows)
  return { bytes: sum(rows.map(({ bytes }) => bytes)), rows: sum(rows.map((one) => one.rows)) }
}
