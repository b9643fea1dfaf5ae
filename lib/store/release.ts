import { type Kysely, sql } from 'kysely'
import type { Claim } from './claim.ts'
import type { Database } from './database.ts'

/**
 * Gives claims back that were never sent: they are due again, no attempt is counted, what was never tried has all its time for
 * retries, and an endpoint that waited for such a one waits no more. Atomic. One that is ours no more stays as it is. Locks in the order of a settle.
 */
export async function release(
  db: Kysely<Database>,
  claims: readonly Pick<Claim, 'id' | 'endpointId' | 'fence'>[],
): Promise<void> {
  if (claims.length === 0) return
  const each = <Value>(value: (claim: (typeof claims)[number]) => Value) => claims.map(value)
  await sql`
    with unsent as materialized (
      select * from unnest(${each(({ id }) => id)}::bigint[], ${each(({ fence }) => fence)}::integer[]) as unsent (id, fence)
    ), endpoints as materialized (
      select id from endpoint where id = any(${each(({ endpointId }) => endpointId)}::text[]) order by id for key share
    ), ours as materialized (
      select delivery.id, endpoint_id, due_at
      from unsent join delivery using (id)
      where state = 'pending' and attempts = fence and attempts > attempts_before and endpoint_id in (select id from endpoints)
      order by delivery.id for no key update of delivery
    ), probed as materialized (
      select endpoint.id from endpoint join ours on endpoint.id = endpoint_id and probe_until = ours.due_at
      order by endpoint.id for no key update of endpoint
    ), freed as (
      update endpoint set probe_until = null where id in (select id from probed)
    )
    update delivery
    set attempts = attempts - 1, due_at = now(), retry_until = case when attempts - 1 > attempts_before then retry_until end
    from ours where delivery.id = ours.id`.execute(db)
}
