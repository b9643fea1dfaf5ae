import type { Question } from './question.ts'

/** Was anybody looking? */
export const WATCHING: Omit<Question, 'days'>[] = [
  {
    name: 'time-blind',
    asks: 'For which share of the time did nobody see what happened?',
    sql: `
    select account, count(*) as gaps, round(sum(seconds) / 60, 1) as minutes,
      round(100 * sum(seconds) / extract(epoch from least(:'to', now()) - :'from'::timestamptz), 3) as percent
    from report.gaps(:'from', :'to')
    where :'account' in ('*', account)
    group by account
    order by account`,
  },
  {
    name: 'longest-gaps',
    asks: 'When did nobody look for the longest, and why?',
    sql: `
    select account, began_at, ended_at, round(seconds / 60, 1) as minutes, failed, incomplete
    from report.gaps(:'from', :'to')
    where :'account' in ('*', account)
    order by seconds desc, account, began_at
    limit 10`,
  },
  {
    name: 'ticks-by-day',
    asks: 'How many looks were there on each day, and how many of them were of no use?',
    sql: `
    select account, listed_at::date as day, count(*) as ticks, count(*) filter (where outcome = 'failed') as failed,
      count(*) filter (where outcome = 'incomplete') as incomplete,
      percentile_disc(0.95) within group (order by duration_ms) as p95_ms
    from report.ticks
    where listed_at >= :'from' and listed_at < :'to' and :'account' in ('*', account)
    group by account, day
    order by account, day`,
  },
  {
    name: 'tick-errors',
    asks: 'Why was there no list?',
    sql: `
    select account, error, count(*) as ticks, min(listed_at) as first_at, max(listed_at) as last_at
    from report.ticks
    where outcome = 'failed' and listed_at >= :'from' and listed_at < :'to' and :'account' in ('*', account)
    group by account, error
    order by ticks desc, account, error
    limit 20`,
  },
]
