import type { Kysely } from 'kysely'
import type { Database } from './store/database.ts'
import { explainDatabaseError } from './store/fault.ts'
import { findUnsummed, sumQuarters } from './store/usage.ts'

/**
 * Sums for reports what cannot change any more, in turns, an account after the other, until all is summed or half of the time
 * is over: what is begun by then has the other half to end. Who is behind the most comes first, and one has its turn in any case.
 * Gives how many quarters of an hour were summed. Reports are right without it, and slower. Whoever is stopped in the middle lost
 * nothing; any number may run at once. Throws for the database, once the others had their turns.
 */
export async function rollUp(db: Kysely<Database>, timeMs: number): Promise<number> {
  const lastStepAt = performance.now() + timeMs / 2
  let summed = 0
  const faults: unknown[] = []
  const sumOrFail = (account: number) =>
    db
      .transaction()
      .execute((tx) => sumQuarters(tx, account))
      .catch((error: unknown) => {
        faults.push(error)
        return 0
      })
  try {
    let open = await findUnsummed(db)
    while (open.length > 0) {
      const more: number[] = []
      for (const account of open) {
        if (summed > 0 && performance.now() >= lastStepAt) break
        const quarters = await sumOrFail(account)
        summed += quarters
        if (quarters > 0) more.push(account)
      }
      open = performance.now() < lastStepAt ? more : []
    }
  } catch (error) {
    faults.push(error)
  }
  if (faults.length > 0) throw explainDatabaseError(faults[0])
  return summed
}
