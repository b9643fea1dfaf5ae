import type { Question } from './question.ts'

/** What subscribers got. Deliveries are those of all accounts: an endpoint may have several. */
export const SUBSCRIBERS: Omit<Question, 'days'>[] = [
  {
    name: 'slowest-endpoints',
    asks: 'Which endpoints get their events the latest, on their worst day?',
    sql: `
    select endpoint, description, sum(delivered) as delivered, max(p50_seconds) as worst_p50, max(p95_seconds) as worst_p95,
      max(max_seconds) as slowest
    from report.deliveries
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz
    group by endpoint, description
    having sum(delivered) > 0
    order by worst_p95 desc, endpoint
    limit 20`,
  },
  {
    name: 'delivery-delay',
    asks: 'How long did deliveries take, day by day?',
    plot: { x: 'day', y: 'p95_seconds' },
    sql: `
    select endpoint, day, delivered, p50_seconds, p95_seconds, p99_seconds, max_seconds
    from report.deliveries
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz and delivered > 0
    order by endpoint, day`,
  },
  {
    name: 'retries',
    asks: 'How often is a delivery tried again, by endpoint?',
    sql: `
    select endpoint, description, sum(delivered) as delivered, sum(dead) as dead, sum(retried) as retried,
      round(100 * sum(retried) / sum(delivered + dead), 2) as percent_retried,
      round(sum(attempts) / sum(delivered + dead), 2) as attempts_each
    from report.deliveries
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz
    group by endpoint, description
    order by percent_retried desc, endpoint`,
  },
  {
    name: 'dead-deliveries',
    asks: 'Which deliveries were given up, by endpoint and day?',
    sql: `
    select endpoint, description, day, dead, delivered
    from report.deliveries
    where day >= :'from'::timestamptz::date and day < :'to'::timestamptz and dead > 0
    order by endpoint, day`,
  },
  {
    name: 'backlog',
    asks: 'Which endpoints have not got everything yet?',
    sql: `
    select endpoint, description, host, state, state_reason, failing_since, pending, oldest_pending_at
    from report.endpoints
    where pending > 0 or state <> 'active'
    order by pending desc, endpoint`,
  },
]
