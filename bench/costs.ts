// What does Rollcall cost a month on SCF? The built functions run here, warm, against a real Postgres and the simulator over
// loopback; the model of cost-model.ts makes a month of it. `npm run bench -- costs --memory MB --endpoints N --api-ms MS
// --receiver-ms MS`; with `--price-gb-second P --price-million P`, which a region's price list has, in money.
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Kysely, sql } from 'kysely'
import { startPostgres } from '../lib/local/postgres.ts'
import { serveSimulator } from '../lib/local/simulator/server.ts'
import {
  closeSession,
  createSession,
  createSimulator,
  startSession,
  type Simulator,
} from '../lib/local/simulator/simulator.ts'
import { migrateToLatest } from '../lib/migrate.ts'
import { type Database, openDatabase } from '../lib/store/database.ts'
import { addEndpoint } from '../lib/store/endpoint.ts'
import { startInstance, type WarmInstance } from '../test/support/bundle.ts'
import { openReceiver } from '../test/support/receiver.ts'
import { removePostgres } from '../test/support/remove-postgres.ts'
import { type Load, type Measured, monthOf } from './cost-model.ts'
import type { Report } from './main.ts'
import { median, rounded } from './statistics.ts'

const TICKS = 400
const SESSIONS = 400
/** Of README's table. */
const RETENTION = { deliveriesDays: 30, eventsDays: 30, ticksDays: 400 }

export async function costs(args: string[]): Promise<Report> {
  const { values } = parseArgs({
    args,
    options: {
      memory: { type: 'string', default: '128' },
      endpoints: { type: 'string', default: '1' },
      'api-ms': { type: 'string', default: '50' },
      'receiver-ms': { type: 'string', default: '100' },
      'price-gb-second': { type: 'string' },
      'price-million': { type: 'string' },
    },
  })
  const measured = await measure()
  const load = {
    sweepSeconds: 60,
    endpoints: Number(values.endpoints),
    memoryMb: Number(values.memory),
    apiLatencyMs: Number(values['api-ms']),
    receiverLatencyMs: Number(values['receiver-ms']),
    postsAtOnce: 4,
    retention: RETENTION,
  }
  const table: Report['table'] = {}
  for (const tickSeconds of [5, 10, 30, 60]) {
    for (const sessionsPerDay of [100, 1_000, 10_000]) {
      table[`${tickSeconds} s, ${sessionsPerDay} a day`] = row(
        measured,
        { ...load, tickSeconds, sessionsPerDay },
        values,
      )
    }
  }
  return { table, figures: { measured, load } }
}

function row(measured: Measured, load: Omit<Load, 'slowness'>, prices: Record<string, unknown>) {
  const [here, slower] = [1, 3].map((slowness) => monthOf(measured, { ...load, slowness }))
  if (!here || !slower) throw new Error('no month')
  const gbSecond = Number(prices['price-gb-second'] ?? NaN)
  const million = Number(prices['price-million'] ?? NaN)
  const money = slower.gbSeconds * gbSecond + (slower.invocations / 1e6) * million
  return {
    invocations: Math.round(here.invocations),
    'GB-s': Math.round(here.gbSeconds),
    'GB-s if 3 times as slow': Math.round(slower.gbSeconds),
    'rows written': Math.round(here.rowsWritten),
    'GB kept': rounded(here.gbKept),
    ...(Number.isNaN(money) ? {} : { 'price if 3 times as slow': rounded(money) }),
  }
}

async function measure(): Promise<Measured> {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  chmodSync(dataDir, 0o755)
  const postgres = await startPostgres({ dataDir })
  const db = openDatabase(postgres.url)
  const simulator = createSimulator({ seed: 1, settings: { cachedShare: 1 } })
  const server = await serveSimulator(simulator)
  const receiver = await openReceiver()
  const env = {
    DATABASE_URL: postgres.url,
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
    await removePostgres(postgres, dataDir)
  }
}

async function measureAll(
  db: Kysely<Database>,
  simulator: Simulator,
  reconcile: WarmInstance,
  webhook: WarmInstance,
): Promise<Measured> {
  const timed = async (instance: WarmInstance) => {
    const beganAt = performance.now()
    const { thrown } = await instance.invoke({ Type: 'Timer' })
    if (thrown !== undefined) throw new Error(thrown)
    return performance.now() - beganAt
  }
  const times = async (instance: WarmInstance, count: number) => {
    const taken: number[] = []
    for (let i = 0; i < count; i += 1) taken.push(await timed(instance))
    return median(taken)
  }
  await times(reconcile, 20)
  await times(webhook, 20)
  const ticksBefore = await bytesOf(db, ['snapshot'])
  const unchangedTickMs = await times(reconcile, TICKS)
  const tickBytes = ((await bytesOf(db, ['snapshot'])) - ticksBefore) / TICKS
  const idleSweepMs = await times(webhook, 50)

  const groups = [['session', 'session_version', 'usage_quarter', 'usage_level'], ['event'], ['delivery', 'attempt']]
  const before = await Promise.all(groups.map((tables) => bytesOf(db, tables)))
  const ids = Array.from({ length: SESSIONS }, (_, i) => {
    const created = createSession(simulator, { userId: `user-${i}`, projectId: 'p' })
    return 'ok' in created ? created.ok.id : ''
  })
  const changing = [await timed(reconcile)]
  for (const id of ids) startSession(simulator, id)
  changing.push(await timed(reconcile))
  for (const id of ids) closeSession(simulator, id)
  changing.push(await timed(reconcile))
  const drainMs = await timed(webhook)
  const after = await Promise.all(groups.map((tables) => bytesOf(db, tables)))
  const [sessionBytes = 0, eventBytes = 0, deliveryBytes = 0] = after.map(
    (bytes, i) => (bytes - (before[i] ?? 0)) / SESSIONS,
  )
  const { rows } = await sql<{ events: number; deliveries: number }>`
    select (select count(*) from event)::float8 as events, (select count(*) from delivery)::float8 as deliveries`.execute(
    db,
  )
  const [counted] = rows
  if (!counted) throw new Error('nothing was counted')
  const deliveries = counted.deliveries
  const changes = changing.length * SESSIONS
  return {
    unchangedTickMs,
    changeMs: (changing.reduce((sum, ms) => sum + ms, 0) - changing.length * unchangedTickMs) / changes,
    idleSweepMs,
    deliveryMs: (drainMs - idleSweepMs) / deliveries,
    tickBytes,
    sessionBytes,
    eventBytes,
    deliveryBytes,
    eventsPerSession: counted.events / SESSIONS,
    deliveriesPerSession: deliveries / SESSIONS,
    changesPerSession: changing.length,
  }
}

async function bytesOf(db: Kysely<Database>, tables: string[]): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select sum(pg_total_relation_size(name::regclass))::float8 as bytes from unnest(${tables}::text[]) as name`.execute(
    db,
  )
  return rows[0]?.bytes ?? 0
}
