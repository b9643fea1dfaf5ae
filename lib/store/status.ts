// How it goes, for whoever operates it and waits for the answer: each read is bounded, however long the outbox is.
import { type Kysely, sql, type Transaction } from 'kysely'
import { clock } from './account.ts'
import type { Database } from './database.ts'

/** Whether the database answers at all. Throws what it throws. */
export async function askDatabase(db: Kysely<Database>): Promise<void> {
  await sql`select 1`.execute(db)
}

/** The last tick of an account, and how many seconds ago it began; all null where there was none yet. */
export interface LastTick {
  account: string
  listedAt: Date | null
  outcome: 'committed' | 'unchanged' | 'incomplete' | 'failed' | null
  /** The code of its fault. */
  error: string | null
  ageSeconds: number | null
  /** When the last one began that had a listing. */
  goodAt: Date | null
}

/** The last tick of each account there ever was, by name. */
export async function readLastTicks(db: Kysely<Database>): Promise<LastTick[]> {
  const { rows } = await sql<LastTick>`
    select account.name as account, last.listed_at as "listedAt", last.outcome,
      substring(last.error from '^[A-Za-z_]+') as error,
      extract(epoch from ${clock} - last.listed_at)::float8 as "ageSeconds", account.listed_at as "goodAt"
    from account left join lateral (
      select listed_at, outcome, error from snapshot where account_id = account.id order by listed_at desc limit 1
    ) as last on true
    order by account.name`.execute(db)
  return rows
}

/** The delivery that could have been made for the longest time, at an endpoint that is active. */
export interface OldestDue {
  endpoint: string
  dueAt: Date
  ageSeconds: number
  /** Since when the endpoint fails; null: it does not. */
  failingSince: Date | null
  /** Until when its receiver asked to be left alone. */
  holdUntil: Date | null
}

/** What is to be delivered, and what cannot be. */
export interface Backlog {
  /** Beyond it nothing is counted. */
  countedUpTo: number
  pending: number
  oldestDue: OldestDue | null
  /** Given up within the last day, of as many deliveries as are counted. */
  deadOfLastDay: number
  disabled: { endpoint: string; reason: string | null }[]
}

const MOST_COUNTED = 100_000
/** Of an endpoint, so many that are due are searched for one that no older one of its lane holds back. */
const MOST_SEARCHED = 10_000

/** How much waits to be delivered, and for how long. */
export function readBacklog(db: Kysely<Database>): Promise<Backlog> {
  return db.transaction().execute(async (tx) => {
    // Its statistics of an outbox are always out of date: in the order of an index the planner reads no more than is counted,
    // but would rather read and sort the whole table for what it thinks is in it.
    await sql`select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`.execute(
      tx,
    )
    return {
      countedUpTo: MOST_COUNTED,
      pending: await countPending(tx),
      oldestDue: await findOldestDue(tx),
      deadOfLastDay: await countDead(tx),
      disabled: await findDisabled(tx),
    }
  })
}

async function countPending(tx: Transaction<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (
      select from delivery where state = 'pending' and attempts >= 0
      order by endpoint_id, due_at, id limit ${MOST_COUNTED}
    ) as pending`.execute(tx)
  return rows[0]!.count
}

async function findOldestDue(tx: Transaction<Database>): Promise<OldestDue | null> {
  const { rows } = await sql<OldestDue>`
    select endpoint.id as endpoint, oldest.due_at as "dueAt",
      extract(epoch from now() - oldest.due_at)::float8 as "ageSeconds", endpoint.failing_since as "failingSince",
      case when endpoint.hold_until > now() then endpoint.hold_until end as "holdUntil"
    from endpoint cross join lateral (
      select due_at from (
        select due_at, lane, position from delivery
        where endpoint_id = endpoint.id and due_at <= now() and state = 'pending' and attempts >= 0
        order by due_at, id limit ${MOST_SEARCHED}
      ) as due
      where position <= (
        select min(older.position) from delivery older
        where older.endpoint_id = endpoint.id and older.lane = due.lane and older.state = 'pending')
      order by due_at limit 1
    ) as oldest
    where endpoint.state = 'active'
    order by oldest.due_at, endpoint.id limit 1`.execute(tx)
  return rows[0] ?? null
}

async function countDead(tx: Transaction<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) filter (where state = 'dead') as count from (
      select state from delivery where finalized_at >= now() - interval '1 day'
      order by finalized_at desc limit ${MOST_COUNTED}
    ) as final`.execute(tx)
  return rows[0]!.count
}

function findDisabled(tx: Transaction<Database>): Promise<Backlog['disabled']> {
  return tx
    .selectFrom('endpoint')
    .select(['id as endpoint', 'state_reason as reason'])
    .where('state', '=', 'disabled')
    .orderBy('id')
    .execute()
}
