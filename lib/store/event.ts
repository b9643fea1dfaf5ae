import { sql, type Transaction } from 'kysely'
import type { SessionEvent } from '../core/event.ts'
import type { Database } from './database.ts'
import type { IncarnationIds } from './session.ts'

/** More in one statement were the most memory that a tick took, three times over: as JSON, as its bytes, and as what is sent. */
const EVENTS_AT_ONCE = 1_000

/** Appends the events of a tick, in the transaction that stores their changes: neither can exist without the other. */
export async function appendEvents(
  tx: Transaction<Database>,
  accountId: number,
  events: Iterable<SessionEvent>,
  incarnationIds: IncarnationIds,
): Promise<void> {
  let rows: object[] = []
  const insert = async () => {
    const json = JSON.stringify(rows)
    rows = []
    await sql`insert into event select * from jsonb_populate_recordset(null::event, ${json}::jsonb)`.execute(tx)
  }
  for (const event of events) {
    if (rows.length === EVENTS_AT_ONCE) await insert()
    rows.push({
      id: event.id,
      account_id: accountId,
      position: event.position,
      type: event.type,
      incarnation_id: incarnationIds.get(event.sessionId),
      revision: event.revision,
      occurred_at: event.time,
      body: event.body,
    })
  }
  if (rows.length > 0) await insert()
}

/**
 * Makes a pending delivery of each event after `position` for each endpoint that wants it, whatever the endpoint's state:
 * what a paused or disabled one misses is kept. Gives how many. Same transaction as the events.
 */
export function fanOut(tx: Transaction<Database>, accountId: number, position: number): Promise<number> {
  return makeDeliveries(tx, sql`event.account_id = ${accountId} and event.position > ${position}`)
}

/** With which events an endpoint begins: those to come; all that are kept, too; or all of the sessions that live now, too. */
export type From = 'now' | 'start' | 'snapshot'

const STEP = 20_000

/** Makes what a new endpoint begins with, of an account that is locked. Gives how many. */
export async function fanOutPast(
  tx: Transaction<Database>,
  endpointId: string,
  account: { id: number; position: number },
  from: From,
): Promise<number> {
  if (from === 'now') return 0
  const isIts = sql`endpoint.id = ${endpointId} and event.account_id = ${account.id}`
  if (from === 'snapshot') return makeDeliveries(tx, sql`${isIts} and session.ended_at is null`)
  let made = 0
  // In steps, each within a statement's time.
  for (let after = 0; after < account.position; after += STEP) {
    const within = sql`event.position > ${after} and event.position <= ${after + STEP}`
    made += await makeDeliveries(tx, sql`${isIts} and ${within}`)
  }
  return made
}

/** Whether an event of a session is one that an endpoint wants today. */
export const isWanted = sql`(endpoint.account_id is null or endpoint.account_id = event.account_id)
  and (endpoint.event_types @> array[event.type] or endpoint.event_types @> '{*}')`

/** Makes a delivery, due now, of each event that fits for each endpoint that wants it and has none. Gives how many. */
export async function makeDeliveries(tx: Transaction<Database>, condition: ReturnType<typeof sql>): Promise<number> {
  // The key-share locks make a removal of the endpoint or of an old event wait; without them, its foreign key would fail the
  // whole tick.
  const made = await sql`
    insert into delivery (endpoint_id, event_id, lane, position, due_at)
    select endpoint.id, event.id, event.account_id || '/' || session.session_id, event.position, now()
    from event
      join session on session.id = event.incarnation_id
      join endpoint on ${isWanted}
    where ${condition}
    order by event.position
    for key share of endpoint, event
    on conflict do nothing`.execute(tx)
  return Number(made.numAffectedRows)
}
