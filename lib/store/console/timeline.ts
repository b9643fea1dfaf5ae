import { type Kysely, sql } from 'kysely'
import { FAILED } from '../../core/session.ts'
import type { Database } from '../database.ts'

/** A session as one bar of a timeline: its steps, and between which times its ends must have been. */
export interface Bar {
  account: string
  id: string
  incarnation: number
  userId: string | null
  firstSeenAt: Date
  firstSeenAfter: Date | null
  readyAt: Date | null
  startedAt: Date | null
  endedAt: Date | null
  endedAfter: Date | null
  endReason: 'reported' | 'gone' | 'absent' | null
  failed: boolean
}

/**
 * The sessions that lived at some time from one moment up to another, the newest first, at most `limit`. Reads no more than
 * that of those that began within, however long the time is, and those that lived at its beginning.
 */
export async function readTimeline(
  db: Kysely<Database>,
  { from, to, account, limit }: { from: Date; to: Date; account?: string; limit: number },
): Promise<Bar[]> {
  const ofAccount =
    account === undefined ? sql`true` : sql`account_id = (select id from account where name = ${account})`
  const { rows } = await sql<Bar>`
    with bar as (
      (select * from session where first_seen_at >= ${from} and first_seen_at < ${to} and ${ofAccount}
        order by first_seen_at desc, id desc limit ${limit})
      union all
      (select * from session_between(${from}, ${from}) where first_seen_at < ${from} and ${ofAccount}
        order by first_seen_at desc, id desc limit ${limit})
    )
    select account.name as account, session_id as id, incarnation, user_id as "userId", first_seen_at as "firstSeenAt",
      first_seen_after as "firstSeenAfter", ready_at as "readyAt", started_at as "startedAt", ended_at as "endedAt",
      greatest(ended_after, first_seen_at) as "endedAfter", end_reason as "endReason", status = ${FAILED} as failed
    from bar join account on account.id = account_id
    order by first_seen_at desc, bar.id desc limit ${limit}`.execute(db)
  return rows
}
