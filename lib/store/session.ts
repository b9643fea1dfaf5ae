import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import type { Known, Transition } from '../core/diff.ts'
import { bucketOf, type Part } from '../core/fingerprint.ts'
import { type Look, lookKey, type Session, type Window } from '../core/session.ts'
import type { Database } from './database.ts'

/**
 * The account's open sessions of a part of its listing, and the last incarnation of each id in it that is not open but once
 * was.
 */
export async function readKnown(db: Kysely<Database>, accountId: number, part: Part): Promise<Known> {
  const { listing, buckets, has } = part
  const rows = await (buckets === null ? readOpen(db, accountId) : readBuckets(db, accountId, buckets))
  const open = rows.filter((row) => has(row.session_id)).map(toSession)
  const openIds = new Set(open.map((session) => session.id))
  const others = listing.sessions.filter((session) => !openIds.has(session.id)).map((session) => session.id)
  if (others.length === 0) return { open, ended: new Map() }
  const ended = await db
    .selectFrom('session')
    .select(({ fn }) => ['session_id', fn.max('incarnation').as('incarnation')])
    .where('account_id', '=', accountId)
    .where('session_id', '=', sql<string>`any(${others}::text[])`)
    .where('ended_at', 'is not', null)
    .groupBy('session_id')
    .execute()
  return { open, ended: new Map(ended.map((row) => [row.session_id, row.incarnation])) }
}

const readOpen = (db: Kysely<Database>, accountId: number) =>
  db.selectFrom('session').selectAll().where('account_id', '=', accountId).where('ended_at', 'is', null).execute()

/** Sessions of a version that knew no buckets, before migration 0006 or beside it, are in one after all others. */
const NO_BUCKET = 32_767
const STRIDE = NO_BUCKET + 1
/** As the index session_bucket has it: by account and bucket in one, or the planner might as well take session_open. */
const PLACE = sql.raw(`account_id * bigint '${STRIDE}' + coalesce(bucket, ${NO_BUCKET})`)

/** The open sessions of buckets, and those that are in none. */
async function readBuckets(db: Kysely<Database>, accountId: number, buckets: [number, number][]) {
  const ranges = [...buckets, [NO_BUCKET, NO_BUCKET] as const]
  const [firsts, lasts] = [0, 1].map((end) => ranges.map((range) => accountId * STRIDE + range[end]!))
  const { rows } = await sql<Selectable<Database['session']>>`
    select session.* from unnest(${firsts}::bigint[], ${lasts}::bigint[]) as range (first, last) cross join lateral (
      -- Each by the index: joined, all open sessions might be held against all ranges.
      select * from session where ${PLACE} between first and last and ended_at is null offset 0
    ) as session`.execute(db)
  return rows
}

function toSession(row: Selectable<Database['session']>): Session {
  return {
    id: row.session_id,
    incarnation: row.incarnation,
    look: lookOf(row),
    firstSeen: { after: row.first_seen_after, before: row.first_seen_at },
    ready: window(row.ready_after, row.ready_at),
    started: window(row.started_after, row.started_at),
    end: null,
    revision: row.revision,
    missing: row.missing_since && { since: row.missing_since, times: row.missing_times ?? 0 },
  }
}

type LookRow = Pick<
  Selectable<Database['session']>,
  'user_id' | 'status' | 'started' | 'driver_type' | 'play_stream_addr' | 'extra'
>

/** What the API said of a session, as a session or one of its versions keeps it. */
export const lookOf = (row: LookRow): Look => ({
  userId: row.user_id,
  status: row.status,
  started: row.started,
  driverType: row.driver_type,
  playStreamAddr: row.play_stream_addr,
  extra: row.extra,
})

function window(after: Date | null, before: Date | null): Window | null {
  return before && { after, before }
}

/** Row ids of incarnations by session id: within one tick each id has one. */
export type IncarnationIds = ReadonlyMap<string, number>

const SESSIONS_AT_ONCE = 1_000

/**
 * Stores what became of each session: its row, and its versions as the listing of `listedAt` shows them. One statement a
 * table and step, for 1,000 sessions each: more at once would be most of the memory that a first tick takes.
 */
export async function saveTransitions(
  tx: Transaction<Database>,
  accountId: number,
  transitions: Transition[],
  listedAt: Date,
): Promise<IncarnationIds> {
  if (transitions.length === 0) return new Map()
  const ids = new Map<string, number>()
  for (let from = 0; from < transitions.length; from += SESSIONS_AT_ONCE) {
    const some = transitions.slice(from, from + SESSIONS_AT_ONCE).map((transition) => transition.after)
    for (const [sessionId, id] of await upsertSessions(tx, accountId, some)) ids.set(sessionId, id)
  }
  const idsOf = (chosen: Transition[]) => chosen.flatMap(({ after }) => ids.get(after.id) ?? [])
  // Closed before opened, in statements of their own: the parts of one statement run in no order, and a session would
  // for a moment have two open versions.
  await closeVersions(tx, idsOf(transitions.filter(endsVersion)), listedAt)
  await openVersions(tx, idsOf(transitions.filter(beginsVersion)), listedAt)
  return ids
}

const isListed = (session: Session | null) => session !== null && !session.end && !session.missing

function endsVersion({ before, after }: Transition): boolean {
  if (!before || !isListed(before)) return false
  return !isListed(after) || lookKey(before.look) !== lookKey(after.look)
}

function beginsVersion({ before, after }: Transition): boolean {
  if (!isListed(after)) return false
  return !before || !isListed(before) || lookKey(before.look) !== lookKey(after.look)
}

async function upsertSessions(
  tx: Transaction<Database>,
  accountId: number,
  sessions: Session[],
): Promise<IncarnationIds> {
  const rows = sessions.map((session) => toRow(accountId, session))
  const names = Object.keys(rows[0] ?? {})
  const columns = sql.join(names.map((name) => sql.ref(name)))
  const proposed = sql.join(names.map((name) => sql.ref(`excluded.${name}`)))
  const saved = await sql<{ id: number; session_id: string }>`
    insert into session (${columns})
    select ${columns} from jsonb_populate_recordset(null::session, ${JSON.stringify(rows)}::jsonb)
    on conflict on constraint session_incarnation_key do update set (${columns}) = row (${proposed})
    returning id, session_id`.execute(tx)
  return new Map(saved.rows.map((row) => [row.session_id, row.id]))
}

function toRow(accountId: number, session: Session) {
  const { look, firstSeen, ready, started, end, missing } = session
  return {
    account_id: accountId,
    session_id: session.id,
    bucket: bucketOf(session.id),
    incarnation: session.incarnation,
    user_id: look.userId,
    status: look.status,
    started: look.started,
    driver_type: look.driverType,
    play_stream_addr: look.playStreamAddr,
    extra: look.extra,
    first_seen_after: firstSeen.after,
    first_seen_at: firstSeen.before,
    ready_after: ready?.after ?? null,
    ready_at: ready?.before ?? null,
    started_after: started?.after ?? null,
    started_at: started?.before ?? null,
    ended_after: end?.after ?? null,
    ended_at: end?.before ?? null,
    end_reason: end?.reason ?? null,
    error_code: end?.error?.code ?? null,
    error_message: end?.error?.message ?? null,
    revision: session.revision,
    missing_since: missing?.since ?? null,
    missing_times: missing?.times ?? null,
  } satisfies Record<keyof Omit<Database['session'], 'id'>, unknown>
}

async function closeVersions(tx: Transaction<Database>, incarnationIds: number[], listedAt: Date): Promise<void> {
  if (incarnationIds.length === 0) return
  await tx
    .updateTable('session_version')
    .set({ valid_to: listedAt })
    .where('incarnation_id', '=', sql<number>`any(${incarnationIds}::bigint[])`)
    .where('valid_to', 'is', null)
    .execute()
}

async function openVersions(tx: Transaction<Database>, incarnationIds: number[], listedAt: Date): Promise<void> {
  if (incarnationIds.length === 0) return
  await sql`
    insert into session_version
      (incarnation_id, valid_from, user_id, status, started, driver_type, play_stream_addr, extra)
    select id, ${listedAt}, user_id, status, started, driver_type, play_stream_addr, extra
    from session where id = any(${incarnationIds}::bigint[])`.execute(tx)
}
