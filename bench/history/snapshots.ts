import { sql, type Transaction } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import type { Day } from './settings.ts'

/** Stores a day's snapshots, and the account rows as they were after it. */
export async function saveSnapshots(tx: Transaction<Database>, { from, to }: Day): Promise<void> {
  await sql`
    insert into snapshot (account_id, listed_at, outcome, duration_ms, error)
    select account_id, listed_at, 'failed',
      case when error like 'api_unreachable%' then 10000 else 900 end + extra_ms, error
    from tick where error is not null and listed_at >= ${from} and listed_at < ${to}
    order by listed_at, account_id`.execute(tx)
  await sql`
    with step as materialized (
      select account_id, step.listed_at, live, missing, look, created, ready, started, closed, failed
      from life cross join lateral (values
        (first_listed_at, 1, 0, 1, 1, 0, 0, 0, 0),
        (ready_listed_at, 0, 0, 1, 0, 1, 0, 0, 0),
        (started_listed_at, 0, 0, 1, 0, 0, 1, 0, 0),
        (missing_listed_at, -1, 1, 1, 0, 0, 0, 0, 0),
        (ended_listed_at, 0, -1, 0, 0, 0, 0, (status = 2)::integer, (status = 4)::integer)
      ) as step (listed_at, live, missing, look, created, ready, started, closed, failed)
      where step.listed_at < ${to}
    ), carried as (
      select account_id, sum(live) as live, sum(missing) as missing from step where listed_at < ${from} group by account_id
    ), changed as (
      select account_id, listed_at, sum(live) as live, sum(missing) as missing, sum(look) as look, sum(created) as created,
        sum(ready) as ready, sum(started) as started, sum(closed) as closed, sum(failed) as failed
      from step where listed_at >= ${from} group by account_id, listed_at
    ), counted as (
      select account_id, listed_at, is_complete, extra_ms + extract(epoch from tick.known_at - listed_at) * 1000 as duration_ms,
        coalesce(look, 0) as look, coalesce(created, 0) as created, coalesce(ready, 0) as ready,
        coalesce(started, 0) as started, coalesce(closed, 0) as closed, coalesce(failed, 0) as failed,
        coalesce(carried.live, 0) + coalesce(sum(changed.live) over life, 0) as session_count,
        coalesce(carried.missing, 0) + coalesce(sum(changed.missing) over life, 0) as missing
      from tick left join changed using (account_id, listed_at) left join carried using (account_id)
      where error is null and listed_at >= ${from} and listed_at < ${to}
      window life as (partition by account_id order by listed_at)
    ), settled as (
      -- After a listing that left a question open, an equal one is looked at as a whole.
      select counted.*, is_complete and missing = 0 as is_settled,
        lag(is_complete and missing = 0, 1, account.digest is not null)
          over (partition by account_id order by counted.listed_at) as was_settled
      from counted join account on account.id = account_id
    ), saved as (
      insert into snapshot (account_id, listed_at, outcome, session_count, created_count, ready_count, started_count,
        closed_count, failed_count, duration_ms)
      select account_id, listed_at,
        case when not is_complete then 'incomplete' when was_settled and look = 0 then 'unchanged' else 'committed' end,
        session_count, created, ready, started, closed, failed, duration_ms
      from settled order by listed_at, account_id
    )
    update account
    set listed_at = reached.listed_at, complete_at = coalesce(reached.complete_at, account.complete_at),
      position = position + events, digest = case when reached.is_settled then 'settled' end
    from (
      select account_id, max(listed_at) as listed_at, max(listed_at) filter (where is_complete) as complete_at,
        sum(created + ready + started + closed + failed) as events,
        (array_agg(is_settled order by listed_at desc))[1] as is_settled
      from settled group by account_id
    ) as reached
    where account.id = reached.account_id`.execute(tx)
}
