// Before a size is measured: everyone that takes part knows the whole listing.
import { type Kysely, sql } from 'kysely'
import { DEFAULT_EVENT_TYPES } from '../../lib/core/event.ts'
import type { Database } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { type Program, startProgram } from '../program.ts'
import type { Api } from './api.ts'
import type { Contestant, Name } from './contestant.ts'
import { accountOf } from './rollcall.ts'

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

/** An account grows by no more in one tick: its first tick is another question. */
const GROWTH = 25_000

/** Who takes part. */
export const namesOf = ({ rounds }: Plan) => Object.keys(rounds) as Name[]

/** Starts the process of one of them. */
export const startContestant = ({ databaseUrl, apiUrl }: Place, { size }: Plan, name: Name) =>
  startProgram<Contestant>('ticks/contestant.ts', name, databaseUrl, apiUrl, String(size))

/** Everyone knows the whole listing; in processes that end with it, so that it takes no memory later. */
export async function prepare(place: Place, plan: Plan): Promise<void> {
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
