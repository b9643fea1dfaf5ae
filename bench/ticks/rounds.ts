// The rounds of one size: in each, everyone ticks once at each share of change, one after the other, at the same listing.
import { type Kysely, sql } from 'kysely'
import { DEFAULT_EVENT_TYPES } from '../../lib/core/event.ts'
import type { Database } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { type Program, startProgram } from '../program.ts'
import type { Api } from './api.ts'
import type { Contestant, Name } from './contestant.ts'
import { type Cost, costOf } from './cost.ts'
import type { Floors, FloorsProgram } from './floors.ts'
import type { Changes } from './population.ts'
import { accountOf } from './rollcall.ts'

/** How much of a listing changes from one tick to the next. */
export const SHARES = [0, 0.01, 0.1] as const
export type Share = (typeof SHARES)[number]

/** What was measured of one size with one share of change: of each round, in order. */
export interface Case {
  size: number
  share: Share
  changes: Changes[]
  costs: Partial<Record<Name, Cost[]>>
  /** Where nothing changed. */
  floors: Floors[]
}

/** How one size is measured: who takes part, in how many rounds; whoever has fewer has the first ones. */
export interface Plan {
  size: number
  /** Rounds before those that are measured. */
  warmUps: number
  rounds: Partial<Record<Name, number>>
}

/** Where all sizes are measured, one after the other. */
export interface Place {
  db: Kysely<Database>
  databaseUrl: string
  api: Program<Api>
  apiUrl: string
  /** How many take Rollcall's events. */
  endpoints: number
}

type Contestants = Map<Name, Program<Contestant>>

/** An account grows by no more in one tick: its first tick is another question. */
const GROWTH = 25_000

/** Measures one size. Throws unless all of them end up with the same live sessions. */
export async function measureSize(place: Place, plan: Plan): Promise<Case[]> {
  const contestants: Contestants = new Map()
  const floors = await startProgram<FloorsProgram>('ticks/floors.ts', place.databaseUrl, place.apiUrl)
  try {
    await prepare(place, plan)
    for (const name of namesOf(plan)) contestants.set(name, await startContestant(place, plan, name))
    await warmUp(place, plan, contestants, floors)
    const cases = SHARES.map((share): Case => ({ size: plan.size, share, changes: [], costs: {}, floors: [] }))
    for (let round = 0; round < roundsOf(plan); round += 1) {
      for (const one of cases) await measureCase(place, one, rotated(contestants, round), floors)
      await dismiss(contestants, (name) => plan.rounds[name] === round + 1)
    }
    return cases
  } finally {
    await Promise.all([floors, ...contestants.values()].map((program) => program.stop()))
  }
}

const namesOf = ({ rounds }: Plan) => Object.keys(rounds) as Name[]
const roundsOf = ({ rounds }: Plan) => Math.max(...Object.values(rounds))

const startContestant = ({ databaseUrl, apiUrl }: Place, { size }: Plan, name: Name) =>
  startProgram<Contestant>('ticks/contestant.ts', name, databaseUrl, apiUrl, String(size))

/** Everyone knows the whole listing; in processes that end with it, so that it takes no memory later. */
async function prepare(place: Place, plan: Plan): Promise<void> {
  const { db, api, endpoints } = place
  const { size } = plan
  await api.ask('populate', size)
  for (const name of namesOf(plan)) {
    const contestant = await startContestant(place, plan, name)
    const first = name === 'rollcall' ? Math.min(GROWTH, size) : size
    for (let listed = first; ; listed = Math.min(listed + GROWTH, size)) {
      await api.ask('list', listed)
      await contestant.ask('prepare')
      if (listed === size) break
    }
    await contestant.stop()
  }
  const endpoint = { account: accountOf(size), events: DEFAULT_EVENT_TYPES }
  for (let index = 0; index < endpoints; index += 1) {
    await addEndpoint(db, { ...endpoint, url: `http://127.0.0.1:9/${index}` })
  }
  await sql`vacuum (analyze)`.execute(db)
}

/** Compilers are done, and most pages have changed once since the last checkpoint: a first change is logged as a whole page. */
async function warmUp(
  { db, api }: Place,
  plan: Plan,
  contestants: Contestants,
  floors: Program<FloorsProgram>,
): Promise<void> {
  await floors.ask('prepare')
  await sql`checkpoint`.execute(db)
  await sql`select pg_stat_force_next_flush()`.execute(db)
  const shares = Array.from({ length: plan.warmUps }, () => SHARES).flat()
  for (const [index, share] of shares.entries()) {
    await api.ask('change', changed(plan, share))
    if (share === 0) await floors.ask('measure')
    for (const [name, contestant] of contestants) {
      // Whoever has fewer rounds, because it takes so long, goes through all this in one tick.
      const isSlow = (plan.rounds[name] ?? 0) < roundsOf(plan)
      if (!isSlow || index === shares.length - 1) await contestant.ask('tick')
    }
  }
}

const changed = ({ size }: { size: number }, share: Share) => Math.round(size * share)

async function measureCase(
  { db, api }: Place,
  one: Case,
  contestants: [Name, Program<Contestant>][],
  floors: Program<FloorsProgram>,
): Promise<void> {
  const changes = await api.ask('change', changed(one, one.share))
  one.changes.push(changes)
  if (one.share === 0) one.floors.push(await floors.ask('measure'))
  for (const [name, contestant] of contestants) {
    const cost = await costOf(db, () => contestant.ask('tick'))
    if (cost.events !== null && cost.events !== changes.events) {
      throw new Error(`${name} told ${cost.events} events of ${JSON.stringify(changes)}`)
    }
    ;(one.costs[name] ??= []).push(cost)
  }
}

/** Stops those that have had all their rounds, if they know what the others know. */
async function dismiss(contestants: Contestants, isDone: (name: Name) => boolean): Promise<void> {
  const states = new Map<Name, string>()
  for (const [name, contestant] of contestants) states.set(name, await contestant.ask('live'))
  if (new Set(states.values()).size > 1) {
    throw new Error(`they do not know the same sessions: ${JSON.stringify([...states])}`)
  }
  for (const [name, contestant] of contestants) {
    if (!isDone(name)) continue
    await contestant.stop()
    contestants.delete(name)
  }
}

/** Another one begins each round. */
function rotated(contestants: Contestants, round: number): [Name, Program<Contestant>][] {
  const all = [...contestants]
  const first = round % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}
