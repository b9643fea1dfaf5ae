// How long is it from the commit of a change to its receipt? Twenty accounts tick once a second, one after the other, and each
// tick commits a share of the events; an endpoint for each account. Warm, the webhook function is invoked after each commit,
// with the instances that serverless.yml gives it; cold, each invocation is a fresh process of what is deployed. Left out: how
// long SCF takes to pass an invocation on, and the way to Postgres and receivers, which are on this machine. Beside them as many
// bare POSTs, with no database: what the machine can do at all while other work is on it.
// `npm run bench -- news --rounds N --seconds N --rates 10,100,1000 --instances N --cold N`
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Kysely, sql } from 'kysely'
import { openAgents, send } from '../lib/http.ts'
import { migrateToLatest } from '../lib/migrate.ts'
import { type Database, openDatabase } from '../lib/store/database.ts'
import { invokeBundle } from '../test/support/bundle.ts'
import type { Report } from './main.ts'
import { empty, prepare, type Source, writeEvents } from './outbox.ts'
import { withPostgres } from './postgres.ts'
import { nowMs, type Program, ROOT, startProgram } from './program.ts'
import type { Receivers } from './receivers.ts'
import { median, percentile, rounded } from './statistics.ts'
import type { Webhook } from './webhook.ts'

/** With 1,000 events a second, each tick commits 50, each of another session. */
const SHAPE = { accounts: 20, sessions: 250 }
const TICK_MS = 1_000
const WARM_UP_MS = 1_000
const COLD_RATE = 10
const TARGET = { rate: 1_000, ms: 50 }

interface Bench {
  url: string
  db: Kysely<Database>
  receivers: Program<Receivers>
  urls: string[]
  webhook: Program<Webhook>
  sources: Source[]
}

/** Times in milliseconds from commit to receipt. */
interface Round {
  name: string
  rate: number
  p50: number
  p95: number
  p99: number
  events: number
  /** Within the time measured; less than the rate where this machine could not commit as fast. */
  committedPerSecond: number
  drains: number
  throttled: number
}

export async function news(args: string[]): Promise<Report> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      rates: { type: 'string', default: '10,100,1000' },
      instances: { type: 'string', default: '2' },
      cold: { type: 'string', default: '10' },
    },
  })
  const [count, measureMs, cold] = [Number(values.rounds), Number(values.seconds) * 1_000, Number(values.cold)]
  const rates = values.rates.split(',').map(Number)
  execFileSync(process.execPath, ['build.mjs'], { cwd: ROOT, stdio: 'inherit' })
  const figures = await withPostgres({}, async (url) => {
    const bench = await open(url, values.instances)
    try {
      const rounds: Round[] = []
      for (let index = 0; index < count; index += 1) {
        for (const rate of rates) rounds.push(await warmRound(bench, rate, measureMs))
        rounds.push(await bareRound(bench, Math.max(...rates), measureMs))
        if (cold > 0) rounds.push(await coldRound(bench, cold))
      }
      return rounds
    } finally {
      await Promise.all([bench.webhook.stop(), bench.receivers.stop(), bench.db.destroy()])
    }
  })
  const names = [...new Set(figures.map(({ name }) => name))]
  const target = figures.filter(({ name }) => name === warmName(TARGET.rate)).map(({ p99 }) => p99)
  return {
    table: Object.fromEntries(names.map((name) => [name, row(figures.filter((one) => one.name === name))])),
    figures,
    ratios:
      target.length > 0
        ? [{ name: 'news: p99 ms, 1,000 a second', values: target, target: { atMost: TARGET.ms } }]
        : [],
  }
}

const warmName = (rate: number) => `warm, ${rate} a second`

async function open(url: string, instances: string): Promise<Bench> {
  const db = openDatabase(url, { connections: 2 })
  await migrateToLatest(db)
  const receivers = await startProgram<Receivers>('receivers.ts')
  const webhook = await startProgram<Webhook>('webhook.ts', url, instances)
  const urls = await receivers.ask('open', SHAPE.accounts)
  const { sources } = await prepare(db, urls, SHAPE)
  await webhook.ask('warm', Number(instances))
  return { url, db, receivers, urls, webhook, sources }
}

async function warmRound(bench: Bench, rate: number, measureMs: number): Promise<Round> {
  const { receivers, webhook } = bench
  await write(bench, rate, WARM_UP_MS)
  await allReceived(bench)
  await receivers.ask('take')
  const before = await webhook.ask('counts')
  const beganAt = performance.now()
  const committed = await write(bench, rate, measureMs)
  const committedPerSecond = (committed.size * 1_000) / (performance.now() - beganAt)
  await allReceived(bench)
  await webhook.ask('rest')
  const after = await webhook.ask('counts')
  const drains = after.drains - before.drains
  const counts = { committedPerSecond, drains, throttled: after.throttled - before.throttled }
  return summed(bench, { name: warmName(rate), rate, ...counts }, committed)
}

/** Commits as many events a second, in ticks of each account in turn; gives when each was committed, by id. */
async function write({ db, webhook, sources }: Bench, rate: number, forMs: number): Promise<Map<string, number>> {
  // With few events most ticks find nothing, and those are left out.
  const events = Math.max(1, Math.round((rate * TICK_MS) / 1_000 / sources.length))
  const everyMs = (events * 1_000) / rate
  const committed = new Map<string, number>()
  const beganAt = performance.now()
  for (let index = 0; index * everyMs < forMs; index += 1) {
    await sleep(Math.max(0, beganAt + index * everyMs - performance.now()))
    const ids = await writeEvents(db, sources[index % sources.length]!, events)
    const at = nowMs()
    for (const id of ids) committed.set(id, at)
    void webhook.ask('invoke')
  }
  return committed
}

/** As many POSTs as there are events, in the same steps. */
async function bareRound(bench: Bench, rate: number, measureMs: number): Promise<Round> {
  const { receivers, urls } = bench
  const agents = openAgents()
  const sent = new Map<string, number>()
  const post = (index: number) => {
    const headers = { 'webhook-id': `bare${index}`, 'content-type': 'application/json' }
    const request = { method: 'POST', headers, body: 'x'.repeat(600), deadlineMs: 15_000, maxBytes: 1_024 } as const
    sent.set(`bare${index}`, nowMs())
    return send(agents, new URL(urls[index % urls.length]!), request)
  }
  await receivers.ask('take')
  const posts = Math.max(1, Math.round((rate * TICK_MS) / 1_000 / SHAPE.accounts))
  const beganAt = performance.now()
  const answers: Promise<unknown>[] = []
  for (let index = 0; (index * 1_000) / rate < measureMs; index += posts) {
    await sleep(Math.max(0, beganAt + (index * 1_000) / rate - performance.now()))
    for (let one = 0; one < posts; one += 1) answers.push(post(index + one))
  }
  await Promise.all(answers)
  const counts = { committedPerSecond: rate, drains: 0, throttled: 0 }
  return summed(bench, { name: `bare POSTs, ${rate} a second`, rate, ...counts }, sent)
}

async function coldRound(bench: Bench, count: number): Promise<Round> {
  const { url, db, sources } = bench
  const env = { DATABASE_URL: url, WEBHOOK_ALLOW: '127.0.0.0/8' }
  const committed = new Map<string, number>()
  const beganAt = performance.now()
  for (let index = 0; index < count; index += 1) {
    const [id = ''] = await writeEvents(db, sources[index % sources.length]!, 1)
    const at = nowMs()
    committed.set(id, at)
    // One after the other: one that is up already would deliver what another is started for.
    const { thrown } = await invokeBundle('webhook', env, { event: {} })
    if (thrown !== undefined) throw new Error(thrown)
    await sleep(Math.max(0, at + 1_000 / COLD_RATE - nowMs()))
  }
  const committedPerSecond = (count * 1_000) / (performance.now() - beganAt)
  const name = `cold, ${COLD_RATE} a second at most`
  return summed(bench, { name, rate: COLD_RATE, committedPerSecond, drains: count, throttled: 0 }, committed)
}

/** What a throttled invocation was for is delivered by those that run, or else never here: then it is too late for any target. */
async function allReceived({ db }: Bench): Promise<void> {
  for (const end = performance.now() + 30_000; ; await sleep(20)) {
    const { rows } = await sql<{ n: number }>`select count(*) as n from delivery where state = 'pending'`.execute(db)
    if (rows[0]?.n === 0) return
    if (performance.now() > end) throw new Error(`${rows[0]?.n} deliveries are pending after 30 s`)
  }
}

async function summed(
  { db, receivers, sources }: Bench,
  counts: Omit<Round, 'p50' | 'p95' | 'p99' | 'events'>,
  committed: Map<string, number>,
): Promise<Round> {
  const receipts = new Map<string, number>()
  for (const { id, at } of await receivers.ask('take')) if (!receipts.has(id)) receipts.set(id, at)
  const latencies = [...committed].map(([id, at]) => (receipts.get(id) ?? NaN) - at)
  if (latencies.some(Number.isNaN)) throw new Error('an event was delivered, but not received')
  await empty(db, sources)
  const [p50 = 0, p95 = 0, p99 = 0] = [0.5, 0.95, 0.99].map((share) => percentile(latencies, share))
  const round = { ...counts, p50, p95, p99, events: latencies.length }
  console.log(`${round.name}: p50 ${rounded(p50)}, p95 ${rounded(p95)}, p99 ${rounded(p99)}`)
  return round
}

/** Medians over the rounds. */
function row(rounds: Round[]): Report['table'][string] {
  const of = (key: Exclude<keyof Round, 'name'>) => rounded(median(rounds.map((one) => one[key])))
  return {
    'p50 ms': of('p50'),
    'p95 ms': of('p95'),
    'p99 ms': of('p99'),
    events: of('events'),
    'committed a second': of('committedPerSecond'),
    drains: of('drains'),
    throttled: of('throttled'),
  }
}
