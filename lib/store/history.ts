import { type Kysely, type Selectable, sql } from 'kysely'
import { type EndReason, statusName, type StatusName } from '../core/session.ts'
import { AppError } from '../errors.ts'
import type { Database } from './database.ts'

/** One incarnation of a session as people ask for it. */
export interface SessionView {
  account: string
  id: string
  incarnation: number
  userId: string | null
  status: StatusName
  started: boolean
  driverType: number | null
  firstSeenAt: Date
  readyAt: Date | null
  startedAt: Date | null
  endedAt: Date | null
  endReason: EndReason | null
  error: { code: number; message: string | null } | null
}

/** Sessions, the newest first: all there ever were, those live now, or those live at a moment, as they were then. */
export async function readSessions(
  db: Kysely<Database>,
  filter: { account?: string; live?: boolean; at?: Date; limit?: number },
): Promise<SessionView[]> {
  // The current version is the row itself, so that ended sessions have one too.
  const look = filter.at
    ? sql`join session_version look on look.incarnation_id = session.id
            and look.valid_from <= ${filter.at} and (look.valid_to is null or look.valid_to > ${filter.at})`
    : sql`join session look on look.id = session.id`
  // What was known while it looked so. What the next look told was not: each step of a session changes its look.
  const nextAt = filter.at ? sql`coalesce(look.valid_to, 'infinity')` : sql`timestamptz 'infinity'`
  const { rows } = await sql<Omit<SessionView, 'status'> & { status: number }>`
    select account.name as account, session.session_id as id, session.incarnation, look.user_id as "userId",
      look.status, look.started, look.driver_type as "driverType", session.first_seen_at as "firstSeenAt",
      case when session.ready_at < ${nextAt} then session.ready_at end as "readyAt",
      case when session.started_at < ${nextAt} then session.started_at end as "startedAt",
      case when session.ended_at < ${nextAt} then session.ended_at end as "endedAt",
      case when session.ended_at < ${nextAt} then session.end_reason end as "endReason",
      case when session.ended_at < ${nextAt} and session.error_code is not null
        then json_build_object('code', session.error_code, 'message', session.error_message) end as error
    from session join account on account.id = session.account_id ${look}
    where (${filter.account ?? null}::text is null or account.name = ${filter.account ?? null})
      and (${filter.live !== true} or session.ended_at is null)
    order by session.first_seen_at desc, session.id desc limit ${filter.limit ?? null}`.execute(db)
  return rows.map((row) => ({ ...row, status: statusName(row.status) }))
}

/** The name of the only account there is; undefined when there are none or several. */
export async function onlyAccount(db: Kysely<Database>): Promise<string | undefined> {
  const accounts = await db.selectFrom('account').select('name').limit(2).execute()
  return accounts.length === 1 ? accounts[0]?.name : undefined
}

/** A page of an account's events as they were sent, by cursor. */
export interface EventPage {
  events: { position: number; body: string }[]
  /** Ask for those after this one next. */
  next: number
  /** The position before the oldest event that is kept: a cursor below it has missed some. */
  floor: number
  truncated: boolean
}

/**
 * The events after position `after`, in order, at most `limit`. An account that does not exist has none. Throws `input_invalid`
 * for an `after` beyond the last event: who has it knows another history, and would miss what comes in its place in this one.
 */
export async function listEvents(
  db: Kysely<Database>,
  page: { account: string; after: number; limit: number },
): Promise<EventPage> {
  const events = await db
    .selectFrom('event')
    .innerJoin('account', 'account.id', 'event.account_id')
    .where('account.name', '=', page.account)
    .select(['event.position', 'event.body'])
    .where('event.position', '>', page.after)
    .orderBy('event.position')
    .limit(page.limit)
    .execute()
  const kept = await sql<{ position: number; oldest: number | null }>`
    select position, (select min(position) from event where account_id = account.id) as oldest
    from account where name = ${page.account}`.execute(db)
  const [account] = kept.rows
  // Where no event is kept any more, all there ever were are below it.
  const floor = account ? (account.oldest ?? account.position + 1) - 1 : 0
  const head = account?.position ?? 0
  if (page.after > head) {
    const cure = 'was the database restored, or is it another? Begin again with 0'
    throw new AppError(
      'input_invalid',
      `after (${page.after}) is beyond the last event, whose position is ${head}: ${cure}`,
    )
  }
  return { events, next: events.at(-1)?.position ?? Math.max(page.after, floor), floor, truncated: page.after < floor }
}

/** One event for one endpoint, as people ask for it. */
export interface DeliveryView {
  id: number
  endpointId: string
  eventId: string
  type: string
  /** Null for an event about Rollcall itself. */
  sessionId: string | null
  position: number
  state: Selectable<Database['delivery']>['state']
  attempts: number
  dueAt: Date | null
  createdAt: Date
  finalizedAt: Date | null
  /** Of the last attempt. */
  outcome: string | null
  status: number | null
}

/**
 * Deliveries, the newest first, at most `limit`; all when it is null. Of a session, those of all its incarnations; `before`
 * leaves out that one and the newer ones; `within` looks through no more than so many for those in the state.
 */
export async function listDeliveries(
  db: Kysely<Database>,
  filter: {
    endpoint?: string
    state?: string
    session?: string
    before?: number
    within?: number
    limit: number | null
  },
): Promise<DeliveryView[]> {
  const { rows } = await sql<DeliveryView>`
    select delivery.id, delivery.endpoint_id as "endpointId", event.id as "eventId", event.type,
      session.session_id as "sessionId", delivery.position, delivery.state, delivery.attempts,
      case when delivery.state = 'pending' then delivery.due_at end as "dueAt", delivery.created_at as "createdAt",
      delivery.finalized_at as "finalizedAt", attempt.outcome, attempt.status
    from (${candidates(filter)} limit ${filter.within ?? null}) as delivery
      join event on event.id = delivery.event_id
      left join session on session.id = event.incarnation_id
      left join lateral (
        select outcome, status from attempt where delivery_id = delivery.id order by number desc limit 1
      ) as attempt on true
    where (${filter.state ?? null}::text is null or delivery.state = ${filter.state ?? null})
    order by delivery.id desc limit ${filter.limit}`.execute(db)
  return rows
}

/** The last of the deliveries that `listDeliveries` looked through; null when it looked through all there are. */
export async function lastDeliveryWithin(
  db: Kysely<Database>,
  filter: { endpoint?: string; session?: string; before?: number; within: number },
): Promise<number | null> {
  const { rows } = await sql<{ id: number }>`
    select id from (${candidates(filter)} offset ${filter.within - 1} limit 1) as delivery`.execute(db)
  return rows[0]?.id ?? null
}

const candidates = (filter: { endpoint?: string; session?: string; before?: number }) => {
  const { endpoint, session, before } = filter
  const conditions = [
    endpoint === undefined ? [] : sql`endpoint_id = ${endpoint}`,
    before === undefined ? [] : sql`id < ${before}`,
    session === undefined
      ? []
      : sql`event_id in (
          select event.id from account join session on account_id = account.id join event on incarnation_id = session.id
          where session_id = ${session})`,
    sql`true`,
  ].flat()
  return sql`select * from delivery where ${sql.join(conditions, sql` and `)} order by id desc`
}
