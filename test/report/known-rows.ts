// Writes the known data into the tables, as ticks and drains would have left them.
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import { BLIND, DELIVERIES, ENDPOINTS, type KnownSession, LAST_LOOK, SESSIONS, TICK, toDate } from './known-data.ts'

const time = (second: number | null) => (second === null ? null : toDate(second))

/** Fills a migrated, empty database. */
export async function writeKnownData(db: Kysely<Database>): Promise<void> {
  const names = [...new Set(SESSIONS.map(({ account }) => account))]
  const accounts = await db
    .insertInto('account')
    .values(names.map((name) => ({ name, listed_at: toDate(LAST_LOOK), complete_at: toDate(LAST_LOOK) })))
    .returning(['id', 'name'])
    .execute()
  const ids = new Map(accounts.map(({ id, name }) => [name, id]))
  for (const { id, name } of accounts) await writeTicks(db, id, name)
  const rows = await writeSessions(db, ids)
  await writeVersions(db, rows)
  await writeDeliveries(db, ids, rows)
  await sql`analyze`.execute(db)
}

async function writeTicks(db: Kysely<Database>, accountId: number, account: string): Promise<void> {
  const own = SESSIONS.filter((session) => session.account === account)
  const count = (times: (number | null)[]) => {
    const counts = new Map<number, number>()
    for (const at of times) if (at !== null) counts.set(at, (counts.get(at) ?? 0) + 1)
    return (at: number) => counts.get(at) ?? 0
  }
  const created = count(own.map(({ firstSeenAt }) => firstSeenAt))
  const ready = count(own.map(({ readyAt }) => readyAt))
  const started = count(own.map(({ startedAt }) => startedAt))
  const closed = count(own.map(({ endedAt, failed }) => (failed ? null : endedAt)))
  const failed = count(own.map(({ endedAt, failed }) => (failed ? endedAt : null)))
  let live = 0
  const ticks: unknown[] = []
  for (let at = 0; at <= LAST_LOOK; at += TICK) {
    const blind = BLIND.find((one) => one.account === account && at >= one.from && at < one.to)
    if (blind?.why === 'no ticks') continue
    live += created(at) - closed(at) - failed(at)
    const changes = [created(at), ready(at), started(at), closed(at), failed(at)]
    const outcome = blind?.why ?? (changes.some((change) => change > 0) ? 'committed' : 'unchanged')
    const error = outcome === 'failed' ? 'api_unreachable: no answer within 10 s' : null
    const duration = 40 + ((at / TICK) % 7) * 5
    ticks.push([toDate(at), outcome, error === null ? live : null, ...changes, duration, error])
  }
  await sql`
    insert into snapshot
    select ${accountId}, (tick ->> 0)::timestamptz, tick ->> 1, (tick ->> 2)::integer, (tick ->> 3)::integer, (tick ->> 4)::integer,
      (tick ->> 5)::integer, (tick ->> 6)::integer, (tick ->> 7)::integer, (tick ->> 8)::integer, tick ->> 9
    from jsonb_array_elements(${JSON.stringify(ticks)}::jsonb) as tick`.execute(db)
}

type Row = KnownSession & { id: number }

async function writeSessions(db: Kysely<Database>, accounts: Map<string, number>): Promise<Row[]> {
  const rows: Row[] = []
  for (let from = 0; from < SESSIONS.length; from += 500) {
    const page = SESSIONS.slice(from, from + 500)
    const written = await db
      .insertInto('session')
      .values(
        page.map((one) => ({
          account_id: accounts.get(one.account)!,
          session_id: one.sessionId,
          incarnation: 1,
          user_id: one.userId,
          status: statusOf(one),
          started: one.startedAt !== null,
          driver_type: 1,
          play_stream_addr: `rtmp://live.example.com/${one.sessionId}`,
          extra: extraOf(one),
          first_seen_after: time(one.firstSeenAfter),
          first_seen_at: toDate(one.firstSeenAt),
          ready_after: time(one.readyAfter),
          ready_at: time(one.readyAt),
          started_after: time(one.startedAfter),
          started_at: time(one.startedAt),
          ended_after: time(one.endedAfter),
          ended_at: time(one.endedAt),
          end_reason: one.endReason,
          error_code: one.code,
          error_message: one.message,
          revision: 1,
        })),
      )
      .returning(['id', 'session_id'])
      .execute()
    const ids = new Map(written.map(({ id, session_id }) => [session_id, id]))
    rows.push(...page.map((one) => ({ ...one, id: ids.get(one.sessionId)! })))
  }
  return rows
}

const statusOf = ({ endedAt, failed, readyAt }: KnownSession) =>
  endedAt === null ? (readyAt === null ? 3 : 1) : failed ? 4 : 2
const extraOf = ({ projectId, assetKey }: KnownSession) =>
  JSON.stringify({ VirtualmanProjectId: projectId, AssetVirtualmanKey: assetKey })

async function writeVersions(db: Kysely<Database>, rows: Row[]): Promise<void> {
  const versions = rows.flatMap((row) => {
    const begins = [row.firstSeenAt, row.readyAt, row.startedAt].filter((at) => at !== null)
    return [...new Set(begins)].map((from, index, all) => ({
      incarnation_id: row.id,
      valid_from: toDate(from),
      valid_to: time(all[index + 1] ?? row.endedAt),
      user_id: row.userId,
      status: row.readyAt !== null && from >= row.readyAt ? 1 : 3,
      started: row.startedAt !== null && from >= row.startedAt,
      driver_type: 1,
      extra: extraOf(row),
    }))
  })
  for (let from = 0; from < versions.length; from += 2_000) {
    await db
      .insertInto('session_version')
      .values(versions.slice(from, from + 2_000))
      .execute()
  }
}

async function writeDeliveries(db: Kysely<Database>, accounts: Map<string, number>, rows: Row[]): Promise<void> {
  await db
    .insertInto('endpoint')
    .values(ENDPOINTS.map((endpoint) => ({ ...endpoint, event_types: ['session.closed', 'session.failed'] })))
    .execute()
  const since = toDate(2 * 86_400 + 8 * 3_600)
  await sql`
    update endpoint set state = 'disabled', state_reason = 'nothing but failures for five days', failures = 22, pace = 1,
      failing_since = ${since} where id = 'ep_legacy'`.execute(db)
  const positions = new Map<number, number>()
  const events = rows
    .filter(({ endedAt }) => endedAt !== null)
    .map((row) => {
      const account = accounts.get(row.account)!
      const position = (positions.get(account) ?? 0) + 1
      positions.set(account, position)
      return [
        `evt_${row.sessionId}`,
        account,
        position,
        row.failed ? 'session.failed' : 'session.closed',
        row.id,
        time(row.endedAt),
      ]
    })
  await sql`
    insert into event (id, account_id, position, type, incarnation_id, revision, occurred_at, body)
    select one ->> 0, (one ->> 1)::integer, (one ->> 2)::bigint, one ->> 3, (one ->> 4)::bigint, 1, (one ->> 5)::timestamptz, '{}'
    from jsonb_array_elements(${JSON.stringify(events)}::jsonb) as one`.execute(db)
  const deliveries = DELIVERIES.map((one, index) => [
    one.endpoint,
    `evt_${one.session.sessionId}`,
    one.session.sessionId,
    index + 1,
    one.state,
    one.attempts,
    toDate(one.createdAt),
    time(one.finalizedAt),
  ])
  await sql`
    insert into delivery (endpoint_id, event_id, lane, position, state, attempts, due_at, created_at, finalized_at)
    select one ->> 0, one ->> 1, one ->> 2, (one ->> 3)::bigint, one ->> 4, (one ->> 5)::integer, (one ->> 6)::timestamptz,
      (one ->> 6)::timestamptz, (one ->> 7)::timestamptz
    from jsonb_array_elements(${JSON.stringify(deliveries)}::jsonb) as one`.execute(db)
}
