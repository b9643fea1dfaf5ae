import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from './database.ts'

/** The database's clock as every table keeps it: whole milliseconds, so that a time read back is the time written. */
export const clock = sql<Date>`date_trunc('milliseconds', clock_timestamp())`

/** For a tick that begins: never a moment that an earlier tick had, though a failover may set the clock back. */
const nextTick = sql<Date>`greatest(${clock},
  (select max(listed_at) + interval '1 millisecond' from snapshot where account_id = account.id))`

/**
 * What, selected within a transaction, ends it with its locks once whoever began it is frozen for a while: nobody would tell
 * the server of an instance that is gone.
 */
export const LIMITS = sql<string>`set_config('idle_in_transaction_session_timeout', '15000', true)
  || set_config('statement_timeout', '25000', true)`

/** An account as a tick finds it; `now` is the database's clock, before the listing is asked for. */
export interface AccountState {
  id: number
  now: Date
  listedAt: Date | null
  digest: string | null
  /** Of the listing that has the digest, or of an older one. */
  fingerprints: Buffer | null
  answerDigest: string | null
}

/** What whoever makes an account shares, and whoever locks all accounts there are has alone: none is born meanwhile. */
const BIRTH = 7_655_112

/** The account of that name, which is made if it is not there yet. */
export async function ensureAccount(db: Kysely<Database>, name: string): Promise<AccountState> {
  const read = () =>
    db
      .selectFrom('account')
      .select(['id', nextTick.as('now'), 'listed_at as listedAt', 'digest', 'fingerprints'])
      .select('answer_digest as answerDigest')
      .where('name', '=', name)
      .executeTakeFirst()
  const found = await read()
  if (found) return found
  await sql`
    insert into account (name) select ${name} from pg_advisory_xact_lock_shared(${BIRTH})
    on conflict (name) do nothing`.execute(db)
  return (await read()) ?? ensureAccount(db, name)
}

/** When all answers of the API are in: never before an event that was told. */
const afterAnswers = sql<Date>`greatest(${clock},
  (select occurred_at from event where account_id = account.id order by position desc limit 1))`

/** The account under its lock; `now` is the database's clock, after every answer of the API is in. */
export interface LockedAccount {
  listedAt: Date | null
  completeAt: Date | null
  position: number
  now: Date
}

/**
 * Locks the account until the transaction ends; undefined when another tick has it. Whoever is frozen with the lock loses it
 * after a while.
 */
export function lockAccount(tx: Transaction<Database>, accountId: number): Promise<LockedAccount | undefined> {
  return tx
    .selectFrom('account')
    .select([
      'listed_at as listedAt',
      'complete_at as completeAt',
      'position',
      afterAnswers.as('now'),
      LIMITS.as('limits'),
    ])
    .where('id', '=', accountId)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst()
}

/**
 * Locks one account, or all there are, until the transaction ends; their ticks are skipped meanwhile. Waits for those under way.
 * Whoever is frozen with the locks loses them after a while.
 */
export async function lockAccounts(
  tx: Transaction<Database>,
  id: number | null,
): Promise<{ id: number; position: number }[]> {
  if (id === null) await sql`select pg_advisory_xact_lock(${BIRTH}), ${LIMITS}`.execute(tx)
  const all = tx.selectFrom('account').select(['id', 'position', LIMITS.as('limits')])
  return (id === null ? all : all.where('id', '=', id)).orderBy('id').forUpdate().execute()
}

/** Moves the locked account to a committed listing; without a digest the next tick looks at everything. */
export async function advanceAccount(
  tx: Transaction<Database>,
  accountId: number,
  to: {
    listedAt: Date
    completeAt: Date | null
    position: number
    digest: string | null
    fingerprints: Buffer | null
    answerDigest: string | null
  },
): Promise<void> {
  await tx
    .updateTable('account')
    .set({
      listed_at: to.listedAt,
      complete_at: to.completeAt,
      digest: to.digest,
      fingerprints: to.fingerprints,
      answer_digest: to.answerDigest,
      position: to.position,
      stalled_at: null,
    })
    .where('id', '=', accountId)
    .execute()
}
