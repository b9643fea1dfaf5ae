// Events about Rollcall itself, for endpoints that name their types: written in the transaction that makes them true.
import { type Kysely, sql, type Transaction } from 'kysely'
import { operatorEvent, type OperatorEventType } from '../core/event.ts'
import { newId } from '../id.ts'
import { clock } from './account.ts'
import type { Database } from './database.ts'

interface Draft {
  type: OperatorEventType
  /** The endpoint's id, or the account's name. */
  subject: string
  /** Endpoints of other accounts do not hear of it; null: those of one account hear nothing. */
  accountId: number | null
  data: Record<string, unknown>
}

/** Appends the events, and a delivery of each for every endpoint that wants it. */
async function announce(tx: Transaction<Database>, drafts: Draft[]): Promise<void> {
  if (drafts.length === 0) return
  const rows: object[] = []
  for (const { type, subject, accountId, data } of drafts) {
    const { sequence, time } = await nextPlace(tx)
    const id = newId('evt_')
    const body = operatorEvent(type, { id, subject, time, sequence, data })
    const lane = `operator/${subject}`
    rows.push({ id, position: sequence, type, occurred_at: time, body, lane, listener_account_id: accountId })
  }
  const draft = sql`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as draft (id text, position bigint, type text,
    occurred_at timestamptz, body text, lane text, listener_account_id integer)`
  await sql`insert into event (id, position, type, occurred_at, body)
    select id, position, type, occurred_at, body from ${draft}`.execute(tx)
  await sql`insert into delivery (endpoint_id, event_id, lane, position, due_at)
    select endpoint.id, draft.id, draft.lane, draft.position, now()
    from ${draft} join endpoint on endpoint.event_types @> array[draft.type]
      and (endpoint.account_id is null or endpoint.account_id = draft.listener_account_id)
    order by draft.position
    for key share of endpoint`.execute(tx)
}

/** A place for an event that is not stored: one that nobody could get again. */
export async function nextPlace(db: Kysely<Database>): Promise<{ sequence: number; time: Date }> {
  const { rows } = await sql<{ sequence: number; time: Date }>`
    select nextval('operator_event_position') as sequence, ${clock} as time`.execute(db)
  return rows[0]!
}

/** How many of the dead one announcement names. */
const NAMED = 100

/** Announces deliveries that became dead, those of one endpoint together; those of announcements themselves are not told. */
export async function announceDead(
  tx: Transaction<Database>,
  dead: { endpointId: string; eventId: string }[],
): Promise<void> {
  const { rows } = await sql<{
    endpoint: string
    description: string
    accountId: number | null
    events: { id: string; type: string; subject: string }[]
  }>`
    select endpoint.id as endpoint, endpoint.description, endpoint.account_id as "accountId",
      json_agg(json_build_object('id', event.id, 'type', event.type, 'subject', session.session_id)
        order by event.account_id, event.position) as events
    from unnest(${dead.map(({ endpointId }) => endpointId)}::text[], ${dead.map(({ eventId }) => eventId)}::text[])
        as dead (endpoint_id, event_id)
      join endpoint on endpoint.id = dead.endpoint_id
      join event on event.id = dead.event_id
      join session on session.id = event.incarnation_id
    group by endpoint.id order by endpoint.id`.execute(tx)
  const drafts = rows.map(({ endpoint, description, accountId, events }) => {
    const data = { endpoint, description, count: events.length, events: events.slice(0, NAMED) }
    return { type: 'delivery.dead' as const, subject: endpoint, accountId, data }
  })
  await announce(tx, drafts)
}

/** Announces endpoints that became disabled, with the reason that their rows have. */
export async function announceDisabled(tx: Transaction<Database>, endpointIds: string[]): Promise<void> {
  const endpoints = await tx
    .selectFrom('endpoint')
    .select(['id', 'description', 'account_id', 'state_reason'])
    .where('id', '=', sql<string>`any(${endpointIds}::text[])`)
    .orderBy('id')
    .execute()
  const drafts = endpoints.map(({ id, description, account_id: accountId, state_reason: reason }) => {
    return { type: 'endpoint.disabled' as const, subject: id, accountId, data: { endpoint: id, description, reason } }
  })
  await announce(tx, drafts)
}

/** An account that no tick has listed for this long is stalled, or for STALLED_GAPS times its usual interval. */
const STALLED_AFTER = sql`interval '5 minutes'`
const STALLED_GAPS = 5

/** Announces, once each, the accounts that are watched no more: their ticks stopped, or all fail. Gives how many. */
export async function announceStalled(db: Kysely<Database>): Promise<number> {
  const isStalled = sql<boolean>`stalled_at is null and listed_at < now() - greatest(${STALLED_AFTER},
    ${STALLED_GAPS} * (listed_at - (
      select listed_at from snapshot
      where account_id = account.id and outcome <> 'failed' and snapshot.listed_at < account.listed_at
      order by listed_at desc limit 1)))`
  // A look without a lock first: nothing is stalled, mostly.
  const found = await db.selectFrom('account').select('id').where(isStalled).execute()
  if (found.length === 0) return 0
  return db.transaction().execute(async (tx) => {
    const stalled = await tx
      .updateTable('account')
      .set({ stalled_at: sql<Date>`now()` })
      // One that is locked has somebody who looks after it, perhaps for long.
      .where('id', 'in', tx.selectFrom('account').select('id').where(isStalled).forNoKeyUpdate().skipLocked())
      .returning(['id', 'name', 'listed_at'])
      .execute()
    const drafts = stalled.map(({ id, name, listed_at }) => {
      const data = { account: name, lastListedAt: listed_at?.toISOString() ?? null }
      return { type: 'tick.stalled' as const, subject: name, accountId: id, data }
    })
    await announce(tx, drafts)
    return stalled.length
  })
}
