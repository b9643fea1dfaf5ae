import { type Kysely, sql, type Transaction } from 'kysely'
import type { ChangeType } from '../core/diff.ts'
import type { Database } from './database.ts'

/** Stores the snapshot of a tick that changed something, or may have missed something. */
export async function saveSnapshot(
  tx: Transaction<Database>,
  snapshot: {
    accountId: number
    listedAt: Date
    complete: boolean
    sessionCount: number
    changes: Record<ChangeType, number>
    durationMs: number
  },
): Promise<void> {
  const { accountId: account_id, listedAt: listed_at, changes } = snapshot
  const row = {
    outcome: snapshot.complete ? ('committed' as const) : ('incomplete' as const),
    session_count: snapshot.sessionCount,
    created_count: changes.created,
    ready_count: changes.ready,
    started_count: changes.started,
    closed_count: changes.closed,
    failed_count: changes.failed,
    duration_ms: snapshot.durationMs,
    error: null,
  }
  await tx
    .insertInto('snapshot')
    .values({ account_id, listed_at, ...row })
    // Another tick of the same millisecond may have failed; of two that came to something, one was stale.
    .onConflict((conflict) =>
      conflict.columns(['account_id', 'listed_at']).doUpdateSet(row).where('snapshot.outcome', '=', 'failed'),
    )
    .execute()
}

/**
 * Stores the snapshot of a listing equal to the one before, in one statement: one snapshot row, and the account's time.
 * False, with nothing written, when the account is locked, has moved on, or holds another digest.
 */
export async function saveUnchanged(
  db: Kysely<Database>,
  snapshot: {
    accountId: number
    listedAt: Date
    digest: string
    answerDigest: string
    sessionCount: number
    durationMs: number
  },
): Promise<boolean> {
  const { accountId, listedAt, digest, answerDigest, sessionCount, durationMs } = snapshot
  const saved = await sql`
    with fenced as (
      select id from account
      where id = ${accountId} and digest = ${digest} and listed_at < ${listedAt}
      for update skip locked
    ), moved as (
      update account set listed_at = ${listedAt}, complete_at = ${listedAt}, stalled_at = null, answer_digest = ${answerDigest}
      from fenced where account.id = fenced.id returning account.id
    )
    insert into snapshot (account_id, listed_at, outcome, session_count, duration_ms)
    select id, ${listedAt}, 'unchanged', ${sessionCount}, ${durationMs} from moved
    on conflict (account_id, listed_at) do update
      set outcome = excluded.outcome, session_count = excluded.session_count, duration_ms = excluded.duration_ms, error = null
      where snapshot.outcome = 'failed'
    returning listed_at`.execute(db)
  return saved.rows.length > 0
}

/** Stores that a tick failed, and why, so that reports can tell blindness from silence. */
export async function saveFailure(
  db: Kysely<Database>,
  failure: { accountId: number; listedAt: Date; error: string; durationMs: number },
): Promise<void> {
  await db
    .insertInto('snapshot')
    .values({
      account_id: failure.accountId,
      listed_at: failure.listedAt,
      outcome: 'failed',
      session_count: null,
      duration_ms: failure.durationMs,
      error: failure.error,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
