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
  /** Of the account's last event. */
  position: Generated<number>
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

interface EventTable {
  id: string
  account_id: number
  position: number
  type: string
  incarnation_id: number
  revision: number
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
  /** Attempts since the last success. */
  failures: Generated<number>
  created_at: Generated<Date>
}

interface EndpointSecretTable {
  endpoint_id: string
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
