import { type Kysely, sql } from 'kysely'
import type { Database } from '../database.ts'

/** How an endpoint has answered of late. */
export interface EndpointHealth {
  /** Since when the oldest waits that could have been made. */
  oldestDueAt: Date | null
  latency: { p50Ms: number; p95Ms: number; attempts: number } | null
  lastError: { at: Date; outcome: string; status: number | null } | null
}

/** Deliveries of each endpoint that are looked at: the newest, and those that wait for the longest from now. */
const LOOKED_AT = 500

/** The health of every endpoint by its id, from a bounded number of its deliveries. */
export async function readEndpointHealth(db: Kysely<Database>): Promise<Map<string, EndpointHealth>> {
  const { rows } = await sql<
    { id: string; oldestDueAt: Date | null } & { p50: number | null; p95: number | null; attempts: number } & {
      errorAt: Date | null
      outcome: string | null
      status: number | null
    }
  >`
    select endpoint.id, due.due_at as "oldestDueAt", p50, p95, attempts, error.sent_at as "errorAt", error.outcome, error.status
    from endpoint left join lateral (
      select due_at from delivery
      where endpoint_id = endpoint.id and state = 'pending' and attempts >= 0 and due_at <= now()
      order by due_at, id limit 1
    ) as due on true cross join lateral (
      -- One that fails tries the oldest, and puts them off; one that works tries the newest.
      select array(
        (select id from delivery where endpoint_id = endpoint.id order by id desc limit ${LOOKED_AT})
        union
        (select id from delivery
          where endpoint_id = endpoint.id and state = 'pending' and attempts >= 0 order by due_at desc, id desc limit ${LOOKED_AT})
      ) as ids
    ) as looked_at cross join lateral (
      select percentile_disc(0.5) within group (order by duration_ms) as p50,
        percentile_disc(0.95) within group (order by duration_ms) as p95, count(*) as attempts
      from attempt where delivery_id = any(ids) and sent_at > now() - interval '1 hour' and outcome <> 'local_fault'
    ) as latency left join lateral (
      select sent_at, outcome, status from attempt
      where delivery_id = any(ids) and (outcome <> 'answered' or status not between 200 and 299)
      order by sent_at desc limit 1
    ) as error on true`.execute(db)
  return new Map(
    rows.map(({ id, oldestDueAt, p50, p95, attempts, errorAt, outcome, status }) => [
      id,
      {
        oldestDueAt,
        latency: p50 === null || p95 === null ? null : { p50Ms: p50, p95Ms: p95, attempts },
        lastError: errorAt === null || outcome === null ? null : { at: errorAt, outcome, status },
      },
    ]),
  )
}
