// One run of a tick or a drain under the simulation's hand: it stops before every statement it sends, and goes on, is
// killed, or loses the answer, when the simulation says so. The points are found by instrumentation: whatever statement
// lib/ sends passes here.
import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import { openPool } from '../../lib/store/pool.ts'

/** What happens to an actor at a point: its statement is sent, or it dies before or right after. */
export type Fate = 'go on' | 'die before' | 'die after'

/** What watches the statements of an actor, or changes one on its way. */
export interface Tap {
  rewrite?: (statement: string) => string
  sent?: (statement: string, rows: Record<string, unknown>[]) => void
}

export interface Actor {
  name: string
  /** The statement it waits to send; undefined while it works, and once it is done. */
  waitsAt(): string | undefined
  proceed(fate: Fate): void
  done: boolean
  /** Resolves when it waits, is done, or has worked for `ms` without either, as one does that waits for a lock. */
  settled(ms: number): Promise<void>
}

export class Killed extends Error {}

/** Starts work on a database of its own connections; `onEnd` gets what it gave, or what it threw. */
export function startActor<Result>(
  name: string,
  url: string,
  work: (db: Kysely<Database>) => Promise<Result>,
  onEnd: (result: Result | undefined, error: unknown) => void,
  tap: Tap = {},
): Actor {
  let waiting: { statement: string; resolve: (fate: Fate) => void } | undefined
  let killed = false
  let stirred = () => {}
  const actor: Actor = {
    name,
    done: false,
    waitsAt: () => waiting?.statement,
    proceed: (fate) => {
      const { resolve } = waiting!
      waiting = undefined
      resolve(fate)
    },
    settled: (ms) =>
      new Promise((resolve) => {
        if (waiting || actor.done) return resolve()
        const timer = setTimeout(resolve, ms)
        stirred = () => {
          clearTimeout(timer)
          resolve()
        }
      }),
  }

  const gated = (client: PostgresPoolClient): PostgresPoolClient => {
    const query = async (statement: string, values: readonly unknown[]) => {
      if (killed) throw new Killed(name)
      const fate = await new Promise<Fate>((resolve) => {
        waiting = { statement, resolve }
        stirred()
      })
      if (fate === 'die before') killed = true
      if (killed) throw new Killed(name)
      const result = await client.query<Record<string, unknown>>(tap.rewrite?.(statement) ?? statement, [...values])
      tap.sent?.(statement, result.rows)
      if (fate === 'die after') killed = true
      if (killed) throw new Killed(name)
      return result
    }
    return { query, release: () => client.release() } as unknown as PostgresPoolClient
  }
  const pool = openPool(url, { connections: 3 })
  const gatedPool: PostgresPool = { connect: async () => gated(await pool.connect()), end: () => pool.end() }
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: gatedPool }) })
  void work(db)
    .then(
      (result) => onEnd(result, undefined),
      (error: unknown) => onEnd(undefined, error),
    )
    // Closing its connections rolls back what a killed one had open, as the end of its process would.
    .then(() => db.destroy())
    .finally(() => {
      actor.done = true
      stirred()
    })
  return actor
}
