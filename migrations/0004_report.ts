import { type Kysely, sql } from 'kysely'

/**
 * The schema `report` and the role that sees nothing else: empty so far, the migration that made its views and functions last
 * makes them all. With the indexes by which the history is asked.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function up(db: Kysely<any>): Promise<void> {
  for (const statement of [...INDEXES, 'create schema if not exists report', ROLE]) await sql.raw(statement).execute(db)
}

/**
 * Who lived within a span is found by three indexes: most sessions are short, and are read by the time they were first seen,
 * from LONG before the span to LONG after it; the few that were longer, and those first seen long after they may have begun,
 * have indexes of their own.
 */
const LONG = `interval '6 hours'`
const INDEXES = [
  // With what a sweep over a month needs, so that it reads no rows.
  `create index session_first_seen on session (first_seen_at) include (account_id, ended_at, first_seen_after)`,
  `create index session_long on session (ended_at) where ended_at - first_seen_at > ${LONG}`,
  `create index session_long_unseen on session (first_seen_after) where first_seen_at - first_seen_after > ${LONG}`,
  `create index session_ended_badly on session (ended_at) where status = 4 or error_code is not null`,
  `create index snapshot_incomplete on snapshot (account_id, listed_at) where outcome in ('failed', 'incomplete')`,

  `create function session_between(lower_at timestamptz, upper_at timestamptz) returns setof session
    language sql stable as $$
    select * from session
    where first_seen_at >= lower_at - ${LONG} and first_seen_at < upper_at + ${LONG}
      and (first_seen_at < upper_at or coalesce(first_seen_after < upper_at, true)) and (ended_at is null or ended_at >= lower_at)
    union all
    select * from session
    where first_seen_at < lower_at - ${LONG} and ended_at - first_seen_at > ${LONG} and ended_at >= lower_at
    union all
    select * from session where first_seen_at < lower_at - ${LONG} and ended_at is null
    union all
    select * from session
    where first_seen_at >= upper_at + ${LONG} and first_seen_at - first_seen_after > ${LONG} and first_seen_after < upper_at
  $$`,
  `revoke all on function session_between from public`,
  `comment on function session_between is
    'Sessions that lived, or may have lived, at some time from lower_at up to upper_at.'`,
]

/** Roles belong to the whole server: another database may have made it, and not everybody may make one. */
const ROLE = `do $$ begin
    create role rollcall_report nologin;
  exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
      raise notice 'the role rollcall_report is missing and may not be made: let an administrator make it and grant it';
  end $$`
