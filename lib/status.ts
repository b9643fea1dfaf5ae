import type { Kysely } from 'kysely'
import { missingMigrations } from './migrate.ts'
import type { Database } from './store/database.ts'
import { explainDatabaseError } from './store/fault.ts'
import { type Backlog, type LastTick, readBacklog, readLastTicks } from './store/status.ts'

/** How it goes, as only the database knows. */
export interface Status {
  migrated: boolean
  /** The migrations that the database lacks. */
  missing: string[]
  accounts: LastTick[]
  /** Null unless it is migrated. */
  backlog: Backlog | null
}

/** Reads it within some hundred milliseconds, and changes nothing. Throws `database_unreachable`. */
export async function readStatus(db: Kysely<Database>): Promise<Status> {
  try {
    const missing = await missingMigrations(db)
    if (missing.length > 0) return { migrated: false, missing, accounts: [], backlog: null }
    return { migrated: true, missing, accounts: await readLastTicks(db), backlog: await readBacklog(db) }
  } catch (error) {
    throw explainDatabaseError(error)
  }
}
