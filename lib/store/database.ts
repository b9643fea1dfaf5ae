import { type ColumnType, type Generated, type GeneratedAlways, Kysely, PostgresDialect } from 'kysely'
import { openPool, type PoolOptions } from './pool.ts'

/** The tables of migrations/, as they are read and written. Times are the database's clock, but for `attempt.sent_at`. */
export interface Database {
  account: AccountTable
  snapshot: SnapshotTable
  session: SessionTable
  session_version: SessionVersionTable
  event: EventTable
  endpoint: EndpointTable
  endpoint_secret: EndpointSecretTable
  delivery: DeliveryTable
  attempt: AttemptTable
}

interface AccountTable {
  id: GeneratedAlways<number>
  name: string
  /** Of the last committed snapshot: a tick whose listing is not newer is stale. */
  listed_at: Date | null
  /** Of the last one that was complete: what is new since was surely not there then. */
  complete_at: Date | null
  /** Of the last listing, when nothing about it is open: an equal one has nothing to tell. */
  digest: string | null
  /** Of that listing's buckets, if the digest is theirs. */
  fingerprints: Buffer | null
  /** Of the bytes of the answer that had the digest, and of it: an equal answer need not be read. */
  answer_digest: string | null
  /** Of the account's last event. */
  position: Generated<number>
  /** Since when it is known, and told, that nobody watches it any more. */
  stalled_at: Date | null
}

interface SnapshotTable {
  account_id: number
  listed_at: Date
  outcome: 'committed' | 'unchanged' | 'incomplete' | 'failed'
  session_count: number | null
  created_count: Generated<number>
  ready_count: Generated<number>
  started_count: Generated<number>
  closed_count: Generated<number>
  failed_count: Generated<number>
  duration_ms: number
  error: string | null
}

/** The fields of a look, as the API gave them. */
interface LookColumns {
  user_id: string | null
  status: number
  started: boolean
  driver_type: number | null
  play_stream_addr: string | null
  extra: ColumnType<Record<string, unknown> | null, string | null>
}

/** A row per incarnation. Each time comes with the time after which it happened; null: nobody watched before. */
interface SessionTable extends LookColumns {
  id: GeneratedAlways<number>
  account_id: number
  session_id: string
  /** Of its id; null: stored by a version that knew no buckets. */
  bucket: number | null
  incarnation: number
  first_seen_after: Date | null
  first_seen_at: Date
  ready_after: Date | null
  ready_at: Date | null
  started_after: Date | null
  started_at: Date | null
  ended_after: Date | null
  ended_at: Date | null
  end_reason: 'reported' | 'gone' | 'absent' | null
  error_code: number | null
  error_message: string | null
  revision: number
  missing_since: Date | null
  missing_times: number | null
}

/** A row per state that a listing showed; valid from its listing's time, to the first listing that differs. */
interface SessionVersionTable extends LookColumns {
  incarnation_id: number
  valid_from: Date
  valid_to: Date | null
}

/** What is about a session has all of it; what is about Rollcall itself has positions of its own and no account. */
interface EventTable {
  id: string
  account_id: number | null
  position: number
  type: string
  incarnation_id: number | null
  revision: number | null
  occurred_at: Date
  body: string
}

interface EndpointTable {
  id: string
  url: string
  /** Null: every account's events. */
  account_id: number | null
  /** Full type names, or `*` alone for all there will ever be. */
  event_types: string[]
  description: Generated<string>
  state: Generated<'active' | 'paused' | 'disabled'>
  state_reason: string | null
  /** No attempt before it: the receiver asked for it by `retry-after`. */
  hold_until: Date | null
  /** Attempts that failed since the last success, and since when. */
  failures: Generated<number>
  failing_since: Date | null
  /** No attempt before it: it fails, and is paused, or a drain is trying it now. */
  probe_until: Date | null
  /** POSTs at once: 1 while it fails, more as it recovers; null: as many as any. */
  pace: number | null
  /** Sent with each POST, by name; the values perhaps sealed. */
  headers: ColumnType<Record<string, string>, string | undefined, string>
  /** POSTs a second; null: no limit. */
  rate_per_second: number | null
  /** When the next POST would be at its rate. */
  next_send_at: Date | null
  /** Events in one POST. */
  batch_size: Generated<number>
  /** It gets nothing until it has echoed a challenge, after each move too. */
  must_prove: Generated<boolean>
  proved_at: Date | null
  created_at: Generated<Date>
}

interface EndpointSecretTable {
  endpoint_id: string
  kind: Generated<'symmetric' | 'ed25519'>
  /** Perhaps sealed. */
  secret: string
  created_at: Generated<Date>
  expires_at: Date | null
}

interface DeliveryTable {
  id: GeneratedAlways<number>
  endpoint_id: string
  event_id: string
  lane: string
  position: number
  state: Generated<'pending' | 'delivered' | 'dead'>
  /** Counted when claimed, so that a crash counts; also the fence of a settle. */
  attempts: Generated<number>
  /** Those before it was queued again, which its waits do not count. */
  attempts_before: Generated<number>
  /** When it may be claimed; while claimed, the end of the lease. */
  due_at: Date
  /** Set at the first claim: a failure after it is the last. */
  retry_until: Date | null
  created_at: Generated<Date>
  finalized_at: Date | null
}

interface AttemptTable {
  delivery_id: number
  number: number
  sent_at: Date
  duration_ms: number
  outcome: string
  status: number | null
}

/** The tables of a Postgres URL; connects with the first query. End it with `destroy()`. */
export function openDatabase(url: string, options: PoolOptions = {}): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: openPool(url, options) }) })
}
