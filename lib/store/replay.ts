import { type Kysely, sql } from 'kysely'
import { clock } from './account.ts'
import type { Database } from './database.ts'
import { showEndpoint } from './endpoint.ts'
import { isWanted, makeDeliveries } from './event.ts'

/** Which of an endpoint's events to send again; what is left out does not matter. */
export interface ReplayFilter {
  endpoint: string
  event?: string
  session?: string
  /** Only deliveries in this state. Without it, also events it has no delivery of, if it wants them today. */
  state?: 'delivered' | 'dead'
  /** When the change was seen: from `since` on, and before `until`. */
  since?: Date
  until?: Date
}

/** How many events fit, and how many of them this queued; the others are pending already. */
export interface Replayed {
  matched: number
  queued: number
}

const STEP = 5_000

/**
 * Queues events for an endpoint again, with the ids and bytes they had. There is no limit: it goes in steps, each told to
 * `onStep`; stopped in the middle, it can be run again. With `dryRun` it only counts. Throws `not_found`.
 */
export async function replay(
  db: Kysely<Database>,
  filter: ReplayFilter,
  { dryRun = false, onStep }: { dryRun?: boolean; onStep?: (done: Replayed) => void } = {},
): Promise<Replayed> {
  await showEndpoint(db, filter.endpoint)
  const ids = await findEvents(db, filter)
  const result = { matched: ids.length, queued: 0 }
  if (dryRun) return result
  for (let at = 0; at < ids.length; at += STEP) {
    result.queued += await queue(db, filter, ids.slice(at, at + STEP))
    onStep?.({ ...result })
  }
  return result
}

/** Where a step of a replay ended: after that position of an account, or (null) of what is about Rollcall itself. */
export interface ReplayPlace {
  account: number | null
  position: number
  /** What happened later is not part of it, so that it ends. */
  until: Date
}

/**
 * One bounded step of a replay, from the beginning or from where the last one ended: how many events it found, how many of
 * them it queued, and where to go on; null: that was all. Throws `not_found`.
 */
export async function replayStep(
  db: Kysely<Database>,
  filter: ReplayFilter,
  from: ReplayPlace | null,
): Promise<Replayed & { next: ReplayPlace | null }> {
  await showEndpoint(db, filter.endpoint)
  const begun = from ?? { account: 0, position: 0, until: filter.until ?? (await readClock(db)) }
  const found = await findStep(db, { ...filter, until: begun.until }, begun)
  const ids = found.map(({ id }) => id)
  const queued = ids.length > 0 ? await queue(db, filter, ids) : 0
  const last = found.length === STEP ? found.at(-1) : undefined
  const place = last ?? (begun.account === null ? null : { account: null, position: 0 })
  const next = place && { account: place.account, position: place.position, until: begun.until }
  return { matched: ids.length, queued, next }
}

/** How many events fit. Throws `not_found`. */
export async function countReplay(db: Kysely<Database>, filter: ReplayFilter): Promise<number> {
  await showEndpoint(db, filter.endpoint)
  const { rows } = await sql<{ count: number }>`select count(*) as count ${fitting(filter)}`.execute(db)
  return rows[0]?.count ?? 0
}

async function readClock(db: Kysely<Database>): Promise<Date> {
  const { rows } = await sql<{ at: Date }>`select ${clock} as at`.execute(db)
  return rows[0]!.at
}

async function findStep(
  db: Kysely<Database>,
  filter: ReplayFilter,
  { account, position }: ReplayPlace,
): Promise<{ id: string; account: number | null; position: number }[]> {
  const after =
    account === null
      ? sql`event.account_id is null and event.position > ${position}`
      : sql`(event.account_id, event.position) > (${account}, ${position})`
  const { rows } = await sql<{ id: string; account: number | null; position: number }>`
    select event.id, event.account_id as account, event.position ${fitting(filter)} and ${after}
    order by event.account_id, event.position limit ${STEP}`.execute(db)
  return rows
}

async function findEvents(db: Kysely<Database>, filter: ReplayFilter): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select event.id ${fitting(filter)} order by event.account_id, event.position`.execute(db)
  return rows.map(({ id }) => id)
}

function fitting(filter: ReplayFilter) {
  const { endpoint, event, session, state, since, until } = filter
  const conditions = [
    sql`endpoint.id = ${endpoint}`,
    event === undefined ? [] : sql`event.id = ${event}`,
    session === undefined ? [] : sql`session.session_id = ${session}`,
    since === undefined ? [] : sql`event.occurred_at >= ${since}`,
    until === undefined ? [] : sql`event.occurred_at < ${until}`,
    state !== undefined
      ? sql`delivery.state = ${state}`
      : sql`(delivery.id is not null or (session.id is not null and ${isWanted}))`,
  ].flat()
  return sql`
    from endpoint cross join event
      ${state === undefined ? sql`left join` : sql`join`} delivery
        on delivery.endpoint_id = endpoint.id and delivery.event_id = event.id
      left join session on session.id = event.incarnation_id
    where ${sql.join(conditions, sql` and `)}`
}

function queue(db: Kysely<Database>, { endpoint, state }: ReplayFilter, ids: string[]): Promise<number> {
  const isFinal = state === undefined ? sql`state <> 'pending'` : sql`state = ${state}`
  return db.transaction().execute(async (tx) => {
    // The endpoint before its deliveries, and those in the order of ids, as a settle does.
    await sql`select from endpoint where id = ${endpoint} for key share`.execute(tx)
    const again = await sql`
      update delivery
      set state = 'pending', due_at = now(), retry_until = null, finalized_at = null, attempts_before = attempts
      from (
        select id from delivery where endpoint_id = ${endpoint} and event_id = any(${ids}::text[]) and ${isFinal}
        order by id for no key update
      ) as final
      where delivery.id = final.id`.execute(tx)
    const first =
      state === undefined
        ? await makeDeliveries(
            tx,
            sql`endpoint.id = ${endpoint} and event.id = any(${ids}::text[]) and not exists (
            select from delivery where endpoint_id = endpoint.id and event_id = event.id)`,
          )
        : 0
    return Number(again.numAffectedRows) + first
  })
}
