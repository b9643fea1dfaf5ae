import { type Kysely, type Selectable, sql, type Transaction, type Updateable } from 'kysely'
import { headerFault } from '../core/header.ts'
import type { Keyring } from '../core/seal.ts'
import { AppError } from '../errors.ts'
import { newId } from '../id.ts'
import { ensureAccount, LIMITS, lockAccounts } from './account.ts'
import type { Database } from './database.ts'
import { fanOutPast, type From } from './event.ts'
import { conceal, makeSecrets, type Secrets, storedSecrets } from './secret.ts'

/** What an endpoint is to get, and how. */
export interface EndpointSettings {
  url: string
  /** Null: every account's events. */
  account: string | null
  events: readonly string[]
  description: string
  /** Sent with each POST; names in lower case. */
  headers: Readonly<Record<string, string>>
  /** POSTs a second; null: no limit. */
  rate: number | null
  /** Events in one POST, at most. */
  batchSize: number
}

/** An endpoint with its state; never its secrets, nor the values of its headers. */
export interface Endpoint extends Omit<EndpointSettings, 'headers'> {
  id: string
  /** Their names. */
  headers: string[]
  state: 'active' | 'paused' | 'disabled'
  stateReason: string | null
  /** It gets nothing until it has echoed a challenge. */
  mustProve: boolean
  provedAt: Date | null
  /** The receiver asked for no attempt before it. */
  holdUntil: Date | null
  /** Attempts that failed since the last success, and since when. */
  failures: number
  failingSince: Date | null
  createdAt: Date
  /** Deliveries not yet made. */
  pending: number
  dead: number
}

/** What a new endpoint may say beside its settings. */
export interface NewEndpoint extends Partial<EndpointSettings> {
  url: string
  events: readonly string[]
  /** With which events it begins (default: those from now on). */
  from?: From
  /** It also gets signatures that anyone can verify with a public key. */
  ed25519?: boolean
  mustProve?: boolean
}

/**
 * Registers an endpoint, and gives it with its secrets, which are shown this once. What it begins with is joined to what
 * comes later without a gap; while that is being done, ticks of its accounts are skipped.
 */
export async function addEndpoint(
  db: Kysely<Database>,
  { from = 'now', ed25519 = false, mustProve = false, ...settings }: NewEndpoint,
  keyring: Keyring = [],
): Promise<Endpoint & Secrets> {
  const id = newId('ep_')
  const columns = await toColumns(db, id, settings, keyring)
  const secrets = await db.transaction().execute(async (tx) => {
    const accounts = from === 'now' ? [] : await lockAccounts(tx, columns.account_id ?? null)
    const proof = mustProve ? { must_prove: true, ...UNPROVED } : {}
    const row = { ...columns, ...proof, id, url: settings.url, event_types: [...settings.events] }
    await tx.insertInto('endpoint').values(row).execute()
    for (const account of accounts) await fanOutPast(tx, id, account, from)
    return makeSecrets(tx, keyring, id, ed25519)
  })
  return { ...(await showEndpoint(db, id)), ...secrets }
}

/** Changes what is given, for events from now on; what is pending goes to a new URL, too. Throws `not_found`. */
export async function updateEndpoint(
  db: Kysely<Database>,
  id: string,
  settings: Partial<EndpointSettings>,
  keyring: Keyring = [],
): Promise<Endpoint> {
  await db.transaction().execute(async (tx) => {
    const { url, must_prove, state } = await lockEndpoint(tx, id)
    const columns = await toColumns(tx, id, settings, keyring)
    const isMoved = columns.url !== undefined && columns.url !== url
    const proof = isMoved && must_prove ? { proved_at: null, ...(state === 'active' && UNPROVED) } : {}
    await tx
      .updateTable('endpoint')
      // What the old one did or asked for says nothing of the new one.
      .set({ id, ...columns, ...proof, ...(isMoved && ANEW) })
      .where('id', '=', id)
      .execute()
  })
  return showEndpoint(db, id)
}

/** An endpoint that has yet to echo a challenge. */
const UNPROVED = { state: 'paused', state_reason: 'it has not echoed a challenge yet' } as const

/** As if it had never failed nor asked for anything; slowly, so that what it missed does not fall on it whole. */
export const ANEW = { failures: 0, failing_since: null, pace: 1, probe_until: null, hold_until: null }

/** Notes that whoever is at this URL has echoed a challenge, and lets the endpoint receive if it only waited for that. */
export async function proveEndpoint(db: Kysely<Database>, id: string, url: string): Promise<void> {
  const waited = sql<boolean>`state = ${UNPROVED.state} and state_reason = ${UNPROVED.state_reason}`
  await db
    .updateTable('endpoint')
    .set({
      proved_at: sql<Date>`now()`,
      state: sql`case when ${waited} then 'active' else state end`,
      state_reason: sql`case when ${waited} then null else state_reason end`,
    })
    .where('id', '=', id)
    .where('url', '=', url)
    .execute()
}

async function toColumns(
  db: Kysely<Database>,
  id: string,
  settings: Partial<EndpointSettings>,
  keyring: Keyring,
): Promise<Updateable<Database['endpoint']>> {
  const { url, account, events, description, headers, rate, batchSize } = settings
  const fault = headers && headerFault(headers)
  if (fault !== undefined) throw new AppError('input_invalid', fault)
  const sealed = Object.entries(headers ?? {}).map(([name, value]) => [name, conceal(keyring, id, value)])
  return {
    ...(url !== undefined && { url }),
    ...(account !== undefined && { account_id: account === null ? null : (await ensureAccount(db, account)).id }),
    ...(events && { event_types: [...events] }),
    ...(description !== undefined && { description }),
    ...(headers && { headers: JSON.stringify(Object.fromEntries(sealed)) }),
    ...(rate !== undefined && { rate_per_second: rate, next_send_at: null }),
    ...(batchSize !== undefined && { batch_size: batchSize }),
  }
}

/**
 * The endpoint's row under its lock. Deliveries are made for it and settled meanwhile, unless it is locked `alone`: whoever holds
 * that must wait for no account or other endpoint, which may wait for it. Whoever is frozen with the lock loses it after a while.
 * Throws `not_found`.
 */
export async function lockEndpoint(
  tx: Transaction<Database>,
  id: string,
  { alone = false } = {},
): Promise<Selectable<Database['endpoint']>> {
  const row = tx.selectFrom('endpoint').selectAll().select(LIMITS.as('limits')).where('id', '=', id)
  return (await (alone ? row.forUpdate() : row.forNoKeyUpdate()).executeTakeFirst()) ?? unknown(id)
}

/** What a message to an endpoint needs, outside of its outbox; secrets and header values as they are stored. Throws `not_found`. */
export async function readAddressee(db: Kysely<Database>, id: string) {
  const row = await db
    .selectFrom('endpoint')
    .select(['id as endpointId', 'url', 'headers', 'must_prove as mustProve'])
    .where('id', '=', id)
    .executeTakeFirst()
  return row ? { ...row, secrets: await storedSecrets(db, id) } : unknown(id)
}

/** All endpoints, the oldest first. With `within`, what is pending and dead is counted among so many deliveries at most, the newest. */
export async function listEndpoints(
  db: Kysely<Database>,
  within: { pending: number; dead: number } | null = null,
): Promise<Endpoint[]> {
  const { rows } = await selectEndpoints(sql`true`, within).execute(db)
  return rows
}

/** One endpoint. Throws `not_found`. */
export async function showEndpoint(db: Kysely<Database>, id: string): Promise<Endpoint> {
  const { rows } = await selectEndpoints(sql`endpoint.id = ${id}`).execute(db)
  return rows[0] ?? unknown(id)
}

const selectEndpoints = (
  condition: ReturnType<typeof sql<boolean>>,
  within: { pending: number; dead: number } | null = null,
) => sql<Endpoint>`
  select endpoint.id, url, account.name as account, event_types as events, description,
    array(select jsonb_object_keys(headers) order by 1) as headers, rate_per_second as rate, batch_size as "batchSize",
    state, state_reason as "stateReason", must_prove as "mustProve", proved_at as "provedAt",
    hold_until as "holdUntil", failures, failing_since as "failingSince", created_at as "createdAt",
    (select count(*) from (
      select from delivery where endpoint_id = endpoint.id and delivery.state = 'pending' limit ${within?.pending ?? null}
    ) as waiting) as pending,
    (select count(*) filter (where newest.state = 'dead') from (
      select state from delivery where endpoint_id = endpoint.id order by id desc limit ${within?.dead ?? null}
    ) as newest) as dead
  from endpoint left join account on account.id = endpoint.account_id
  where ${condition} order by created_at, endpoint.id`

/** New secrets of the kinds it has; the old ones sign too for `graceHours`, so that the subscriber can change at leisure. */
export function rotateSecrets(
  db: Kysely<Database>,
  id: string,
  graceHours: number,
  keyring: Keyring = [],
): Promise<Secrets> {
  return db.transaction().execute(async (tx) => {
    await lockEndpoint(tx, id)
    const old = await tx
      .updateTable('endpoint_secret')
      .set({ expires_at: sql<Date>`now() + ${graceHours} * interval '1 hour'` })
      .where('endpoint_id', '=', id)
      .where('expires_at', 'is', null)
      .returning('kind')
      .execute()
    const isEd25519 = old.some(({ kind }) => kind === 'ed25519')
    return makeSecrets(tx, keyring, id, isEd25519)
  })
}

const STEP = 5_000
/** Why an endpoint is paused that is being removed: what it had not got yet may be gone, so it never gets anything again. */
export const BEING_REMOVED = 'it is being removed'

/** Removes an endpoint with its deliveries, in steps that hold no tick up for long; its events stay. Throws `not_found`. */
export async function removeEndpoint(db: Kysely<Database>, id: string): Promise<void> {
  // Nothing more is sent while it is being forgotten.
  const paused = await db
    .updateTable('endpoint')
    .set({ state: 'paused', state_reason: BEING_REMOVED })
    .where('id', '=', id)
    .executeTakeFirst()
  if (paused.numUpdatedRows === 0n) unknown(id)
  // The endpoint before its deliveries, as whoever changes them does, or one that enables it would wait in a circle.
  const step = sql`
    with locked as materialized (select id from endpoint where id = ${id} for key share)
    delete from delivery where id in (
      select id from delivery where endpoint_id = (select id from locked) order by id limit ${STEP} for update)`
  while (Number((await step.execute(db)).numAffectedRows) === STEP);
  const removed = await db.deleteFrom('endpoint').where('id', '=', id).executeTakeFirst()
  if (removed.numDeletedRows === 0n) unknown(id)
}

function unknown(id: string): never {
  throw new AppError(
    'not_found',
    `there is no endpoint ${id}; \`rollcall endpoint list\` and \`/api/endpoints\` show them`,
  )
}
