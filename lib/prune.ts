import type { Kysely } from 'kysely'
import type { Database } from './store/database.ts'
import { explainDatabaseError } from './store/fault.ts'
import { findPrunable, pruneDeliveries, pruneEvents, pruneSnapshots, readClock } from './store/retention.ts'

/** For how many days what is kept by age is kept; null: for ever. */
export interface Retention {
  /** Of a delivery and its attempts, since it was delivered or given up. */
  deliveriesDays: number | null
  /** Of an event, since it was told; as long as it has a delivery it stays. */
  eventsDays: number | null
  /** Of what a tick came to. */
  ticksDays: number | null
}

/** How many rows a prune removed. */
export interface PruneResult {
  deliveries: number
  events: number
  ticks: number
}

const DAY_MS = 86_400_000

/** One step: removes what it can of the oldest, and gives how many rows. */
type Step = (db: Kysely<Database>, before: Date) => Promise<number>

// Deliveries first: only an event without any can go.
const STEPS: [kind: keyof PruneResult, setting: keyof Retention, step: Step][] = [
  ['deliveries', 'deliveriesDays', (db, before) => pruneDeliveries(db, before)],
  ['events', 'eventsDays', pruneOldestStream],
  ['ticks', 'ticksDays', (db, before) => pruneSnapshots(db, before)],
]

/**
 * Removes what is older than it is kept, in turns, until nothing is or half of the time is over: what is begun by then has the
 * other half to end. Each kind has one turn in any case, so that in however little time none is left out. Waits for no lock,
 * and whoever is stopped in the middle lost nothing; any number may run at once. Throws for the database.
 */
export async function prune(db: Kysely<Database>, retention: Retention, timeMs: number): Promise<PruneResult> {
  const lastStepAt = performance.now() + timeMs / 2
  const removed: PruneResult = { deliveries: 0, events: 0, ticks: 0 }
  try {
    const now = await readClock(db)
    let open = STEPS.flatMap(([kind, setting, step]) => {
      const days = retention[setting]
      return days === null ? [] : [{ kind, step, before: new Date(now.getTime() - days * DAY_MS) }]
    })
    do {
      const more: typeof open = []
      for (const turn of open) {
        const rows = await turn.step(db, turn.before)
        removed[turn.kind] += rows
        if (rows > 0) more.push(turn)
      }
      open = more
    } while (open.length > 0 && performance.now() < lastStepAt)
    return removed
  } catch (error) {
    throw explainDatabaseError(error)
  }
}

/** Of the stream with the oldest event; of the next one where somebody has those of the first. */
async function pruneOldestStream(db: Kysely<Database>, before: Date): Promise<number> {
  for (const stream of await findPrunable(db, before)) {
    const rows = await db.transaction().execute((tx) => pruneEvents(tx, stream, before))
    if (rows > 0) return rows
  }
  return 0
}
