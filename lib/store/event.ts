import { sql, type Transaction } from 'kysely'
import type { SessionEvent } from '../core/event.ts'
import type { Database } from './database.ts'
import type { IncarnationIds } from './session.ts'

/** Appends the events of a tick, in the transaction that stores their changes: neither can exist without the other. */
export async function appendEvents(
  tx: Transaction<Database>,
  accountId: number,
  events: SessionEvent[],
  incarnationIds: IncarnationIds,
): Promise<void> {
  if (events.length === 0) return
  const rows = events.map((event) => ({
    id: event.id,
    account_id: accountId,
    position: event.position,
    type: event.type,
    incarnation_id: incarnationIds.get(event.sessionId),
    revision: event.revision,
    occurred_at: event.time,
    body: event.body,
  }))
  await sql`
    insert into event select * from jsonb_populate_recordset(null::event, ${JSON.stringify(rows)}::jsonb)`.execute(tx)
}

/**
 * Makes a pending delivery of each event after `position` for each endpoint that wants it, whatever the endpoint's state:
 * what a paused or disabled one misses is kept. Gives how many. Same transaction as the events.
 */
export async function fanOut(tx: Transaction<Database>, accountId: number, position: number): Promise<number> {
  // The key-share lock makes a removal of the endpoint wait; without it, its foreign key would fail the whole tick.
  const made = await sql`
    insert into delivery (endpoint_id, event_id, lane, position, due_at)
    select endpoint.id, event.id, ${`${accountId}/`} || session.session_id, event.position, now()
    from event
      join session on session.id = event.incarnation_id
      join endpoint on (endpoint.account_id is null or endpoint.account_id = event.account_id)
        and (endpoint.event_types @> array[event.type] or endpoint.event_types = '{*}')
    where event.account_id = ${accountId} and event.position > ${position}
    order by event.position
    for key share of endpoint`.execute(tx)
  return Number(made.numAffectedRows)
}
