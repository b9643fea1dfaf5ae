import { type Kysely, sql, type Transaction } from 'kysely'
import { messageOf } from '../../lib/local/simulator/codes.ts'
import type { Database } from '../../lib/store/database.ts'
import { ACCOUNTS, beginOf, type Day, type HistorySettings } from './settings.ts'

/** A session may live for two days, and an outage lasts for hours at most. */
const HOURS_BEFORE = 12
const HOURS_AFTER = 60

const UNREACHABLE = 'api_unreachable: listsessionofuin at gw.tvs.qq.com: no answer in time'
const refused = (code: number) => `api_refused: listsessionofuin answered code ${code} (${messageOf(code)})`

/** Makes the temporary table `outage`: spans without a good tick, of one account or all; without an error there is no tick at all. */
export async function planOutages(db: Kysely<Database>, history: HistorySettings): Promise<void> {
  const { days, until } = history
  const begin = beginOf(history)
  await sql`
    create temporary table outage as
    select case when chance.whose < 0.4 then 1 + (chance.whose < 0.2)::integer end as account_id, from_at,
      from_at + seconds * interval '1 second' as to_at,
      case when chance.kind < 0.5 then ${UNREACHABLE} when chance.kind < 0.75 then ${refused(-101000)} end as error
    from (
      -- Minutes every other day, and hours every few weeks.
      select n, ${begin}::timestamptz + interval '2 days' * n + interval '1 hour' * (1 + 44 * pg_temp.chance(n, 60)),
        90 + 900 * pg_temp.chance(n, 61) ^ 2
      from generate_series(0, ${days}::bigint / 2) as n
      union all
      select n, ${begin}::timestamptz + interval '25 days' * (n - 1000000) + interval '1 day' * (5 + 15 * pg_temp.chance(n, 60)),
        3600 * (1 + 4 * pg_temp.chance(n, 61))
      from generate_series(1000000, 1000000 + ${days}::bigint / 25) as n
    ) as planned (n, from_at, seconds)
    cross join lateral (select pg_temp.chance(n, 62) as whose, pg_temp.chance(n, 63) as kind) as chance
    where from_at + seconds * interval '1 second' < ${until}::timestamptz - interval '1 hour'`.execute(db)
}

/**
 * Makes the temporary tables `tick`, with every tick around a day, and `listing`, with those that did not fail: what each may say
 * about sessions that are new, changed, or missing. `answered_at` is the moment whose sessions it lists, and at `known_at`
 * all answers were in.
 */
export async function tick(tx: Transaction<Database>, history: HistorySettings, day: Day): Promise<void> {
  const { days, tickSeconds } = history
  const ticksPerHour = 3_600 / tickSeconds
  const last = Math.ceil(days * 24 * ticksPerHour) - 1
  const fromTick = Math.max(0, Math.floor((day.number * 24 - HOURS_BEFORE) * ticksPerHour))
  const toTick = Math.min(last, Math.ceil(((day.number + 1) * 24 + HOURS_AFTER) * ticksPerHour))
  const timeOf = (number: number) => new Date(beginOf(history).getTime() + number * tickSeconds * 1_000)
  await sql`
    create temporary table tick on commit drop as
    with near as materialized (
      -- Of a year's, which each tick would have to look through.
      select * from outage where from_at < ${timeOf(toTick + 1)}::timestamptz and to_at > ${timeOf(fromTick)}::timestamptz
    )
    select account_id, listed_at, listed_at + interval '40 milliseconds' as answered_at,
      listed_at + (60 + floor(200 * pg_temp.chance(key, 1) ^ 2)) * interval '1 millisecond' as known_at,
      not fails and (is_edge or pg_temp.chance(key, 2) >= 0.0008) as is_complete,
      case when fails then coalesce(outage.error, case when pg_temp.chance(key, 3) < 0.7
        then ${UNREACHABLE}::text else ${refused(100012)}::text end) end as error,
      floor(20 * pg_temp.chance(key, 4))::integer as extra_ms
    from (
      select account.id as account_id, n, n in (0, ${last}::bigint) as is_edge, key,
        ${beginOf(history)}::timestamptz + n * ${tickSeconds}::integer * interval '1 second'
          + floor(250 * pg_temp.chance(key, 0)) * interval '1 millisecond' as listed_at
      from unnest(${sql.lit(`{${ACCOUNTS.map(({ id }) => id).join()}}`)}::integer[]) as account (id),
        generate_series(${fromTick}::bigint, ${toTick}::bigint) as n,
        lateral (select (account.id::bigint << 40) + n as key) as keyed
    ) as planned
    left join lateral (
      select true as is_on, error from near
      where coalesce(near.account_id, planned.account_id) = planned.account_id
        and from_at <= listed_at and to_at > listed_at
      order by to_at desc limit 1
    ) as outage on not is_edge
    cross join lateral (
      select outage.error is not null or not is_edge and pg_temp.chance(key, 5) < 0.0006 as fails
    ) as fate
    where outage.is_on is null or outage.error is not null`.execute(tx)
  // Of a table that nobody analyzed, the planner expects few rows: what it then does took a minute a day.
  await sql`analyze tick (account_id, listed_at)`.execute(tx)
  await sql`
    create temporary table listing on commit drop as
    with listed as (
      select account_id, listed_at, answered_at, known_at, is_complete,
        lag(listed_at) over life as after_at,
        max(listed_at) filter (where is_complete) over (life rows between unbounded preceding and 1 preceding) as complete_after_at,
        min(listed_at) filter (where is_complete)
          over (partition by account_id order by listed_at desc rows unbounded preceding) as next_complete_at
      from tick where error is null
      window life as (partition by account_id order by listed_at)
    ), complete as (
      select account_id, listed_at as next_complete_at, known_at as next_complete_known_at,
        lead(listed_at, 2) over life as third_complete_at, lead(known_at, 2) over life as third_complete_known_at
      from listed where is_complete
      window life as (partition by account_id order by listed_at)
    )
    select * from listed left join complete using (account_id, next_complete_at)`.execute(tx)
  await sql`create unique index listing_answered on listing (account_id, answered_at)`.execute(tx)
  await sql`analyze listing (account_id, listed_at, answered_at)`.execute(tx)
}
