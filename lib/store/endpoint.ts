import { randomBytes } from 'node:crypto'
import { type Kysely, sql, type Transaction } from 'kysely'
import { LEASE_MS } from '../core/retry.ts'
import { SECRET_PREFIX } from '../core/signature.ts'
import { AppError } from '../errors.ts'
import { newId } from '../id.ts'
import { ensureAccount } from './account.ts'
import type { Database } from './database.ts'

/** A subscriber's URL with its filter and state; never its secret. */
export interface Endpoint {
  id: string
  url: string
  /** Null: every account's events. */
  account: string | null
  events: string[]
  description: string
  state: 'active' | 'paused' | 'disabled'
  stateReason: string | null
  holdUntil: Date | null
  createdAt: Date
  /** Deliveries not yet made. */
  pending: number
  dead: number
}

/** Registers an endpoint for all events from now on, and gives it with its secret, which is shown this once. */
export async function addEndpoint(
  db: Kysely<Database>,
  endpoint: { url: string; account: string | null; events: readonly string[]; description: string },
): Promise<Endpoint & { secret: string }> {
  const id = newId('ep_')
  const secret = SECRET_PREFIX + randomBytes(32).toString('base64')
  const account = endpoint.account === null ? null : await ensureAccount(db, endpoint.account)
  await db.transaction().execute(async (tx) => {
    const { url, events, description } = endpoint
    await tx
      .insertInto('endpoint')
      .values({ id, url, account_id: account?.id ?? null, event_types: [...events], description })
      .execute()
    await tx.insertInto('endpoint_secret').values({ endpoint_id: id, secret, expires_at: null }).execute()
  })
  return { ...(await showEndpoint(db, id)), secret }
}

/** All endpoints, the oldest first. */
export async function listEndpoints(db: Kysely<Database>): Promise<Endpoint[]> {
  const { rows } = await selectEndpoints(sql`true`).execute(db)
  return rows
}

/** One endpoint. Throws `not_found`. */
export async function showEndpoint(db: Kysely<Database>, id: string): Promise<Endpoint> {
  const { rows } = await selectEndpoints(sql`endpoint.id = ${id}`).execute(db)
  return rows[0] ?? unknown(id)
}

const selectEndpoints = (condition: ReturnType<typeof sql<boolean>>) => sql<Endpoint>`
  select endpoint.id, url, account.name as account, event_types as events, description, state,
    state_reason as "stateReason", hold_until as "holdUntil", created_at as "createdAt",
    (select count(*) from delivery where endpoint_id = endpoint.id and delivery.state = 'pending') as pending,
    (select count(*) from delivery where endpoint_id = endpoint.id and delivery.state = 'dead') as dead
  from endpoint left join account on account.id = endpoint.account_id
  where ${condition} order by created_at, endpoint.id`

/** Sends an endpoint's events elsewhere from now on; what is pending goes to the new URL. Throws `not_found`. */
export async function moveEndpoint(db: Kysely<Database>, id: string, url: string): Promise<void> {
  const moved = await db.updateTable('endpoint').set({ url }).where('id', '=', id).executeTakeFirst()
  if (moved.numUpdatedRows === 0n) unknown(id)
}

/** The secrets an endpoint's events are signed with now, the newest first. */
export async function readSecrets(db: Kysely<Database>, id: string): Promise<string[]> {
  const rows = await db
    .selectFrom('endpoint_secret')
    .select('secret')
    .where('endpoint_id', '=', id)
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', sql<Date>`now()`)]))
    .orderBy('created_at', 'desc')
    .execute()
  return rows.map((row) => row.secret)
}

/** Removes an endpoint with its deliveries; its events stay. Throws `not_found`. */
export async function removeEndpoint(db: Kysely<Database>, id: string): Promise<void> {
  const removed = await db.deleteFrom('endpoint').where('id', '=', id).executeTakeFirst()
  if (removed.numDeletedRows === 0n) unknown(id)
}

/** Stops deliveries to an endpoint; its events are kept as pending. Throws `not_found`. */
export async function disableEndpoint(db: Kysely<Database>, id: string, reason: string): Promise<void> {
  const disabled = await db
    .updateTable('endpoint')
    .set({ state: 'disabled', state_reason: reason })
    .where('id', '=', id)
    .executeTakeFirst()
  if (disabled.numUpdatedRows === 0n) unknown(id)
}

/** What to deliver of what an endpoint missed: everything, the last event of each session, or nothing. */
export const MISSED = ['all', 'latest', 'none'] as const
/** One of MISSED. */
export type Missed = (typeof MISSED)[number]

/**
 * Lets an endpoint receive again. What is not wanted of the missed deliveries becomes dead, and is kept.
 * Gives how many it missed and how many of them are queued, due within a lease's time: one that is still being sent must
 * not be sent again beside it. An endpoint that is active already missed nothing. Throws `not_found`.
 */
export function enableEndpoint(
  db: Kysely<Database>,
  id: string,
  wanted: Missed,
): Promise<{ missed: number; queued: number }> {
  return db.transaction().execute(async (tx) => {
    const found = await tx.selectFrom('endpoint').select('state').where('id', '=', id).forUpdate().executeTakeFirst()
    if (!found) return unknown(id)
    if (found.state === 'active') return { missed: 0, queued: 0 }
    await tx
      .updateTable('endpoint')
      .set({ state: 'active', state_reason: null, hold_until: null, failures: 0 })
      .where('id', '=', id)
      .execute()
    const sending = await tx
      .selectFrom('delivery')
      .select('id')
      .where('endpoint_id', '=', id)
      .where('state', '=', 'pending')
      .where('attempts', '>', 0)
      .where('due_at', '>', sql<Date>`now()`)
      .limit(1)
      .executeTakeFirst()
    const dropped = await dropMissed(tx, id, wanted)
    // What is dropped no longer holds its lane back.
    const earliest = sending && wanted !== 'all' ? LEASE_MS : 0
    const due = await sql`
      update delivery
      set retry_until = null, due_at = greatest(now() + ${earliest} * interval '1 millisecond',
        least(due_at, now() + ${LEASE_MS} * interval '1 millisecond'))
      where endpoint_id = ${id} and state = 'pending'`.execute(tx)
    const queued = Number(due.numAffectedRows)
    return { missed: dropped + queued, queued }
  })
}

async function dropMissed(tx: Transaction<Database>, id: string, wanted: Missed): Promise<number> {
  if (wanted === 'all') return 0
  const newer = sql<boolean>`exists (
    select from delivery newer where newer.endpoint_id = delivery.endpoint_id and newer.lane = delivery.lane
      and newer.state = 'pending' and newer.position > delivery.position)`
  const dropped = await sql`
    update delivery set state = 'dead', finalized_at = now()
    where endpoint_id = ${id} and state = 'pending' and ${wanted === 'none' ? sql`true` : newer}`.execute(tx)
  return Number(dropped.numAffectedRows)
}

function unknown(id: string): never {
  throw new AppError('not_found', `there is no endpoint ${id}; \`rollcall endpoint list\` shows them`)
}
