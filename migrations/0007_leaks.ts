import type { Kysely } from 'kysely'
import { replaceFunction } from './report/create.ts'

/**
 * A session that nobody starts is a leak after 5 minutes instead of 10: the API itself ends an idle one after 10 minutes, so that
 * nearly none of them was ever told. And one that lives is no leak for having taken long to prepare, once it is ready.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function up(db: Kysely<any>): Promise<void> {
  await replaceFunction(db, 'leaks')
}
