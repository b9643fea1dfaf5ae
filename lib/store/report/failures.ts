import type { Question } from './question.ts'

/** What goes wrong, and how sessions end. */
export const FAILURES: Omit<Question, 'days'>[] = [
  {
    name: 'failure-rate',
    asks: 'Which share of the sessions first seen in each week failed, or ended with a code, by code?',
    sql: `
    with counted as (
      select account, date_trunc('week', first_seen_at)::date as week, status, error_code, count(*) as sessions,
        sum(count(*)) over (partition by account, date_trunc('week', first_seen_at)) as of_sessions
      from report.sessions
      where first_seen_at >= :'from' and first_seen_at < :'to' and not is_live and :'account' in ('*', account)
      group by account, date_trunc('week', first_seen_at), status, error_code
    )
    select account, week, status as ended_as, error_code, error_name, sessions, of_sessions,
      round(100 * sessions / of_sessions, 2) as percent
    from counted left join report.error_codes using (error_code)
    where status = 'failed' or error_code is not null
    order by account, week, sessions desc, error_code`,
  },
  {
    name: 'failures-by-day',
    asks: 'How many sessions failed on each day?',
    plot: { x: 'day', y: 'sessions' },
    sql: `
    select account, day, sum(sessions) as sessions, string_agg(distinct error_name, ', ') as codes
    from report.failures
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz and ended_as = 'failed'
      and :'account' in ('*', account)
    group by account, day
    order by account, day`,
  },
  {
    name: 'stuck-preparing',
    asks: 'How many sessions prepared for longer than the two minutes that the API says is the most?',
    sql: `
    select account, project_id, count(*) as sessions, count(*) filter (where stuck_preparing) as stuck,
      count(*) filter (where stuck_preparing and status = 'failed') as then_failed,
      round(100.0 * count(*) filter (where stuck_preparing) / count(*), 2) as percent
    from report.sessions
    where first_seen_at >= :'from' and first_seen_at < :'to' and :'account' in ('*', account)
    group by account, project_id
    order by percent desc, account, project_id`,
  },
  {
    name: 'displaced-by-user',
    asks: 'Whose sessions were replaced, since the same user created another one (110022)?',
    sql: `
    select account, user_id, count(*) as replaced, max(ended_at) as last_at
    from report.sessions
    where error_code = 110022 and ended_at >= :'from' and ended_at < :'to' and :'account' in ('*', account)
    group by account, user_id
    order by replaced desc, account, user_id
    limit 20`,
  },
  {
    name: 'ends',
    asks: 'How do sessions end: in whose words, and how certain is the time?',
    sql: `
    select account, status, end_reason, count(*) as sessions,
      round(100 * count(*) / sum(count(*)) over (partition by account), 2) as percent,
      round(avg(extract(epoch from ended_at - ended_after)), 1) as average_unsure_seconds
    from report.sessions
    where first_seen_at >= :'from' and first_seen_at < :'to' and not is_live and :'account' in ('*', account)
    group by account, status, end_reason
    order by account, sessions desc, status, end_reason`,
  },
  {
    name: 'unconfirmed-ends',
    asks: 'Which sessions count as ended although the API never said so?',
    sql: `
    select account, session_id, user_id, project_id, ended_after, ended_at
    from report.sessions
    where first_seen_at >= :'from' and first_seen_at < :'to' and unconfirmed and not is_live
      and :'account' in ('*', account)
    order by ended_at desc, account, session_id
    limit 50`,
  },
]
