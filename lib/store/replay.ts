import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import { showEndpoint } from './endpoint.ts'
import { isWanted, makeDeliveries } from './event.ts'

/** Which of an endpoint's events to send again; what is left out does not matter. */
export interface ReplayFilter {
  endpoint: string
  event?: string
  session?: string
  /** Only deliveries in this state. Without it, also events it has no delivery of, if it wants them today. */
  state?: 'delivered' | 'dead'
  /** When the change was seen: from `since` on, and before `until`. */
  since?: Date
  until?: Date
}

/** How many events fit, and how many of them this queued; the others are pending already. */
export interface Replayed {
  matched: number
  queued: number
}

const STEP = 5_000

/**
 * Queues events for an endpoint again, with the ids and bytes they had. There is no limit: it goes in steps, each told to
 * `onStep`; stopped in the middle, it can be run again. With `dryRun` it only counts. Throws `not_found`.
 */
export async function replay(
  db: Kysely<Database>,
  filter: ReplayFilter,
  { dryRun = false, onStep }: { dryRun?: boolean; onStep?: (done: Replayed) => void } = {},
): Promise<Replayed> {
  await showEndpoint(db, filter.endpoint)
  const ids = await findEvents(db, filter)
  const result = { matched: ids.length, queued: 0 }
  if (dryRun) return result
  for (let at = 0; at < ids.length; at += STEP) {
    result.queued += await queue(db, filter, ids.slice(at, at + STEP))
    onStep?.({ ...result })
  }
  return result
}

async function findEvents(db: Kysely<Database>, filter: ReplayFilter): Promise<string[]> {
  const { endpoint, event, session, state, since, until } = filter
  const conditions = [
    sql`endpoint.id = ${endpoint}`,
    event === undefined ? [] : sql`event.id = ${event}`,
    session === undefined ? [] : sql`session.session_id = ${session}`,
    since === undefined ? [] : sql`event.occurred_at >= ${since}`,
    until === undefined ? [] : sql`event.occurred_at < ${until}`,
    state !== undefined
      ? sql`delivery.state = ${state}`
      : sql`(delivery.id is not null or (session.id is not null and ${isWanted}))`,
  ].flat()
  const { rows } = await sql<{ id: string }>`
    select event.id
    from endpoint cross join event
      ${state === undefined ? sql`left join` : sql`join`} delivery
        on delivery.endpoint_id = endpoint.id and delivery.event_id = event.id
      left join session on session.id = event.incarnation_id
    where ${sql.join(conditions, sql` and `)}
    order by event.account_id, event.position`.execute(db)
  return rows.map(({ id }) => id)
}

function queue(db: Kysely<Database>, { endpoint, state }: ReplayFilter, ids: string[]): Promise<number> {
  const isFinal = state === undefined ? sql`state <> 'pending'` : sql`state = ${state}`
  return db.transaction().execute(async (tx) => {
    // The endpoint before its deliveries, and those in the order of ids, as a settle does.
    await sql`select from endpoint where id = ${endpoint} for key share`.execute(tx)
    const again = await sql`
      update delivery
      set state = 'pending', due_at = now(), retry_until = null, finalized_at = null, attempts_before = attempts
      from (
        select id from delivery where endpoint_id = ${endpoint} and event_id = any(${ids}::text[]) and ${isFinal}
        order by id for no key update
      ) as final
      where delivery.id = final.id`.execute(tx)
    const first =
      state === undefined
        ? await makeDeliveries(
            tx,
            sql`endpoint.id = ${endpoint} and event.id = any(${ids}::text[]) and not exists (
            select from delivery where endpoint_id = endpoint.id and event_id = event.id)`,
          )
        : 0
    return Number(again.numAffectedRows) + first
  })
}
