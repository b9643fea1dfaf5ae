import { type Kysely, sql } from 'kysely'
import { statusName, type StatusName } from '../core/session.ts'
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
  endReason: string | null
  error: { code: number; message: string | null } | null
}

/** Sessions, the newest first: all there ever were, those live now, or those live at a moment, as they were then. */
export async function listSessions(
  db: Kysely<Database>,
  filter: { account?: string; live?: boolean; at?: Date },
): Promise<SessionView[]> {
  // The current version is the row itself, so that ended sessions have one too.
  const look = filter.at
    ? sql`join session_version look on look.incarnation_id = session.id
            and look.valid_from <= ${filter.at} and (look.valid_to is null or look.valid_to > ${filter.at})`
    : sql`join session look on look.id = session.id`
  const { rows } = await sql<Omit<SessionView, 'status'> & { status: number }>`
    select account.name as account, session.session_id as id, session.incarnation, look.user_id as "userId",
      look.status, look.started, look.driver_type as "driverType", session.first_seen_at as "firstSeenAt",
      session.ready_at as "readyAt", session.started_at as "startedAt", session.ended_at as "endedAt",
      session.end_reason as "endReason",
      case when session.error_code is not null
        then json_build_object('code', session.error_code, 'message', session.error_message) end as error
    from session join account on account.id = session.account_id ${look}
    where (${filter.account ?? null}::text is null or account.name = ${filter.account ?? null})
      and (${filter.live !== true} or session.ended_at is null)
    order by session.first_seen_at desc, session.id desc`.execute(db)
  return rows.map((row) => ({ ...row, status: statusName(row.status) }))
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

/** The events after position `after`, in order, at most `limit`. An account that does not exist has none. */
export async function listEvents(
  db: Kysely<Database>,
  page: { account: string; after: number; limit: number },
): Promise<EventPage> {
  const ofAccount = db
    .selectFrom('event')
    .innerJoin('account', 'account.id', 'event.account_id')
    .where('account.name', '=', page.account)
  const events = await ofAccount
    .select(['event.position', 'event.body'])
    .where('event.position', '>', page.after)
    .orderBy('event.position')
    .limit(page.limit)
    .execute()
  const oldest = await ofAccount.select(({ fn }) => fn.min('event.position').as('position')).executeTakeFirst()
  const floor = Math.max(0, (oldest?.position ?? 1) - 1)
  return { events, next: events.at(-1)?.position ?? page.after, floor, truncated: page.after < floor }
}
