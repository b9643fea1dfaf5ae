import { type Kysely, Migrator } from 'kysely'
import { migrations } from '../migrations/index.ts'
import { AppError, describe } from './errors.ts'
import { explainDatabaseError } from './store/fault.ts'

/**
 * Brings the database to this code's newest migration and gives the names of those it applied. Safe to run twice, and
 * by many at once. Throws `migration_failed`, with everything rolled back.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- migrations come before the types of the tables they make
export async function migrateToLatest(db: Kysely<any>): Promise<string[]> {
  const { error, results } = await openMigrator(db).migrateToLatest()
  const fault = explainDatabaseError(error)
  if (fault instanceof AppError && fault.code === 'database_unreachable') throw fault
  if (error) {
    const failed = results?.find((result) => result.status === 'Error')
    const where = failed ? `migration ${failed.migrationName} failed` : 'the migrations could not be run'
    throw new AppError('migration_failed', `${where}: ${describe(error)}; nothing of it was kept`, { cause: error })
  }
  return (results ?? []).map((result) => result.migrationName)
}

/** The migrations of this code that the database lacks, in order. Changes nothing, and needs no table. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export async function missingMigrations(db: Kysely<any>): Promise<string[]> {
  const known = await openMigrator(db).getMigrations()
  return known.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name)
}

// oxlint-disable-next-line typescript/no-explicit-any -- as above
const openMigrator = (db: Kysely<any>) =>
  new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } })
