import { type Kysely, sql } from 'kysely'
import { FAILED } from '../../core/session.ts'
import type { Database } from '../database.ts'
import type { SessionView } from '../history.ts'
import { type SessionRow, viewOf } from './view.ts'

/** What sessions are searched for; what is left out does not matter. */
export interface Search {
  account?: string
  user?: string
  session?: string
  reason?: 'reported' | 'gone' | 'absent' | 'failed'
  state?: 'live' | 'past'
  /** Those that lived at that moment, as they looked then. */
  at?: Date
  /** First seen from `from` on, and before `to`. */
  from?: Date
  to?: Date
}

/** Where a page ended: the next one begins below it. */
export interface Place {
  firstSeenAt: Date
  row: number
}

/** No column knows users or reasons by an index: a page looks through no more sessions than these, and tells where it ended. */
const MOST_LOOKED_THROUGH = 100_000

/**
 * The sessions that fit, the newest first, at most `limit`, below a place; and where the next page begins: null when there are
 * no more. A page may have fewer than `limit` and yet a next one, where few of very many fit.
 */
export async function searchSessions(
  db: Kysely<Database>,
  search: Search,
  { below, limit }: { below?: Place; limit: number },
): Promise<{ sessions: SessionView[]; next: Place | null }> {
  const { account, user, session, reason, state, at, from, to } = search
  const candidates = [
    account === undefined ? [] : sql`account_id = (select id from account where name = ${account})`,
    session === undefined ? [] : sql`session_id = ${session}`,
    from === undefined ? [] : sql`first_seen_at >= ${from}`,
    to === undefined ? [] : sql`first_seen_at < ${to}`,
    below === undefined ? [] : sql`(first_seen_at, id) < (${below.firstSeenAt}, ${below.row})`,
    state === undefined ? [] : state === 'live' ? sql`ended_at is null` : sql`ended_at is not null`,
    sql`true`,
  ].flat()
  const fits = [
    user === undefined ? [] : sql`look.user_id = ${user}`,
    reason === undefined ? [] : reason === 'failed' ? sql`seen.status = ${FAILED}` : sql`end_reason = ${reason}`,
    sql`true`,
  ].flat()
  // A session id is known by an index of accounts and ids.
  const source =
    at !== undefined
      ? sql`session_between(${at}, ${at})`
      : session !== undefined
        ? sql`(select session.* from account join session on account_id = account.id where session_id = ${session}) as session`
        : sql`session`
  const look = at
    ? sql`join session_version look on look.incarnation_id = seen.id
            and look.valid_from <= ${at} and (look.valid_to is null or look.valid_to > ${at})`
    : sql`join lateral (select seen.user_id, seen.status, seen.started, seen.driver_type) as look on true`
  // What was known while it looked so; the next look told the rest.
  const known = (time: string) =>
    at ? sql`case when ${sql.ref(time)} < coalesce(look.valid_to, 'infinity') then ${sql.ref(time)} end` : sql.ref(time)
  const isOver = at ? sql`ended_at < coalesce(look.valid_to, 'infinity')` : sql`true`

  const { rows } = await sql<SessionRow & { row: number }>`
    with seen as materialized (
      select * from ${source} where ${sql.join(candidates, sql` and `)}
      order by first_seen_at desc, id desc limit ${MOST_LOOKED_THROUGH}
    )
    select account.name as account, session_id as id, incarnation, look.user_id as "userId", look.status, look.started,
      look.driver_type as "driverType", first_seen_at as "firstSeenAt", ${known('ready_at')} as "readyAt",
      ${known('started_at')} as "startedAt", ${known('ended_at')} as "endedAt",
      case when ${isOver} then end_reason end as "endReason",
      case when ${isOver} and error_code is not null
        then json_build_object('code', error_code, 'message', error_message) end as error, seen.id as row
    from seen ${look} join account on account.id = account_id
    where ${sql.join(fits, sql` and `)}
    order by first_seen_at desc, seen.id desc limit ${limit}`.execute(db)

  const last = rows.at(-1)
  const next =
    rows.length === limit && last
      ? { firstSeenAt: last.firstSeenAt, row: last.row }
      : await lastLookedThrough(db, source, candidates)
  return { sessions: rows.map(viewOf), next }
}

async function lastLookedThrough(
  db: Kysely<Database>,
  source: ReturnType<typeof sql>,
  candidates: ReturnType<typeof sql>[],
): Promise<Place | null> {
  const { rows } = await sql<Place>`
    select first_seen_at as "firstSeenAt", id as row from ${source} where ${sql.join(candidates, sql` and `)}
    order by first_seen_at desc, id desc offset ${MOST_LOOKED_THROUGH - 1} limit 1`.execute(db)
  return rows[0] ?? null
}
