// What a run holds, and how its actors are started.
import type { Kysely } from 'kysely'
import { describe } from '../../lib/errors.ts'
import type { Chance } from '../../lib/local/simulator/chance.ts'
import type { Settings, Simulator } from '../../lib/local/simulator/simulator.ts'
import type { Traffic } from '../../lib/local/simulator/traffic.ts'
import type { Poster } from '../../lib/post.ts'
import type { Account } from '../../lib/reconcile.ts'
import type { Database } from '../../lib/store/database.ts'
import type { Missed } from '../../lib/store/endpoint-state.ts'
import type { From } from '../../lib/store/event.ts'
import { type Actor, Killed, startActor, type Tap } from './actor.ts'
import type { CommittedListing, SeenRequest } from './oracles.ts'
import type { Mood, Receivers } from './receivers.ts'

/** The one endpoint that wants everything, and is never disabled. */
export const WITNESS = 'witness'

/** The one endpoint that is told of those that are disabled, and of deliveries that are dead. */
export const LISTENER = 'listener'

/** The clocks that may be wrong, in milliseconds; the API's own two are set by the run. */
export interface Clocks {
  /** The API's: what sessions live by. */
  life: number
  /** How far the API's wall clock is ahead of the function's: what signatures are held against. */
  apiAhead: number
  /** How far the database's clock is off. */
  database: number
}

/** What does not change from step to step, in runs that seek one kind of trouble. */
export interface Only {
  /** What operators want of what was missed. */
  missed?: Missed
  /** How receivers may behave. */
  moods?: Mood[]
  /** Which clocks may jump. */
  clocks?: (keyof Clocks)[]
  /** How the API misbehaves from the beginning, until all is quiet. */
  settings?: Partial<Settings>
}

export interface Run {
  /** Of the step under way. */
  chance: Chance
  url: string
  /** The simulation's own hand in the database: never part of what is tested. */
  admin: Kysely<Database>
  simulator: Simulator
  clocks: Clocks
  people: Traffic
  account: Account
  receivers: Receivers
  poster: Poster
  actors: Actor[]
  /** Ids by name. */
  endpoints: Map<string, string>
  /** What the witness got once more when it was all over, and all of it replayed. */
  again: SeenRequest[]
  /** With what each began, by name. */
  begun: Map<string, From>
  /** Those that were sent something again, by name. */
  replayed: Set<string>
  /** Those of which deliveries were given up before they had them, by name. */
  mortal: Set<string>
  /** Those that were found disabled when all was over, though no operator had done it, by name. */
  gone: Set<string>
  /** The least that each, by name, wanted of what it had missed. */
  wanted: Map<string, Missed>
  /** Attempts of deliveries when they were first found to be delivered, by endpoint and event. */
  delivered: Map<string, number>
  counts: Record<string, number>
  /** What the API answered to a tick, by the tick's time. */
  listings: Map<number, CommittedListing['items']>
  breaches: string[]
  only: Only
  /** The actor that does not go on until another freezes. */
  frozen: Actor | undefined
  /** How often each step comes, where it is not the usual. */
  weights: Partial<Record<string, number>>
}

export function count(run: Run, what: string, by = 1): void {
  run.counts[what] = (run.counts[what] ?? 0) + by
}

/** Starts an actor, whose statements see the database's clock as it is set; resolves when it waits. */
export async function start<Result>(
  run: Run,
  name: string,
  work: (db: Kysely<Database>) => Promise<Result>,
  onEnd: (result: Result | undefined, error: unknown) => void,
  sent?: NonNullable<Tap['sent']>,
): Promise<void> {
  const rewrite = (statement: string) => {
    const { database } = run.clocks
    const off = `(clock_timestamp() + interval '${database} milliseconds')`
    return database === 0 ? statement : statement.replaceAll(/\b(now|clock_timestamp)\(\)/g, off)
  }
  const actor = startActor(name, run.url, work, onEnd, { rewrite, ...(sent && { sent }) })
  run.actors.push(actor)
  await actor.settled(1_000)
}

export function note(run: Run, name: string, outcome: string | undefined, error: unknown): void {
  if (outcome) count(run, `${name} ${outcome}`)
  else if (!(error instanceof Killed)) {
    count(run, `${name} failed`)
    if (process.env.TRACE) console.log(name, describe(error))
  }
}
