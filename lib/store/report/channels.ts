import type { Question } from './question.ts'

/** How many channels are in use, by whom, and whether there are enough. */
export const CHANNELS: Omit<Question, 'days'>[] = [
  {
    name: 'peak-concurrency',
    asks: 'How many channels were in use at once at most on each day, against those bought?',
    plot: { x: 'day', y: 'peak' },
    sql: `
    select account, bucket::date as day, peak, :channels - peak as free
    from report.concurrency(date_trunc('day', :'from'::timestamptz), :'to', '1 day')
    where :'account' in ('*', account)
    order by account, day`,
  },
  {
    name: 'concurrency',
    asks: 'How did the number of channels in use go up and down, hour by hour?',
    plot: { x: 'hour', y: 'peak' },
    sql: `
    select account, bucket as hour, peak
    from report.concurrency(date_trunc('hour', :'from'::timestamptz), :'to', '1 hour')
    where :'account' in ('*', account)
    order by account, hour`,
  },
  {
    name: 'time-at-capacity',
    asks: 'For how long were all channels in use, or more than were bought?',
    sql: `
    select account, round(seconds_at_or_over / 60, 1) as minutes, round(100 * share, 3) as percent, occasions,
      round(longest_seconds / 60, 1) as longest_minutes, peak, last_at
    from report.capacity(:channels, :'from', :'to')
    where :'account' in ('*', account)
    order by account`,
  },
  {
    name: 'busiest-hours',
    asks: 'Which hours of the week are the busiest?',
    sql: `
    select account, to_char(bucket, 'Dy') as weekday, extract(hour from bucket)::integer as hour,
      round(avg(peak), 1) as average_peak, max(peak) as highest_peak
    from report.concurrency(date_trunc('hour', :'from'::timestamptz), :'to', '1 hour')
    where :'account' in ('*', account)
    group by account, extract(isodow from bucket), weekday, hour
    order by average_peak desc, highest_peak desc, account, extract(isodow from bucket), hour
    limit 10`,
  },
  {
    name: 'peak-by-asset',
    asks: 'How many channels did each avatar of each project need at most, and on which day?',
    sql: `
    select distinct on (account, project_id, asset_key) account, project_id, asset_key, peak, day
    from report.usage_daily
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz and :'account' in ('*', account)
    order by account, project_id, asset_key, peak desc, day`,
  },
  {
    name: 'slots-now',
    asks: 'Who holds channels now, and since when?',
    sql: `
    select account, session_id, user_id, project_id, status, first_seen_at as held_since,
      round(duration_min_seconds / 60, 1) as minutes_at_least, unconfirmed
    from report.sessions
    where is_live and :'account' in ('*', account)
    order by first_seen_at, account, session_id`,
  },
  {
    name: 'slots-at',
    asks: 'Who held channels at a moment (the one that :to names), as the list showed it then?',
    sql: `
    select account, session_id, user_id, project_id, status, started, since, listed_at
    from report.sessions_at(:'to')
    where :'account' in ('*', account)
    order by account, session_id`,
  },
  {
    name: 'leaks-now',
    asks: 'Which live sessions hold a channel for nothing?',
    sql: `
    select account, session_id, user_id, project_id, leak, held_since, round(held_seconds / 60, 1) as minutes
    from report.leaks()
    where :'account' in ('*', account)
    order by held_seconds desc, account, session_id`,
  },
  {
    name: 'leaks-by-user',
    asks: 'Whose sessions held channels for nothing, and for how long?',
    sql: `
    select account, user_id, leak, count(*) as sessions, round(sum(held_seconds) / 60, 1) as minutes
    from report.leaks(:'from')
    where held_since < :'to' and :'account' in ('*', account)
    group by account, user_id, leak
    order by minutes desc, account, user_id, leak
    limit 20`,
  },
]
