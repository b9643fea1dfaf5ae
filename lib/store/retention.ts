// Removes what is old, a bounded number of rows in a statement. It must never remove what something else still needs, nor wait
// for a lock: rows that somebody else has are passed over, for the next time.
import { type Kysely, sql, type Transaction } from 'kysely'
import { clock, LIMITS } from './account.ts'
import type { Database } from './database.ts'

/** Rows that one step removes at most: under a tenth of a second, half a second on a busy machine (docs/retention.md). */
export const PRUNE_STEP = 2_000

/** The database's clock, by which the times of all that is stored were taken. */
export async function readClock(db: Kysely<Database>): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select ${clock} as now`.execute(db)
  return rows[0]!.now
}

/** Removes the oldest of the deliveries that were final before a moment, delivered or dead, with their attempts. Gives how many. */
export async function pruneDeliveries(db: Kysely<Database>, before: Date, limit = PRUNE_STEP): Promise<number> {
  // By an array: the planner, whose statistics may know nothing of so many rows, must not read the whole table for them.
  const removed = await sql`
    with old as materialized (
      select id from delivery where finalized_at < ${before} order by finalized_at limit ${limit} for update skip locked
    )
    delete from delivery where id = any(array(select id from old))`.execute(db)
  return Number(removed.numAffectedRows)
}

/** Whose events follow one another by position: an account's, by its id, or with null those about Rollcall itself. */
export type Stream = number | null

const isOf = (stream: Stream) => (stream === null ? sql`event.account_id is null` : sql`event.account_id = ${stream}`)

/** Given to the planner whole, so that it finds the operator events by the index, too. */
const UP = sql`event.account_id, event.position`
const DOWN = sql`event.account_id desc, event.position desc`

/** The streams whose oldest event can be removed, the one with the oldest first. */
export async function findPrunable(db: Kysely<Database>, before: Date): Promise<Stream[]> {
  const oldestOf = (condition: ReturnType<typeof sql>) => sql`
    (select id, account_id, occurred_at, position < (select position from event where ${condition} order by ${DOWN} limit 1)
      as is_followed
    from event where ${condition} order by ${UP} limit 1)`
  const { rows } = await sql<{ stream: Stream }>`
    select account_id as stream
    from (
      select oldest.* from account cross join lateral ${oldestOf(sql`event.account_id = account.id`)} as oldest
      union all
      select oldest.* from ${oldestOf(isOf(null))} as oldest
    ) as oldest
    where is_followed and occurred_at < ${before} and not exists (select from delivery where event_id = oldest.id)
    order by occurred_at`.execute(db)
  return rows.map(({ stream }) => stream)
}

/**
 * Removes the oldest of a stream's events, if they were told before a moment, up to the first that must stay: the newest one,
 * one that still has a delivery, or one of which somebody is making one. Never any beyond it: a reader by cursor takes all
 * after the oldest for kept. Gives how many.
 */
export async function pruneEvents(
  tx: Transaction<Database>,
  stream: Stream,
  before: Date,
  limit = PRUNE_STEP,
): Promise<number> {
  const { rows: locked } = await sql<{ position: number }>`
    select position, (select ${LIMITS}) as limits
    from event
    where ${isOf(stream)}
      and position < (select position from event where ${isOf(stream)} order by ${DOWN} limit 1)
      and position < coalesce((
        select position
        from (select id, position, occurred_at from event where ${isOf(stream)} order by ${UP} limit ${limit}) as oldest
        where occurred_at >= ${before} or exists (select from delivery where event_id = oldest.id)
        order by position limit 1), ${Number.MAX_SAFE_INTEGER})
    order by ${UP} limit ${limit}
    for update skip locked`.execute(tx)
  if (locked.length === 0) return 0
  // A statement of its own: only one that begins under the locks sees all deliveries that were made before them.
  const isLocked = sql`position = any(${locked.map(({ position }) => position)}::bigint[])`
  const removed = await sql`
    delete from event
    where ${isOf(stream)} and ${isLocked} and position < (
      select position from event
      where ${isOf(stream)} and (not (${isLocked}) or exists (select from delivery where event_id = event.id))
      order by ${UP} limit 1)`.execute(tx)
  return Number(removed.numAffectedRows)
}

/**
 * Removes the oldest snapshots of before a moment, of any accounts. What stays of each: the newest, since the next tick must be
 * later, and the last two good ones, whose interval says when the account is stalled. Gives how many.
 */
export async function pruneSnapshots(db: Kysely<Database>, before: Date, limit = PRUNE_STEP): Promise<number> {
  const removed = await sql`
    with old as materialized (
      select picked.*
      from account cross join lateral (
        select account_id, listed_at from snapshot
        where account_id = account.id and listed_at < ${before}
          and listed_at <> all(array(
            select max(listed_at) from snapshot where account_id = account.id
            union all (
              select listed_at from snapshot
              where account_id = account.id and outcome <> 'failed' and listed_at <= account.listed_at
              order by listed_at desc limit 2)))
        order by listed_at limit ${limit}
        for update skip locked
      ) as picked
      limit ${limit}
    )
    delete from snapshot using old
    where snapshot.account_id = old.account_id and snapshot.listed_at = old.listed_at`.execute(db)
  return Number(removed.numAffectedRows)
}
