import { type Kysely, sql, type Transaction } from 'kysely'
import { LEASE_MS } from '../core/retry.ts'
import { AppError } from '../errors.ts'
import type { Database } from './database.ts'
import { ANEW, BEING_REMOVED, lockEndpoint } from './endpoint.ts'
import { announceDisabled } from './operator.ts'

/** Stops deliveries to an endpoint for a while; its events are kept as pending. A disabled one stays so. Throws `not_found`. */
export function pauseEndpoint(db: Kysely<Database>, id: string, reason: string): Promise<void> {
  return db.transaction().execute(async (tx) => {
    const { state } = await lockEndpoint(tx, id)
    if (state === 'active') await setState(tx, id, 'paused', reason)
  })
}

/**
 * Stops deliveries to an endpoint, and announces it; its events are kept as pending. One that is half removed stays so. Throws
 * `not_found`.
 */
export function disableEndpoint(db: Kysely<Database>, id: string, reason: string): Promise<void> {
  return db.transaction().execute(async (tx) => {
    const { state, state_reason } = await lockEndpoint(tx, id)
    if (state_reason === BEING_REMOVED) return
    await setState(tx, id, 'disabled', reason)
    if (state !== 'disabled') await announceDisabled(tx, [id])
  })
}

async function setState(tx: Transaction<Database>, id: string, state: 'paused' | 'disabled', reason: string) {
  await tx.updateTable('endpoint').set({ state, state_reason: reason }).where('id', '=', id).execute()
}

/** What to deliver of what an endpoint missed: everything, the last event of each session, or nothing. */
export const MISSED = ['all', 'latest', 'none'] as const
/** One of MISSED. */
export type Missed = (typeof MISSED)[number]

/**
 * Lets an endpoint receive again. What is not wanted of the missed deliveries becomes dead, and is kept.
 * Gives how many it missed and how many of them are queued, due within a lease's time: one that is still being sent must
 * not be sent again beside it. An endpoint that is active already missed nothing. Throws `not_found`, and `input_invalid` for one
 * that has yet to echo a challenge.
 */
export function enableEndpoint(
  db: Kysely<Database>,
  id: string,
  wanted: Missed,
): Promise<{ missed: number; queued: number }> {
  return db.transaction().execute(async (tx) => {
    // A settle locks endpoints before deliveries, too: none has a delivery of this one while they are changed here.
    const { state, state_reason, must_prove, proved_at } = await lockEndpoint(tx, id, { alone: true })
    if (state === 'active') return { missed: 0, queued: 0 }
    if (state_reason === BEING_REMOVED) {
      throw new AppError(
        'input_invalid',
        `endpoint ${id} is half removed: \`rollcall endpoint remove ${id}\` does the rest`,
      )
    }
    if (must_prove && !proved_at) {
      throw new AppError(
        'input_invalid',
        `endpoint ${id} must first echo a challenge: \`rollcall endpoint ping ${id}\``,
      )
    }
    await tx
      .updateTable('endpoint')
      .set({ state: 'active', state_reason: null, ...ANEW })
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
      set retry_until = null, attempts_before = attempts, due_at = greatest(now() + ${earliest} * interval '1 millisecond',
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
