import type { Question } from './question.ts'

/** How much is used, by whom, and for how long. */
export const USAGE: Omit<Question, 'days'>[] = [
  {
    name: 'usage-by-day',
    asks: 'How many sessions and channel-minutes were there on each day?',
    plot: { x: 'day', y: 'channel_minutes' },
    sql: `
    select account, day, sum(sessions) as sessions, sum(started) as started, sum(failed) as failed,
      sum(channel_minutes) as channel_minutes, max(account_peak) as peak
    from report.usage_daily
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz and :'account' in ('*', account)
    group by account, day
    order by account, day`,
  },
  {
    name: 'minutes-by-project',
    asks: 'How many channel-minutes did each project use, and what is certain about it?',
    sql: `
    select account, project_id, sum(sessions) as sessions, sum(channel_minutes) as channel_minutes,
      sum(channel_minutes_min) as at_least, sum(channel_minutes_max) as at_most
    from report.usage_daily
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz and :'account' in ('*', account)
    group by account, project_id
    order by channel_minutes desc, account, project_id`,
  },
  {
    name: 'minutes-by-asset',
    asks: 'Which avatars are used, by channel-minutes?',
    sql: `
    select account, asset_key, sum(sessions) as sessions, sum(channel_minutes) as channel_minutes
    from report.usage_daily
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz and :'account' in ('*', account)
    group by account, asset_key
    order by channel_minutes desc, account, asset_key`,
  },
  {
    name: 'today-and-last-week',
    asks: 'How does the day so far (up to :to) compare with the same hours a week before?',
    sql: `
    with spans (span, began_at, until) as (
      select 'today', date_trunc('day', :'to'::timestamptz - interval '1 microsecond'), :'to'::timestamptz
      union all
      select 'a week before', date_trunc('day', :'to'::timestamptz - interval '1 microsecond') - interval '7 days',
        :'to'::timestamptz - interval '7 days'
    )
    select account, span, max(account_peak) as peak, sum(sessions) as sessions, sum(started) as started, sum(failed) as failed
    from spans cross join lateral report.usage(began_at, until)
    where :'account' in ('*', account)
    group by account, span, began_at
    order by account, began_at desc`,
  },
  {
    name: 'sessions-by-user',
    asks: 'Which users have the most sessions?',
    sql: `
    select account, user_id, count(*) as sessions, count(started_at) as started,
      round(sum(duration_min_seconds) / 60, 1) as minutes_at_least
    from report.sessions
    where first_seen_at >= :'from' and first_seen_at < :'to' and :'account' in ('*', account)
    group by account, user_id
    order by sessions desc, minutes_at_least desc, account, user_id
    limit 20`,
  },
  {
    name: 'durations',
    asks: 'How long do sessions last? And how many of them may belong to another row, for all that is certain?',
    sql: `
    with classes (limits) as (
      select '{0, 1 minute, 5 minutes, 15 minutes, 1 hour, 4 hours}'::interval[]
    ), ended as (
      select account, width_bucket(ended_at - first_seen_at, limits) as class,
        width_bucket(greatest(ended_after, first_seen_at) - first_seen_at, limits)
          <> width_bucket(ended_at - coalesce(first_seen_after, first_seen_at), limits) as is_unsure
      from report.sessions cross join classes
      where first_seen_at >= :'from' and first_seen_at < :'to' and not is_live and :'account' in ('*', account)
    ), counted as materialized (
      select account, class, count(*) as sessions, count(*) filter (where is_unsure) as unsure
      from ended
      group by account, class
    )
    select account, (extract(epoch from limits[class]) / 60)::integer as minutes_from,
      (extract(epoch from limits[class + 1]) / 60)::integer as minutes_to, sessions,
      round(100 * sessions / sum(sessions) over (partition by account), 1) as percent, unsure
    from counted cross join classes
    order by account, class`,
  },
  {
    name: 'never-started',
    asks: 'Which share of the sessions of each project ended and was never started, and what did they use?',
    sql: `
    select account, project_id, count(*) as sessions, count(*) filter (where never_started) as never_started,
      round(100.0 * count(*) filter (where never_started) / count(*), 2) as percent,
      round(sum(duration_seconds) filter (where never_started) / 60, 1) as minutes
    from report.sessions
    where first_seen_at >= :'from' and first_seen_at < :'to' and not is_live and :'account' in ('*', account)
    group by account, project_id
    order by percent desc, account, project_id`,
  },
  {
    name: 'time-to-ready',
    asks: 'How long does it take until a stream is ready, by week? The median lies between its bounds.',
    sql: `
    select account, week, sessions, round(extract(epoch from median), 3) as median_at_least,
      round(extract(epoch from at_most[1]), 3) as median_at_most, round(extract(epoch from at_most[2]), 3) as p95_at_most
    from (
      select account, date_trunc('week', first_seen_at)::date as week, count(*) as sessions,
        percentile_disc(0.5) within group (order by greatest(interval '0', ready_after - first_seen_at)) as median,
        percentile_disc(array[0.5, 0.95]) within group (order by ready_at - coalesce(first_seen_after, first_seen_at)) as at_most
      from report.sessions
      where first_seen_at >= :'from' and first_seen_at < :'to' and ready_at is not null and :'account' in ('*', account)
      group by account, week
    ) as weeks
    order by account, week`,
  },
]
