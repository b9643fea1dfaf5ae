// The rounds of one size: in each, everyone ticks once at each share of change, one after the other, at the same listing.
import { sql } from 'kysely'
import { type Program, startProgram } from '../program.ts'
import type { Contestant, Name } from './contestant.ts'
import { type Cost, costOf } from './cost.ts'
import type { Floors, FloorsProgram } from './floors.ts'
import type { Changes } from './population.ts'
import { namesOf, type Place, type Plan, prepare, startContestant } from './prepare.ts'

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

type Contestants = Map<Name, Program<Contestant>>

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

const roundsOf = ({ rounds }: Plan) => Math.max(...Object.values(rounds))
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
    const cost = await costOf(db, api, () => contestant.ask('tick'))
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
