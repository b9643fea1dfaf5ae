// How many deliveries a second does a drain make, with lanes, fences, address guard and signatures, beside job queues whose jobs
// make the same signed POSTs by the same HTTP client? And beside its parts alone: the client, and claims and settles. All take
// turns on one Postgres that really syncs; each in a process of its own, to receivers in another.
// `npm run bench -- drain --rounds N --deliveries N`.
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { SECRET_PREFIX } from '../lib/core/signature.ts'
import type { Contestant, Drained } from './drain/contestant.ts'
import type { Sink } from './drain/sink.ts'
import type { Target, Terms } from './drain/work.ts'
import type { Report } from './main.ts'
import { withPostgres } from './postgres.ts'
import { type Program, startProgram } from './program.ts'
import { type Ratio, ratioOf } from './ratio.ts'
import { median, rounded } from './statistics.ts'

type Name = 'Rollcall' | 'pg-boss' | 'graphile-worker' | 'its client alone' | 'undici alone' | 'claim and settle alone'
/** Their programs, with arguments. */
const CONTESTANTS: Record<Name, [file: string, ...args: string[]]> = {
  Rollcall: ['drain/rollcall.ts'],
  'pg-boss': ['drain/peer.ts', 'pg-boss'],
  'graphile-worker': ['drain/peer.ts', 'graphile-worker'],
  'its client alone': ['drain/client.ts'],
  'undici alone': ['drain/peer.ts', 'undici'],
  'claim and settle alone': ['drain/rollcall.ts', 'without POST'],
}
const NAMES = Object.keys(CONTESTANTS) as Name[]

interface Case {
  name: string
  endpoints: number
  answerMs: number
  /** Of the deliveries: where receivers are slow, fewer, so that it stays within time. */
  share: number
  /** Who takes part (default: all). */
  names?: Name[]
  terms: Terms
}

/** Whoever delivers keeps to the same number of POSTs at once: by default Rollcall gives one endpoint eight. */
const EIGHT = { perEndpoint: 8, batchSize: 1 }
const CASES: Case[] = [
  { name: '100 at once', endpoints: 100, answerMs: 0, share: 1, terms: { atOnce: 200, ...EIGHT } },
  { name: '1 at once', endpoints: 1, answerMs: 0, share: 0.5, terms: { atOnce: 8, ...EIGHT } },
  { name: '100 after 20 ms', endpoints: 100, answerMs: 20, share: 0.25, terms: { atOnce: 200, ...EIGHT } },
  // Eight at once would be 400 a second for anybody: here one endpoint gets all there are.
  {
    name: '1 after 20 ms',
    endpoints: 1,
    answerMs: 20,
    share: 0.25,
    terms: { atOnce: 200, perEndpoint: 200, batchSize: 1 },
  },
]
/** What batches are for: an endpoint that takes its time. */
const UNBATCHED: Case = {
  name: '1 after 20 ms, eight at once',
  endpoints: 1,
  answerMs: 20,
  share: 0.1,
  names: ['Rollcall'],
  terms: { atOnce: 8, ...EIGHT },
}
const BATCHED: Case = {
  ...UNBATCHED,
  name: '1 after 20 ms, batches of 50',
  terms: { atOnce: 8, perEndpoint: 8, batchSize: 50 },
}
const ALL = [...CASES, UNBATCHED, BATCHED]

interface Bench {
  databaseUrl: string
  sink: Program<Sink>
  programs: Map<Name, Program<Contestant>>
}

/** A turn of one contestant in one case. */
interface Turn extends Drained {
  case: string
  contestant: string
  round: number
  deliveries: number
  posts: number
  load: number
}

export async function drain(args: string[]): Promise<Report> {
  const options = {
    rounds: { type: 'string', default: '3' },
    deliveries: { type: 'string', default: '20000' },
  } as const
  const { values } = parseArgs({ args, options })
  return withPostgres({}, async (url) => {
    const bench = await open(url)
    // Whatever is compiled or first opened is left out.
    for (const one of ALL) await round(bench, one, -1, 1_000)
    const turns: Turn[] = []
    for (let index = 0; index < Number(values.rounds); index += 1) {
      for (const one of ALL) turns.push(...(await round(bench, one, index, Number(values.deliveries) * one.share)))
    }
    await close(bench)
    return { table: tableOf(turns), figures: turns, ratios: ratiosOf(turns) }
  })
}

async function open(databaseUrl: string): Promise<Bench> {
  const sink = await startProgram<Sink>('drain/sink.ts')
  const programs: Bench['programs'] = new Map()
  for (const name of NAMES) {
    const program = await startProgram<Contestant>(...CONTESTANTS[name])
    await program.ask('open', databaseUrl)
    programs.set(name, program)
  }
  return { databaseUrl, sink, programs }
}

async function close({ sink, programs }: Bench): Promise<void> {
  for (const program of programs.values()) {
    await program.ask('close')
    await program.stop()
  }
  await sink.stop()
}

/** Each once, and each round another one first. */
async function round(bench: Bench, one: Case, round: number, deliveries: number): Promise<Turn[]> {
  const urls = await bench.sink.ask('open', one.endpoints, one.answerMs)
  const targets = urls.map((url) => ({ url, secret: SECRET_PREFIX + Buffer.alloc(32, url).toString('base64') }))
  const names = one.names ?? NAMES
  const turns: Turn[] = []
  for (const index of names.keys()) {
    const name = names[(index + round + names.length) % names.length]
    if (name) turns.push(await turn(bench, one, name, round, deliveries, targets))
  }
  return turns
}

async function turn(
  { sink, programs }: Bench,
  one: Case,
  name: Name,
  round: number,
  deliveries: number,
  targets: Target[],
): Promise<Turn> {
  const program = programs.get(name)
  if (!program) throw new Error(`${name} does not run`)
  await program.ask('fill', deliveries, targets, one.terms)
  const load = loadavg()[0] ?? 0
  const drained = await program.ask('drain')
  const { posts, events } = await sink.ask('take')
  if (posts > 0 && events !== deliveries) throw new Error(`${name}: ${events} of ${deliveries} deliveries came`)
  if (round >= 0) console.log(`${one.name}, ${name}: ${Math.round((1_000 * deliveries) / drained.ms)}/s`)
  return { case: one.name, contestant: name, round, deliveries, posts, load, ...drained }
}

const perSecond = ({ deliveries, ms }: Turn) => (1_000 * deliveries) / ms
const perDelivery = ({ statements, deliveries }: Turn) => statements / deliveries
const growth = ({ quarterRss, endRss }: Turn) => endRss / quarterRss

function tableOf(turns: Turn[]): Report['table'] {
  const rows = new Map<string, Turn[]>()
  for (const one of turns) {
    const name = `${one.case}: ${one.contestant}`
    rows.set(name, [...(rows.get(name) ?? []), one])
  }
  return Object.fromEntries([...rows].map(([name, row]) => [name, rowOf(row)]))
}

/** Medians of the rounds. */
function rowOf(turns: Turn[]): Report['table'][string] {
  return {
    'deliveries/s': Math.round(median(turns.map(perSecond))),
    'statements per delivery': rounded(median(turns.map(perDelivery))),
    'MB at a quarter': Math.round(median(turns.map(({ quarterRss }) => quarterRss)) / 1e6),
    'MB at the end': Math.round(median(turns.map(({ endRss }) => endRss)) / 1e6),
  }
}

function ratiosOf(turns: Turn[]): Ratio[] {
  const of = (one: Case, name: Name) => turns.filter((turn) => turn.case === one.name && turn.contestant === name)
  const speed = (one: Case, name: Name) => of(one, name).map(perSecond)
  const ofCase = (one: Case): Ratio[] => {
    const beside = (peer: Name, atLeast: number) =>
      ratioOf(`${one.name}: Rollcall / ${peer}`, speed(one, 'Rollcall'), speed(one, peer), { atLeast })
    const own = of(one, 'Rollcall')
    return [
      beside('pg-boss', 1.5),
      beside('graphile-worker', 1.1),
      beside('its client alone', 0.65),
      { name: `${one.name}: statements per delivery`, values: own.map(perDelivery), target: { atMost: 0.1 } },
      { name: `${one.name}: memory, end / a quarter`, values: own.map(growth), target: { atMost: 1.2 } },
    ]
  }
  const batched = ratioOf(`${BATCHED.name} / singly`, speed(BATCHED, 'Rollcall'), speed(UNBATCHED, 'Rollcall'), {
    atLeast: 5,
  })
  return [...CASES.flatMap(ofCase), batched]
}
