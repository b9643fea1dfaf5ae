// Sums of the past, for reports. A quarter of an hour must not be summed before nothing in it can change any more: once there
// was a complete listing after it, and none of the sessions that are missing now was seen in it last.
import { type Kysely, sql, type Transaction } from 'kysely'
import { LIMITS } from './account.ts'
import type { Database } from './database.ts'

/** Quarters of an hour that one step sums at most: each some hundredths of a second at 20,000 sessions a day, a second at millions. */
export const SUM_STEP = 8

/**
 * Up to when nothing of an account can change: what is new happened after the last complete listing. That may be later than now
 * where the database's clock was set back, and who lives, lives until now.
 */
const settledUntil = sql`usage_quarter_of(least(now(), complete_at, (
  select min(missing_since) from session where account_id = account.id and ended_at is null)))`

/** The accounts of which something can be summed; those that are behind the most first. */
export async function findUnsummed(db: Kysely<Database>): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id from account left join usage_until on account_id = id
    where complete_at is not null and (until is null or until < ${settledUntil})
    order by until nulls first`.execute(db)
  return rows.map(({ id }) => id)
}

/** Sums the next quarters of an account that can be. Gives how many they were: 0 also when somebody else is summing it. */
export async function sumQuarters(tx: Transaction<Database>, accountId: number, limit = SUM_STEP): Promise<number> {
  // Before anything is written: whoever is frozen in the middle must not hold up the others.
  await sql`select ${LIMITS}`.execute(tx)
  await sql`
    insert into usage_until (account_id, until)
    select id, usage_quarter_of(least(
        (select min(first_seen_at) from session where account_id is not distinct from account.id) - interval '6 hours',
        (select min(first_seen_after) from session
          where first_seen_at - first_seen_after > interval '6 hours' and account_id is not distinct from account.id), complete_at))
    from account
    where id = ${accountId} and complete_at is not null and not exists (select from usage_until where account_id = account.id)
    on conflict do nothing`.execute(tx)
  const { rows } = await sql<{ from: Date; to: Date; quarters: number }>`
    select "from", "to", (extract(epoch from "to" - "from") / 900)::integer as quarters
    from (
      select until as "from", least(${settledUntil}, until + ${limit} * interval '15 minutes') as "to"
      from usage_until join account on account.id = account_id
      where account_id = ${accountId}
      for update of usage_until skip locked
    ) as span
    where "from" < "to"`.execute(tx)
  const [span] = rows
  if (!span) return 0
  const { from, to, quarters } = span
  await sql`
    insert into usage_level (account_id, at, live)
    select ${accountId}, at, sum(sum(step)) over (order by at) + coalesce((
      select live from usage_level where account_id = ${accountId} order by at desc limit 1), 0)
    from session_between(${from}, ${to}) cross join lateral (
      values (first_seen_at, 1), (ended_at, -1)
    ) as each_step (at, step)
    where account_id is not distinct from ${accountId} and at >= ${from} and at < ${to} and (ended_at is null or ended_at > first_seen_at)
    group by at having sum(step) <> 0`.execute(tx)
  await sql`
    insert into usage_quarter
    select ${accountId}, quarter_at, anew.*
    from generate_series(${from}::timestamptz, ${to}::timestamptz - interval '15 minutes', interval '15 minutes') as quarter_at
      cross join lateral usage_between(${accountId}, quarter_at, quarter_at + interval '15 minutes') as anew`.execute(
    tx,
  )
  await sql`update usage_until set until = ${to} where account_id = ${accountId}`.execute(tx)
  return quarters
}
