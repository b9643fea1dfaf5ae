// Sessions as they truly were, then what the ticks could see of them, as `diff` would have it: every end comes by statsession, or
// by its silence, since the lists of this API show only sessions that live.
import { sql, type Transaction } from 'kysely'
import { messageOf } from '../../lib/local/simulator/codes.ts'
import type { Database } from '../../lib/store/database.ts'
import { beginOf, type Day, type HistorySettings } from './settings.ts'

/** Busy at day and in the evening of China, by the hour. */
const BUSY_BY_HOUR = [
  0.25, 0.15, 0.1, 0.1, 0.1, 0.15, 0.3, 0.6, 1, 1.5, 1.8, 1.8, 1.5, 1.5, 1.8, 1.9, 1.8, 1.6, 1.4, 1.4, 1.5, 1.3, 0.9,
  0.5,
]
const BUSY_DAY = BUSY_BY_HOUR.reduce((sum, busy) => sum + busy)
/** Of an average day; five of the one and two of the other make seven. */
const [WEEKDAY, WEEKEND] = [1.16, 0.6]
/** The first tick finds sessions that nobody saw begin. */
const HOURS_BEFORE_FIRST_TICK = 2
const USERS = 400
const PROJECTS = 6
const ASSETS = 3

const PREPARING_CODES = [-111003, -101001, -111004]
const CLOSED_CODES = [110022, -111002, 110021]
const messages = sql.join(
  [...PREPARING_CODES, ...CLOSED_CODES].map((code) => sql`(${sql.lit(code)}, ${sql.lit(messageOf(code))})`),
)

/**
 * Makes the temporary table `life`: the sessions created on a day, and older ones that were not over by then; stores the rows and
 * versions of the new ones. Columns `…_listed_at` are the times of the ticks.
 */
export async function live(tx: Transaction<Database>, history: HistorySettings, day: Day): Promise<void> {
  const { rows } = await sql<{ last: number }>`select coalesce(max(id), 0) as last from session`.execute(tx)
  const last = rows[0]?.last ?? 0
  await sql`create temporary table life on commit drop as ${lives(history, day, last)}`.execute(tx)
  await saveSessions(tx)
  await saveVersions(tx)
  await sql`create temporary table if not exists carried as select * from life with no data`.execute(tx)
  await sql`insert into life select * from carried`.execute(tx)
  await sql`truncate carried`.execute(tx)
  await sql`insert into carried select * from life where ended_listed_at is null or ended_listed_at >= ${day.to}`.execute(
    tx,
  )
  await sql`analyze life (account_id, first_listed_at, ended_listed_at)`.execute(tx)
}

/** Sessions of a day as they truly were. */
const truth = (history: HistorySettings, day: Day) => sql`
  select drawn.*, ready_at + case when is_started then 0.5 + 4 * chance_start end * interval '1 second' as started_at,
    case
      when is_failed then created_at + case when code = -111004 then 60 + 120 * chance_end else 2 + 38 * chance_end end
        * interval '1 second'
      when is_leak then ready_at + (2 + 46 * chance_end) * interval '1 hour'
      when not is_started then ready_at + (180 + 240 * chance_end) * interval '1 second'
      else ready_at + (0.5 + 4 * chance_start + case when chance_short < 0.02 then 3 * chance_end
        else 15 + 1700 * chance_end ^ 2.5 end) * interval '1 second'
    end as over_at
  from (
    select key, created_at, chance_start, chance_end, chance_short, kind < 0.03 as is_failed,
      kind >= 0.07 and kind < 0.073 as is_leak,
      kind >= 0.0715 as is_started,
      case when kind >= 0.03 then created_at + case
        when kind >= 0.073 and kind < 0.08 then 120 + 780 * chance_ready
        when chance_cached < 0.3 then 0.05 else 1 + 7 * chance_ready end * interval '1 second' end as ready_at,
      case
        when kind < 0.03 then (${sql.lit(`{${PREPARING_CODES.join()}}`)}::integer[])[1 + floor(3 * chance_code)::integer]
        when chance_reason < 0.035 then null
        when chance_code < 0.05 then 110022
        when chance_code < 0.08 then -111002
        when chance_code < 0.082 then 110021
      end as code,
      case when kind < 0.03 then 'reported' when chance_reason < 0.03 then 'gone' when chance_reason < 0.035 then 'absent'
        else 'reported' end as reason,
      case when chance_account < 0.8 then 1 else 2 end as account_id,
      'm' || lpad(((pg_temp.draw(key, 99) & 9223372036854775807) % 1000000000000000000)::text, 18, '0') as session_id,
      'user-' || floor(${sql.lit(USERS)} * chance_user ^ 2) as user_id,
      case when chance_driver < 0.7 then 1 else 3 end as driver_type,
      case when chance_stream < 0.6 then 'rtmp' when chance_stream < 0.9 then 'webrtc' else 'trtc' end as protocol,
      case when chance_place < 0.85 then floor(${sql.lit(PROJECTS)} * (chance_place / 0.85) ^ 1.5) end as project,
      floor(${sql.lit(ASSETS)} * (chance_place - 0.85) / 0.15) as asset
    from (
      select key, hour_at + pg_temp.chance(key, 10) * interval '1 hour' as created_at, pg_temp.chance(key, 11) as kind,
        pg_temp.chance(key, 12) as chance_cached, pg_temp.chance(key, 13) as chance_ready,
        pg_temp.chance(key, 14) as chance_start, pg_temp.chance(key, 15) as chance_end,
        pg_temp.chance(key, 16) as chance_short, pg_temp.chance(key, 17) as chance_reason,
        pg_temp.chance(key, 18) as chance_code, pg_temp.chance(key, 19) as chance_account,
        pg_temp.chance(key, 20) as chance_user, pg_temp.chance(key, 21) as chance_driver,
        pg_temp.chance(key, 22) as chance_stream, pg_temp.chance(key, 23) as chance_place
      from (
        select hour, ${beginOf(history)}::timestamptz + hour * interval '1 hour' as hour_at
        from generate_series(${day.number * 24 - (day.number === 0 ? HOURS_BEFORE_FIRST_TICK : 0)}::bigint,
          ${day.number * 24 + 23}::bigint) as hour
      ) as hours,
      lateral (select hour_at at time zone 'Asia/Shanghai' as local_at) as local,
      lateral generate_series(1, floor(pg_temp.chance(hour, 9) + ${history.sessionsPerDay / BUSY_DAY}::float8
        * (${sql.lit(`{${BUSY_BY_HOUR.join()}}`)}::float8[])[1 + extract(hour from local_at)::integer]
        * case when extract(isodow from local_at) > 5 then ${sql.lit(WEEKEND)} else ${sql.lit(WEEKDAY)} end)::bigint) as n,
      lateral (select ((hour + ${sql.lit(HOURS_BEFORE_FIRST_TICK)}) << 24) + n as key) as keyed
    ) as chance
  ) as drawn`

/** The first listing at which something that happened could be seen. */
const firstListing = (since: string) => sql`
  lateral (
    select * from listing where listing.account_id = truth.account_id and answered_at >= ${sql.ref(since)}
    order by answered_at limit 1
  )`

const lives = (history: HistorySettings, day: Day, last: number) => sql`
  with truth as materialized (${truth(history, day)}), seen as (
    select truth.account_id, session_id, user_id, driver_type, reason, code, is_failed,
      protocol || '://' || case protocol when 'trtc' then 'cloud.tencent.com/room/' else 'live.qq.com/live/' end || session_id
        || case protocol when 'trtc' then '?userSig=secret-' || session_id when 'webrtc' then '?min_delay_ms=100' else '' end
        as stream_addr,
      jsonb_build_object('VirtualmanType', 1, 'CreateType', (project is null)::integer,
        'VirtualmanKey', 'virtualman-' || coalesce('project-' || project, 'asset-' || asset),
        'AssetVirtualmanKey', case when project is null then 'asset-' || asset else '' end,
        'VirtualmanProjectId', coalesce('project-' || project, '')) as extra,
      truth.ready_at is not null and reason = 'reported' as stat_knows_stream,
      created.listed_at as first_listed_at, created.complete_after_at as first_seen_after, created.known_at as first_seen_at,
      -- Only statsession can tell of a session that the lists never showed started that it was.
      case when ready.listed_at < coalesce(missing.listed_at, 'infinity') or reason = 'reported' and truth.started_at is not null
        then ready.listed_at end as ready_listed_at,
      ready.known_at as ready_known_at, ready.after_at as ready_after_at,
      case when started.listed_at < coalesce(missing.listed_at, 'infinity') or reason = 'reported'
        then started.listed_at end as started_listed_at,
      started.known_at as started_known_at, started.after_at as started_after_at,
      missing.listed_at as missing_listed_at, missing.after_at as missing_after_at,
      case reason when 'reported' then missing.listed_at when 'gone' then missing.next_complete_at
        else missing.third_complete_at end as ended_listed_at,
      case reason when 'reported' then missing.known_at when 'gone' then missing.next_complete_known_at
        else missing.third_complete_known_at end as ended_at
    from truth join ${firstListing('truth.created_at')} as created on created.answered_at < over_at
      left join ${firstListing('truth.ready_at')} as ready on true
      left join ${firstListing('truth.started_at')} as started on true
      left join ${firstListing('truth.over_at')} as missing on true
  )
  select ${last}::bigint + row_number() over (order by first_listed_at, account_id, session_id collate "C") as id,
    account_id, session_id, user_id, driver_type, extra, stream_addr, first_listed_at, ready_listed_at, started_listed_at,
    missing_listed_at, ended_listed_at, first_seen_after, first_seen_at,
    case when ready_listed_at = first_listed_at then first_seen_after when ready_listed_at is not null then ready_after_at end
      as ready_after,
    case when ready_listed_at is not null then ready_known_at end as ready_at,
    case when started_listed_at = first_listed_at then first_seen_after
      when started_listed_at is not null then started_after_at end as started_after,
    case when started_listed_at is not null then started_known_at end as started_at,
    case when ended_at is not null then missing_after_at end as ended_after, ended_at,
    case when ended_at is not null then reason end as end_reason,
    case when ended_at is not null then code end as error_code,
    case when ended_at is not null then message end as error_message,
    case when ended_at is not null then case when is_failed then 4 else 2 end
      when ready_listed_at is not null then 1 else 3 end as status,
    case when ready_listed_at is not null or stat_knows_stream and ended_at is not null then stream_addr end as play_stream_addr,
    1 + (ready_listed_at is not null)::integer + (started_listed_at is not null)::integer + (ended_at is not null)::integer
      as revision,
    case when ended_at is null then missing_after_at end as missing_since,
    case when ended_at is null and missing_listed_at is not null then (
      select count(*) from listing
      where listing.account_id = seen.account_id and is_complete and listing.listed_at >= missing_listed_at
    )::integer end as missing_times
  from seen left join (values ${messages}) as meaning (code, message) using (code)
  order by id`

async function saveSessions(tx: Transaction<Database>): Promise<void> {
  await sql`
    insert into session (id, account_id, session_id, incarnation, user_id, status, started, driver_type, play_stream_addr, extra,
      first_seen_after, first_seen_at, ready_after, ready_at, started_after, started_at, ended_after, ended_at, end_reason,
      error_code, error_message, revision, missing_since, missing_times)
    overriding system value
    select id, account_id, session_id, 1, user_id, status, started_at is not null, driver_type, play_stream_addr, extra,
      first_seen_after, first_seen_at, ready_after, ready_at, started_after, started_at, ended_after, ended_at, end_reason,
      error_code, error_message, revision, missing_since, missing_times
    from life order by id`.execute(tx)
  await sql`select setval(pg_get_serial_sequence('session', 'id'), max(id)) from life having count(*) > 0`.execute(tx)
}

async function saveVersions(tx: Transaction<Database>): Promise<void> {
  await sql`
    insert into session_version
      (incarnation_id, valid_from, valid_to, user_id, status, started, driver_type, play_stream_addr, extra)
    select id, valid_from, valid_to, user_id, version.status, version.started, driver_type,
      case when version.status = 1 then stream_addr end, extra
    from life cross join lateral (values
      (first_listed_at, coalesce(ready_listed_at, missing_listed_at), 3, false),
      (ready_listed_at, coalesce(started_listed_at, missing_listed_at), 1, false),
      (started_listed_at, missing_listed_at, 1, true)
    ) as version (valid_from, valid_to, status, started)
    -- A state that no listing showed is none.
    where valid_from < coalesce(valid_to, 'infinity')
    order by id, valid_from`.execute(tx)
}
