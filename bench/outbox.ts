// What a tick writes, at a pace that the benchmark sets: events with their deliveries, by the store's own statements.
import { type Kysely, sql } from 'kysely'
import type { SessionEvent } from '../lib/core/event.ts'
import { newId } from '../lib/id.ts'
import { advanceAccount, ensureAccount, lockAccount } from '../lib/store/account.ts'
import type { Database } from '../lib/store/database.ts'
import { addEndpoint } from '../lib/store/endpoint.ts'
import { appendEvents, fanOut } from '../lib/store/event.ts'

export const ACCOUNTS = 10
const SESSIONS = 40

/** How many accounts, and how many sessions each of them has. */
export interface Shape {
  accounts: number
  sessions: number
}

/** An account whose sessions events are of. */
export interface Source {
  id: number
  name: string
  /** Row ids of its sessions by their ids, and each one's last revision. */
  incarnations: Map<string, number>
  revisions: Map<string, number>
  written: number
}

/** Accounts with their sessions, and for each URL an endpoint; the accounts have equal shares of them. Gives their ids, too. */
export async function prepare(
  db: Kysely<Database>,
  urls: string[],
  { accounts, sessions }: Shape = { accounts: ACCOUNTS, sessions: SESSIONS },
): Promise<{ sources: Source[]; endpoints: string[] }> {
  const sources: Source[] = []
  for (let index = 0; index < accounts; index += 1) {
    const name = `account${index}`
    const { id } = await ensureAccount(db, name)
    const { rows } = await sql<{ id: number; session_id: string }>`
      insert into session (account_id, session_id, incarnation, status, started, first_seen_at, revision)
      select ${id}::integer, 'm' || n, 1, 1, true, now(), 1 from generate_series(1, ${sessions}::integer) as n
      returning id, session_id`.execute(db)
    const incarnations = new Map(rows.map((row) => [row.session_id, row.id]))
    sources.push({ id, name, incarnations, revisions: new Map(), written: 0 })
  }
  const endpoints: string[] = []
  for (const [index, url] of urls.entries()) {
    const account = `account${index % accounts}`
    endpoints.push((await addEndpoint(db, { url, account, events: ['*'], description: `endpoint ${index}` })).id)
  }
  return { sources, endpoints }
}

/** Commits events with their deliveries, as a tick that found so many changes does, each of another session; gives their ids. */
export async function writeEvents(db: Kysely<Database>, source: Source, count: number): Promise<string[]> {
  return db.transaction().execute(async (tx) => {
    const locked = await lockAccount(tx, source.id)
    if (!locked) throw new Error('somebody else locks accounts')
    const events = Array.from({ length: count }, (_, index) => {
      const sessionId = `m${(source.written % source.incarnations.size) + 1}`
      source.written += 1
      const revision = (source.revisions.get(sessionId) ?? 0) + 1
      source.revisions.set(sessionId, revision)
      return eventOf(source.name, sessionId, locked.position + 1 + index, revision, locked.now)
    })
    await appendEvents(tx, source.id, events, source.incarnations)
    await fanOut(tx, source.id, locked.position)
    const position = locked.position + count
    await advanceAccount(tx, source.id, {
      listedAt: locked.now,
      completeAt: null,
      digest: null,
      fingerprints: null,
      answerDigest: null,
      position,
    })
    return events.map(({ id }) => id)
  })
}

function eventOf(account: string, sessionId: string, position: number, revision: number, time: Date): SessionEvent {
  const id = newId('evt_')
  const session = {
    id: sessionId,
    userId: 'user',
    status: 'in_progress',
    playStreamAddr: `rtmp://host/${'x'.repeat(60)}`,
  }
  const data = { account, revision, session, previous: null, reason: null, error: null }
  const envelope = { specversion: '1.0', id, source: `/accounts/${account}`, type: 'session.ready', subject: sessionId }
  const body = JSON.stringify({ ...envelope, time, datacontenttype: 'application/json', data })
  return { id, position, type: 'session.ready', sessionId, incarnation: 1, revision, time, body }
}

/** So many deliveries that one endpoint already waits for, five to a lane. */
export async function fillBacklog(db: Kysely<Database>, endpoint: string, count: number): Promise<void> {
  const { id } = await ensureAccount(db, 'backlog')
  await sql`insert into session (account_id, session_id, incarnation, status, started, first_seen_at, revision)
    select ${id}::integer, 'b' || n, 1, 1, true, now(), 5 from generate_series(1, ${count / 5}::integer) as n
    on conflict do nothing`.execute(db)
  await sql`insert into event (id, account_id, position, type, incarnation_id, revision, occurred_at, body)
    select 'evt_b' || session.id || '_' || revision.n, account_id, row_number() over (), 'session.ready', session.id, revision.n,
      now(), '{}'
    from session, generate_series(1, 5) as revision (n) where account_id = ${id}`.execute(db)
  await sql`insert into delivery (endpoint_id, event_id, lane, position, due_at)
    select ${endpoint}, id, 'backlog/' || incarnation_id, position, now() from event where account_id = ${id}`.execute(
    db,
  )
}

/** Leaves accounts, sessions and endpoints as they were before the first event. */
export async function empty(db: Kysely<Database>, sources: Source[]): Promise<void> {
  await sql`truncate event, delivery, attempt`.execute(db)
  await sql`update account set position = 0, listed_at = null`.execute(db)
  await sql`update endpoint set state = 'active', state_reason = null, failures = 0, failing_since = null, pace = null,
    probe_until = null, hold_until = null`.execute(db)
  for (const source of sources) source.revisions.clear()
}
