// One endpoint of a hundred is a black hole: how much later do the others get their events? Rounds without one and with one
// take turns, so that whatever else the machine does falls on both. On a Postgres that really syncs, with real sockets.
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Kysely, sql } from 'kysely'
import { migrateToLatest } from '../lib/migrate.ts'
import { type Database, openDatabase } from '../lib/store/database.ts'
import { type Form, FORMS } from './black-hole.ts'
import type { Report } from './main.ts'
import { ACCOUNTS, empty, fillBacklog, prepare, type Source, writeEvent } from './outbox.ts'
import { openPostgres } from './postgres.ts'
import { nowMs, type Program, startProgram } from './program.ts'
import type { Receivers } from './receivers.ts'
import { median, percentile, rounded } from './statistics.ts'
import type { Webhook } from './webhook.ts'

const ENDPOINTS = 100
/** The endpoint that is a black hole, or healthy like the others; it never counts. */
const SUSPECT = 0
const BACKLOG = 5_000
/** Instances of the webhook function that wait for an invocation as a round begins. */
const WARM_INSTANCES = 30
/** With nothing to do but to wait for the black hole. */
const IDLE_MS = 1_500

/** How drains come about: as the reconcile function invokes them after each commit, or one after the other without end. */
type Mode = 'invoked' | 'continuous'

interface Bench {
  db: Kysely<Database>
  receivers: Program<Receivers>
  webhook: Program<Webhook>
  sources: Source[]
  endpoints: string[]
  urls: string[]
  mode: Mode
  /** Not measured: the black hole gets its first POSTs, and connections are opened. */
  warmUpMs: number
  measureMs: number
  /** Between two commits, each of which makes a delivery for every endpoint of one account. */
  commitEveryMs: number
}

/** What a round measured; times in milliseconds from commit to receipt, of the other endpoints. */
interface Round {
  form: Form | null
  p50: number
  p95: number
  p99: number
  max: number
  deliveries: number
  statementsPerDelivery: number
  idleStatementsPerSecond: number
  /** Drains at once, at the end. */
  running: number
  load: number
}

/**
 * `--rounds N --seconds N --warm-up N --forms a,b --mode invoked|continuous --rate N` (deliveries a second). The black hole is new
 * to the drains as a round begins; after 16 s of warm-up it is known to fail.
 */
export async function fairness(args: string[]): Promise<Report> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '6' },
      'warm-up': { type: 'string', default: '1.5' },
      forms: { type: 'string', default: FORMS.join(',') },
      mode: { type: 'string', default: 'invoked' },
      rate: { type: 'string', default: '200' },
    },
  })
  const forms = FORMS.filter((form) => values.forms.split(',').includes(form))
  const bench = await open(values.mode === 'continuous' ? 'continuous' : 'invoked', values)
  const rounds: Record<string, Round[]> = {}
  try {
    await round(bench, null)
    for (let index = 0; index < Number(values.rounds); index += 1) {
      for (const form of forms) {
        const pair = [await round(bench, null), await round(bench, form)]
        rounds[form] = [...(rounds[form] ?? []), ...pair]
        for (const { p50, p99, load } of pair)
          console.log(`${form}: p50 ${rounded(p50)}, p99 ${rounded(p99)}, load ${load}`)
      }
    }
  } finally {
    await bench.close()
  }
  return { table: Object.fromEntries(forms.map((form) => [form, row(rounds[form] ?? [])])), figures: rounds }
}

async function open(
  mode: Mode,
  { seconds, rate, 'warm-up': warmUp }: { seconds: string; rate: string; 'warm-up': string },
): Promise<Bench & { close(): Promise<void> }> {
  const postgres = await openPostgres({ max_connections: '300' })
  try {
    const db = openDatabase(postgres.url, { connections: 2 })
    await migrateToLatest(db)
    const receivers = await startProgram<Receivers>('receivers.ts')
    const webhook = await startProgram<Webhook>('webhook.ts', postgres.url)
    const urls = await receivers.ask('open', ENDPOINTS)
    const prepared = await prepare(db, urls)
    const commitEveryMs = (1_000 * ENDPOINTS) / ACCOUNTS / Number(rate)
    const [measureMs, warmUpMs] = [Number(seconds) * 1_000, Number(warmUp) * 1_000]
    const bench = { db, receivers, webhook, urls, mode, measureMs, warmUpMs, commitEveryMs, ...prepared }
    return {
      ...bench,
      close: async () => {
        await Promise.all([webhook.stop(), receivers.stop(), db.destroy()])
        await postgres.close()
      },
    }
  } catch (error) {
    await postgres.close()
    throw error
  }
}

async function round(bench: Bench, form: Form | null): Promise<Round> {
  const { db, receivers, webhook, endpoints, urls, mode, measureMs } = bench
  const suspect = endpoints[SUSPECT] ?? ''
  const load = loadavg()[0] ?? 0
  await webhook.ask('warm', WARM_INSTANCES)
  const healthy = { url: urls[SUSPECT] ?? '', dnsServer: undefined }
  const hole = form ? await receivers.ask('dig', form) : healthy
  if (hole.dnsServer !== undefined) await webhook.ask('resolveBy', hole.dnsServer)
  await db.updateTable('endpoint').set({ url: hole.url }).where('id', '=', suspect).execute()
  if (form === 'backlog') await fillBacklog(db, suspect, BACKLOG)
  await receivers.ask('take')

  if (mode === 'continuous') await webhook.ask('loop')
  await write(bench, bench.warmUpMs)
  const before = await webhook.ask('counts')
  const committed = await write(bench, measureMs)
  const latencies = await latenciesOf(bench, committed)
  const after = await webhook.ask('counts')
  await sleep(IDLE_MS)
  const idle = await webhook.ask('counts')

  // What hangs ends, and nothing of it is tried again.
  await db.updateTable('endpoint').set({ state: 'paused' }).where('id', '=', suspect).execute()
  await receivers.ask('fill')
  await webhook.ask('rest')
  await empty(db, bench.sources)
  return {
    form,
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    max: percentile(latencies, 1),
    deliveries: latencies.length,
    statementsPerDelivery: (after.statements - before.statements) / latencies.length,
    idleStatementsPerSecond: ((idle.statements - after.statements) * 1_000) / IDLE_MS,
    running: after.running,
    load,
  }
}

/** Commits an event every so often, of each account in turn; gives when each was committed, by id. */
async function write(
  { db, webhook, sources, mode, commitEveryMs }: Bench,
  forMs: number,
): Promise<Map<string, number>> {
  const committed = new Map<string, number>()
  const beganAt = performance.now()
  for (let index = 0; index * commitEveryMs < forMs; index += 1) {
    await sleep(Math.max(0, beganAt + index * commitEveryMs - performance.now()))
    const source = sources[index % sources.length]
    if (!source) continue
    const id = await writeEvent(db, source)
    committed.set(id, nowMs())
    if (mode === 'invoked') void webhook.ask('invoke')
  }
  return committed
}

/** Waits until the other endpoints have what was committed; gives how long each first receipt took. */
async function latenciesOf({ db, receivers, endpoints }: Bench, committed: Map<string, number>): Promise<number[]> {
  const suspect = endpoints[SUSPECT] ?? ''
  for (const end = performance.now() + 30_000; ; await sleep(50)) {
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from delivery where state = 'pending' and endpoint_id <> ${suspect}`.execute(db)
    if (rows[0]?.n === 0) break
    if (performance.now() > end) throw new Error(`${rows[0]?.n} deliveries of healthy endpoints are pending after 30 s`)
  }
  const seen = new Set<string>()
  return (await receivers.ask('take')).flatMap(({ receiver, id, at }) => {
    const committedAt = committed.get(id)
    if (receiver === SUSPECT || committedAt === undefined || seen.has(`${receiver} ${id}`)) return []
    seen.add(`${receiver} ${id}`)
    return [at - committedAt]
  })
}

/** Figures are medians over the rounds, first without a black hole, then with it. */
function row(rounds: Round[]): Record<string, string | number> {
  const [healthy, holed] = [rounds.filter(({ form }) => form === null), rounds.filter(({ form }) => form !== null)]
  const both = (key: Exclude<keyof Round, 'form'>) =>
    [healthy, holed].map((half) => rounded(median(half.map((one) => one[key])))).join(' → ')
  const ratios = holed.map(({ p99 }, index) => p99 / (healthy[index]?.p99 ?? NaN)).sort((a, b) => a - b)
  return {
    'p50 ms': both('p50'),
    'p95 ms': both('p95'),
    'p99 ms': both('p99'),
    'max ms': both('max'),
    'p99 ratio': rounded(median(holed.map(({ p99 }) => p99)) / median(healthy.map(({ p99 }) => p99))),
    'of pairs': `${rounded(ratios[0] ?? NaN)} … ${rounded(ratios.at(-1) ?? NaN)}`,
    'statements per delivery': both('statementsPerDelivery'),
    'per idle second': both('idleStatementsPerSecond'),
    'drains at once': both('running'),
    load: both('load'),
  }
}
