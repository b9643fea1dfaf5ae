// What the console asks for every two seconds, for each page that is open: each read is bounded, and cheap where nothing changed.
import { type Kysely, sql } from 'kysely'
import type { Database } from '../database.ts'
import type { SessionView } from '../history.ts'
import type { LastTick } from '../status.ts'
import { faultColumns, SESSION_COLUMNS, type SessionRow, viewOf } from './view.ts'

/** An account as it is watched. */
export interface Watched {
  id: number
  /** A text that is equal while no live session of it changed. */
  version: string
  /** From `lateAt` on nobody watches it: a minute, or twice the time that usually passes, after the last listing. */
  tick: Omit<LastTick, 'ageSeconds'> & { lateAt: Date | null; apiCode: number | null }
}

/** So many of the last ticks tell how much time usually passes between two. */
const USUAL_TICKS = 21

/** The accounts as they are watched, by name: all, or the one of that name, if there is one. */
export async function readWatched(db: Kysely<Database>, account?: string): Promise<Watched[]> {
  const { rows } = await sql<Omit<Watched, 'tick'> & Watched['tick']>`
    select account.id, account.name as account, last.listed_at as "listedAt", last.outcome,
      ${faultColumns(sql`last.error`)}, account.listed_at as "goodAt",
      account.listed_at + greatest(interval '1 minute', 2 * usual.distance) as "lateAt",
      -- What no listing since had otherwise; where something about it is open, each may have.
      account.id || ':' || account.position || ':' || coalesce(account.digest, account.listed_at::text, '') as version
    from account left join lateral (
      select listed_at, outcome, error from snapshot where account_id = account.id order by listed_at desc limit 1
    ) as last on true cross join lateral (
      select percentile_disc(0.5) within group (order by listed_at - before) as distance from (
        select listed_at, lag(listed_at) over (order by listed_at) as before from (
          select listed_at from snapshot where account_id = account.id order by listed_at desc limit ${USUAL_TICKS}
        ) as newest
      ) as distances where before is not null
    ) as usual
    where ${account ?? null}::text is null or account.name = ${account ?? null}
    order by account.name`.execute(db)
  return rows.map(({ id, version, ...tick }) => ({ id, version, tick }))
}

/** The sessions that live now, the newest first, at most `limit`; and how many there are in all. */
export async function readLive(
  db: Kysely<Database>,
  accounts: readonly number[],
  limit: number,
): Promise<{ count: number; sessions: SessionView[] }> {
  const { rows } = await sql<SessionRow & { count: number }>`
    select ${SESSION_COLUMNS}, count(*) over () as count
    from session join account on account.id = account_id
    where account_id = any(${[...accounts]}::integer[]) and ended_at is null
    order by first_seen_at desc, session.id desc limit ${limit}`.execute(db)
  return { count: rows[0]?.count ?? 0, sessions: rows.map(viewOf) }
}

/**
 * The most sessions at once of all these accounts together, in each five minutes of the last 24 hours; exact, and null where
 * none of them was listed for ten minutes before: nobody knows then.
 */
export async function readConcurrency(
  db: Kysely<Database>,
  accounts: readonly number[],
): Promise<{ at: Date; peak: number | null }[]> {
  const { rows } = await sql<{ at: Date; peak: number | null }>`
    with span as (
      select date_bin('5 minutes', now() - interval '24 hours', '2000-01-01 00:00+00') as from_at, now() as to_at
    ), changes as (
      select at, live - lag(live, 1, 0) over (partition by account_id order by at) as change
      from span cross join usage_level_between(from_at, to_at)
      where account_id = any(${[...accounts]}::integer[])
    ), levels as (
      select at, sum(sum(change)) over (order by at) as live, lead(at) over (order by at) as until
      from changes group by at
    ), steps as (
      select live, generate_series(
        date_bin('5 minutes', at, from_at),
        greatest(at, coalesce(until, to_at) - interval '1 microsecond'), '5 minutes') as step
      from levels cross join span
    )
    select step as at, case when exists (
        select from unnest(${[...accounts]}::integer[]) as one (id)
        where exists (
          select from snapshot where account_id = one.id and outcome <> 'failed'
            and listed_at >= step - interval '10 minutes' and listed_at < step + interval '5 minutes')
      ) then max(live)::integer end as peak
    from steps group by step order by step`.execute(db)
  return rows
}

/** A session that holds a channel for nothing. */
export interface LeakView {
  account: string
  id: string
  incarnation: number
  userId: string | null
  leak: 'preparing' | 'unstarted' | 'alive'
  heldSince: Date
}

/** The live sessions that hold a channel for nothing, as `report.leaks` has it; the longest first, at most `limit`. */
export async function readLeaks(db: Kysely<Database>, limit: number, account?: string): Promise<LeakView[]> {
  const { rows } = await sql<LeakView>`
    select account, session_id as id, incarnation, user_id as "userId", leak, held_since as "heldSince"
    from report.leaks()
    where is_live and (${account ?? null}::text is null or account = ${account ?? null})
    order by held_since, account, id limit ${limit}`.execute(db)
  return rows
}
