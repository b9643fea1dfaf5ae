import { type Kysely, sql } from 'kysely'

/**
 * So that a tick reads the sessions whose buckets changed, and no others: a fingerprint of each bucket of the last listing, and
 * the bucket of each session. Sessions of before have none, and are always read until they end.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function up(db: Kysely<any>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `alter table account add column fingerprints bytea, add column answer_digest text`,
  // Hashes cannot be compressed.
  `alter table account alter column fingerprints set storage external`,
  `alter table session add column bucket smallint`,
  // lib/store/session.ts says why it is one number.
  `create index session_bucket on session ((account_id * bigint '32768' + coalesce(bucket, 32767))) where ended_at is null`,
]
