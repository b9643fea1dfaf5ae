import { type Kysely, sql } from 'kysely'
import { statusName } from '../../core/session.ts'
import type { Database } from '../database.ts'
import type { SessionView } from '../history.ts'
import { SESSION_COLUMNS } from './view.ts'

/** One POST, or what came of trying. */
export interface AttemptView {
  number: number
  sentAt: Date
  durationMs: number
  outcome: string
  status: number | null
}

/** One session with all that is known of it: its bounds, its events, and what became of each at each endpoint. */
export interface Life {
  session: SessionView & {
    firstSeenAfter: Date | null
    readyAfter: Date | null
    startedAfter: Date | null
    endedAfter: Date | null
    missingSince: Date | null
    errorMeaning: string | null
    playStreamAddr: string | null
  }
  events: {
    id: string
    type: string
    position: number
    revision: number
    at: Date
    deliveries: DeliveryView[]
  }[]
}

/** What became of an event at one endpoint. */
interface DeliveryView {
  id: string
  endpointId: string
  state: 'pending' | 'delivered' | 'dead'
  attempts: AttemptView[]
}

/** Of a delivery, the newest: one that was replayed again and again has very many. */
const MOST_ATTEMPTS = 50
/** Of an event; a session has five at most. */
const MOST_DELIVERIES = 200

/** One incarnation of a session; undefined where there is none such. */
export async function readLife(
  db: Kysely<Database>,
  { account, id, incarnation }: { account: string; id: string; incarnation: number },
): Promise<Life | undefined> {
  const found = await sql<Omit<Life['session'], 'status'> & { status: number; row: number }>`
    select ${SESSION_COLUMNS}, first_seen_after as "firstSeenAfter", ready_after as "readyAfter", started_after as "startedAfter",
      ended_after as "endedAfter", missing_since as "missingSince", meaning as "errorMeaning", play_stream_addr as "playStreamAddr",
      session.id as row
    from session join account on account.id = account_id left join report.error_codes using (error_code)
    where account.name = ${account} and session_id = ${id} and incarnation = ${incarnation}`.execute(db)
  const [one] = found.rows
  if (!one) return undefined
  const { row, status, ...session } = one
  return { session: { ...session, status: statusName(status) }, events: await readEvents(db, row) }
}

async function readEvents(db: Kysely<Database>, row: number): Promise<Life['events']> {
  const { rows: events } = await sql<Omit<Life['events'][number], 'deliveries'>>`
    select id, type, position, revision, occurred_at as at from event where incarnation_id = ${row} order by revision`.execute(
    db,
  )
  const ids = events.map((event) => event.id)
  const { rows: deliveries } = await sql<Pick<DeliveryView, 'endpointId' | 'state'> & { id: number; eventId: string }>`
    select delivery.id, event_id as "eventId", endpoint_id as "endpointId", state
    from unnest(${ids}::text[]) as wanted (event) cross join lateral (
      select id, event_id, endpoint_id, state from delivery where event_id = wanted.event order by id limit ${MOST_DELIVERIES}
    ) as delivery
    order by delivery.id`.execute(db)
  const attempts = await readAttempts(
    db,
    deliveries.map(({ id }) => id),
  )
  return events.map((event) => ({
    ...event,
    deliveries: deliveries
      .filter(({ eventId }) => eventId === event.id)
      .map(({ id, endpointId, state }) => ({ id: String(id), endpointId, state, attempts: attempts.get(id) ?? [] })),
  }))
}

/** The attempts of deliveries, the newest of each, in their order. */
export async function readAttempts(
  db: Kysely<Database>,
  deliveries: readonly number[],
  limit = MOST_ATTEMPTS,
): Promise<Map<number, AttemptView[]>> {
  const { rows } = await sql<AttemptView & { delivery: number }>`
    select attempt.delivery_id as delivery, number, sent_at as "sentAt", duration_ms as "durationMs", outcome, status
    from unnest(${[...deliveries]}::bigint[]) as wanted (id) cross join lateral (
      select * from attempt where delivery_id = wanted.id order by number desc limit ${limit}
    ) as attempt
    order by attempt.delivery_id, number`.execute(db)
  const found = new Map<number, AttemptView[]>()
  for (const { delivery, ...attempt } of rows) found.set(delivery, [...(found.get(delivery) ?? []), attempt])
  return found
}

/** Whether there is such a delivery. */
export async function hasDelivery(db: Kysely<Database>, id: number): Promise<boolean> {
  return (await db.selectFrom('delivery').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
}
