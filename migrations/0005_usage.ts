import { type Kysely, sql } from 'kysely'
import { createReport } from './report/create.ts'

/**
 * Sums of the past, since adding up a month anew takes seconds: they are made once nothing of it can change any more
 * (lib/roll-up.ts), and reports add what came later.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function up(db: Kysely<any>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
  await createReport(db)
}

const LONG = `interval '6 hours'`
/** The time itself, in words that only the index of long lives knows: by the other one, all that is older would be read. */
const BEGAN = `coalesce(first_seen_at, '-infinity')`

const STATEMENTS = [
  // The sums of an account go with it, and with its row here: to sum it anew, delete that.
  `create table usage_until (
    account_id integer constraint usage_until_pkey primary key
      constraint usage_until_account_fkey references account (id) on delete cascade,
    until timestamptz not null
  )`,
  `comment on table usage_until is 'Up to when the sums of an account have been made.'`,

  // Not of account itself: to check that locks the account, and a tick that finds it locked is skipped.
  `create table usage_level (
    account_id integer constraint usage_level_until_fkey references usage_until (account_id) on delete cascade,
    at timestamptz,
    live integer not null,
    constraint usage_level_pkey primary key (account_id, at) include (live),
    constraint usage_level_not_negative check (live >= 0)
  )`,
  `comment on table usage_level is 'How many sessions of an account lived, from each time on at which that changed.'`,

  // A row is found by its time; that it is there once, the lock on usage_until promises.
  `create table usage_quarter (
    account_id integer not null constraint usage_quarter_until_fkey references usage_until (account_id) on delete cascade,
    quarter_at timestamptz not null,
    project_id text,
    asset_key text,
    sessions integer not null,
    started integer not null,
    failed integer not null,
    used interval not null,
    used_min interval not null,
    used_max interval not null,
    peak integer not null,
    constraint usage_quarter_is_one check (quarter_at = date_bin('15 minutes', quarter_at, '2000-01-01 00:00+00'))
  )`,
  `create index usage_quarter_at on usage_quarter (account_id, quarter_at)`,
  `comment on table usage_quarter is
    'What happened in a quarter of an hour, by account, project and asset; time zones are whole quarters apart.'`,

  // 0004's, so that who lived long is found by it alone, and not by reading all that is older.
  `drop index session_long`,
  `create index session_long on session (ended_at, ${BEGAN}) include (account_id, first_seen_at, first_seen_after)
    where ended_at - first_seen_at > ${LONG}`,
  `create or replace function session_between(lower_at timestamptz, upper_at timestamptz) returns setof session
    language sql stable as $$
    select * from session
    where first_seen_at >= lower_at - ${LONG} and first_seen_at < upper_at + ${LONG}
      and (first_seen_at < upper_at or coalesce(first_seen_after < upper_at, true)) and (ended_at is null or ended_at >= lower_at)
    union all
    select * from session
    where ${BEGAN} < lower_at - ${LONG} and ended_at - first_seen_at > ${LONG} and ended_at >= lower_at
    union all
    select * from session where first_seen_at < lower_at - ${LONG} and ended_at is null
    union all
    select * from session
    where first_seen_at >= upper_at + ${LONG} and first_seen_at - first_seen_after > ${LONG} and first_seen_after < upper_at
  $$`,

  `create function usage_quarter_of("at" timestamptz) returns timestamptz language sql immutable as $$
    select date_bin('15 minutes', "at", '2000-01-01 00:00+00')
  $$`,

  // `is not distinct from` is no condition for an index: the planner would read all that an account ever had.
  `create function usage_between(of_account integer, lower_at timestamptz, upper_at timestamptz)
    returns table (project_id text, asset_key text, sessions bigint, started bigint, failed bigint, used interval,
      used_min interval, used_max interval, peak integer)
    language sql stable as $$
    with lived as materialized (
      select extra ->> 'VirtualmanProjectId' as project_id, extra ->> 'AssetVirtualmanKey' as asset_key, status,
        first_seen_at, started_at, ended_at,
        greatest(first_seen_at, lower_at) as joined_at, least(ended_at, upper_at, now()) as left_at,
        least(coalesce(ended_after, missing_since, case when ended_at is null then listed_at end, first_seen_at), upper_at) as left_at_least,
        greatest(coalesce(first_seen_after, first_seen_at), lower_at) as joined_at_most
      from session_between(lower_at, upper_at) as session
        cross join (select listed_at from account where id = of_account) as account
      where account_id is not distinct from of_account
    ), counted as (
      select project_id, asset_key,
        count(*) filter (where first_seen_at >= lower_at and first_seen_at < upper_at) as sessions,
        count(*) filter (where started_at >= lower_at and started_at < upper_at) as started,
        count(*) filter (where status = 4 and ended_at >= lower_at and ended_at < upper_at) as failed,
        sum(greatest(interval '0', left_at - joined_at)) as used,
        sum(greatest(interval '0', left_at_least - joined_at)) as used_min,
        sum(greatest(interval '0', left_at - joined_at_most)) as used_max
      from lived group by project_id, asset_key
    ), levels as (
      select project_id, asset_key, sum(step) over (partition by project_id, asset_key order by at) as level
      from lived cross join lateral (values (joined_at, 1), (left_at, -1)) as each_step (at, step)
      where joined_at < left_at
    ), peaks as (
      select project_id, asset_key, max(level)::integer as peak from levels group by project_id, asset_key
    )
    select counted.project_id, counted.asset_key, counted.sessions, counted.started, counted.failed, used, used_min, used_max,
      coalesce(peak, 0)
    from counted left join peaks on peaks.project_id is not distinct from counted.project_id
      and peaks.asset_key is not distinct from counted.asset_key
    where counted.sessions + counted.started + counted.failed > 0 or used_max > interval '0'
  $$`,
  `comment on function usage_between is 'What report.usage tells of one account, added up anew.'`,

  `create function usage_level_between(lower_at timestamptz, upper_at timestamptz)
    returns table (account_id integer, at timestamptz, live integer)
    language sql stable as $$
    with of_account as (
      select account.id, until, greatest(lower_at, until) as swept_from
      from account left join usage_until on usage_until.account_id = account.id
      where lower_at < upper_at
    ), steps as (
      select id, swept_from as at, 0 as step from of_account where swept_from < upper_at
      union all
      select of_account.id, each_step.at, step
      from of_account cross join lateral session_between(swept_from, upper_at) as session cross join lateral (
        values (greatest(first_seen_at, swept_from), 1), (ended_at, -1)
      ) as each_step (at, step)
      where swept_from < upper_at and session.account_id is not distinct from of_account.id and first_seen_at < upper_at
        and (ended_at is null or ended_at > greatest(first_seen_at, swept_from)) and each_step.at < upper_at
    )
    select id, lower_at, coalesce((
        select usage_level.live from usage_level
        where usage_level.account_id = id and usage_level.at <= lower_at order by usage_level.at desc limit 1), 0)
    from of_account where lower_at < until
    union all
    select id, usage_level.at, usage_level.live
    from of_account join usage_level on usage_level.account_id = id
      and usage_level.at > lower_at and usage_level.at < upper_at
    union all
    select id, steps.at, sum(sum(step)::integer) over (partition by id order by steps.at)::integer
    from steps group by id, steps.at
  $$`,
  `comment on function usage_level_between is
    'How many sessions of each account lived, from lower_at on and from each time at which that changed, up to upper_at.'`,
  `revoke all on function usage_quarter_of, usage_between, usage_level_between from public`,
]
