// The events that Rollcall delivers, as their bodies have them: CloudEvents 1.0.

/** What every event has. `Type` says what happened, `Data` the rest of it. */
export interface CloudEvent<Type extends string, Data> {
  specversion: '1.0'
  /** The same on every try and every replay: what to de-duplicate by. */
  id: string
  /** `/accounts/` and the account's name, or `/rollcall` for operator events. */
  source: string
  type: Type
  /** The session's id; of operator events the endpoint's id or the account's name. */
  subject: string
  /** When it was seen, in UTC: ISO 8601. */
  time: string
  datacontenttype: 'application/json'
  /** 20 digits, so that text compares as numbers do; increasing for each source, with gaps where a filter left events out. */
  sequence: string
  partitionkey: string
  data: Data
}

/** `unknown`: the API gave a number that no page of it explains. */
export type SessionStatus = 'preparing' | 'in_progress' | 'closed' | 'failed' | 'unknown'

/** `reported` as ended by the API, `gone`: the API no longer knows it, `absent`: three listings lacked it, and no answer why. */
export type EndReason = 'reported' | 'gone' | 'absent'

/** A session right after the event's change. Times are ISO 8601, null while the thing has not happened. */
export interface Session {
  id: string
  userId: string | null
  status: SessionStatus
  started: boolean
  driverType: number | null
  playStreamAddr: string | null
  firstSeenAt: string
  readyAt: string | null
  startedAt: string | null
  endedAt: string | null
}

/** What a session's event tells. */
export interface SessionData {
  account: string
  /** The event's number in its session, from 1, without gaps over all five types; a session id that returns begins again. */
  revision: number
  session: Session
  /** The session right before the change; null for its first event. */
  previous: { status: SessionStatus; started: boolean } | null
  /** Why it ended; null before the end. */
  reason: EndReason | null
  /** The API's own code and message for the end, where it gives one. */
  error: { code: number; message: string } | null
  /** The change happened after the one and not after the other; `after: null`: nobody watched before. */
  observed: { after: string | null; before: string }
}

/** A change of one session. Its last one, `session.closed` or `session.failed`, always has a reason. */
export type SessionEvent =
  | CloudEvent<'session.created', SessionData>
  | CloudEvent<'session.ready', SessionData>
  | CloudEvent<'session.started', SessionData>
  | CloudEvent<'session.closed', SessionData & { reason: EndReason }>
  | CloudEvent<'session.failed', SessionData & { reason: EndReason }>

/** An endpoint that gets nothing any more until an operator enables it. */
export type EndpointDisabled = CloudEvent<
  'endpoint.disabled',
  { endpoint: string; description: string | null; reason: string | null }
>

/** Deliveries of one endpoint that were given up: how many, and at most 100 of their events. They can be replayed. */
export type DeliveryDead = CloudEvent<
  'delivery.dead',
  {
    endpoint: string
    description: string | null
    count: number
    events: { id: string; type: string; subject: string }[]
  }
>

/** An account whose sessions nobody has listed since: no news is no news of it, rather than good news. */
export type TickStalled = CloudEvent<'tick.stalled', { account: string; lastListedAt: string | null }>

/** A test of the connection. With a `challenge`, the answer must be 200 with that text as the whole body. */
export type WebhookPing = CloudEvent<'webhook.ping', { endpoint: string; challenge?: string | null }>

/** Something about Rollcall itself; only endpoints that name these types get them, and any endpoint a ping. */
export type OperatorEvent = EndpointDisabled | DeliveryDead | TickStalled | WebhookPing

/**
 * All events this version knows, to be told apart by `type`. A later Rollcall may send types that are not among them,
 * with the fields that all have: let a `switch` have a default that does nothing.
 */
export type Event = SessionEvent | OperatorEvent
