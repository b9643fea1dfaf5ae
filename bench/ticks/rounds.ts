// The rounds of one size: in each, everyone ticks once at each share of change, one after the other, at the same listing.
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import { type Program, startProgram } from '../program.ts'
import type { Api } from './api.ts'
import type { Contestant, Name } from './contestant.ts'
import { type Cost, costOf } from './cost.ts'
import type { Floors, FloorsProgram } from './floors.ts'
import type { Changes } from './population.ts'

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
  rounds: Partial<Record<Name, number>>
}

interface Place {
  db: Kysely<Database>
  databaseUrl: string
  api: Program<Api>
  apiUrl: string
}

type Contestants = Map<Name, Program<Contestant>>

/** A listing grows by so many, as no account grows faster: a first tick of all would be another thing. */
const GROWTH = 10_000

/** Measures one size. Throws unless all of them end up with the same live sessions. */
export async function measureSize(place: Place, plan: Plan): Promise<Case[]> {
  const { db, databaseUrl, api, apiUrl } = place
  const contestants: Contestants = new Map()
  const floors = await startProgram<FloorsProgram>('ticks/floors.ts', databaseUrl, apiUrl)
  try {
    for (const name of Object.keys(plan.rounds) as Name[]) {
      contestants.set(name, await startProgram('ticks/contestant.ts', name, databaseUrl, apiUrl, String(plan.size)))
    }
    await begin(place, plan, contestants, floors)
    const cases = SHARES.map((share): Case => ({ size: plan.size, share, changes: [], costs: {}, floors: [] }))
    const rounds = Math.max(...Object.values(plan.rounds))
    for (let round = 0; round < rounds; round += 1) {
      for (const one of cases) {
        const changes = await api.ask('change', Math.round(plan.size * one.share))
        one.changes.push(changes)
        if (one.share === 0) one.floors.push(await floors.ask('measure'))
        for (const [name, contestant] of rotated(contestants, round)) {
          const cost = await costOf(db, () => contestant.ask('tick'))
          if (cost.events !== null && cost.events !== changes.events) {
            throw new Error(`${name} told ${cost.events} events of ${JSON.stringify(changes)}`)
          }
          ;(one.costs[name] ??= []).push(cost)
        }
      }
      await dismiss(contestants, (name) => plan.rounds[name] === round + 1)
    }
    return cases
  } finally {
    await Promise.all([floors, ...contestants.values()].map((program) => program.stop()))
  }
}

/** Everyone knows the whole listing, is warm, and has changed most pages once since the last checkpoint. */
async function begin(
  { db, api }: Place,
  { size }: Plan,
  contestants: Contestants,
  floors: Program<FloorsProgram>,
): Promise<void> {
  await floors.ask('prepare')
  for (const contestant of contestants.values()) await contestant.ask('prepare')
  await api.ask('populate', size)
  for (let listed = Math.min(GROWTH, size); ; listed = Math.min(listed + GROWTH, size)) {
    await api.ask('list', listed)
    for (const contestant of contestants.values()) await contestant.ask('tick')
    if (listed === size) break
  }
  await sql`vacuum (analyze)`.execute(db)
  await sql`checkpoint`.execute(db)
  for (const share of SHARES) {
    await api.ask('change', Math.round(size * share))
    if (share === 0) await floors.ask('measure')
    for (const contestant of contestants.values()) await contestant.ask('tick')
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
