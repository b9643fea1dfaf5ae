// Every query, body and answer of the console's API. The routes parse by these, the OpenAPI document is made of them, and
// the page takes its types from here, by `import type` alone.
import * as v from 'valibot'
import { ACCOUNT_NAME } from '../config.ts'
import { EVENT_TYPES, OPERATOR_EVENT_TYPES } from '../core/event.ts'
import { MISSED } from '../store/endpoint-state.ts'

// Of what is asked for: texts, as a query string has them.

const text = (most: number) => v.pipe(v.string(), v.maxLength(most))
const id = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.:-]{1,128}$/, 'is no id'))
const accountName = v.pipe(v.string(), v.regex(ACCOUNT_NAME, 'is not the name of an account'))
/** A session's id and its user's name are the API's and the customer's: any text at all. */
const sessionId = v.pipe(v.string(), v.minLength(1), v.maxLength(128))
const wholeNumber = (least: number, most: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\d{1,16}$/, 'is no whole number'),
    v.metadata({ becomes: { type: 'integer', minimum: least, maximum: most } }),
    v.transform(Number),
    v.minValue(least, `is less than ${least}`),
    v.maxValue(most, `is more than ${most}`),
  )
const flag = v.pipe(
  v.picklist(['true', 'false'], 'is neither true nor false'),
  v.metadata({ becomes: { type: 'boolean' } }),
  v.transform((said) => said === 'true'),
)
/** No year beyond 9999, nor any before there were such clocks. */
const LAST = Date.parse('9999-12-31T23:59:59.999Z')
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/
/** The 31st of a month that has none would be a day of the next. */
const isDay = (day: string) => new Date(`${day}T00:00:00Z`).getUTCDate() === Number(day.slice(8))
const moment = v.pipe(
  v.string(),
  v.regex(TIME, 'is no time such as 2026-11-22T10:00:00Z'),
  v.metadata({ becomes: { type: 'string', format: 'date-time' } }),
  v.transform((said) => new Date(isDay(said.slice(0, 10)) ? said : Number.NaN)),
  v.check((at) => at.getTime() >= 0 && at.getTime() <= LAST, 'is no time that there is'),
)
/** As reports take it: which moment that is depends on a time zone, which Postgres knows. */
const dayOrTime = v.pipe(
  v.string(),
  v.regex(
    /^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?([Zz]|[+-]\d\d(:?\d\d)?)?)?$/,
    'is no time or day, such as 2026-11-22T10:00:00Z or 2026-11-22',
  ),
)
const cursor = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.~-]{1,200}$/, 'is no cursor of an answer'))

export const noQuery = v.strictObject({})
export const accountQuery = v.strictObject({ account: v.exactOptional(accountName) })
export const spanQuery = v.strictObject({
  account: v.exactOptional(accountName),
  from: v.exactOptional(moment),
  to: v.exactOptional(moment),
})
export const sessionsQuery = v.strictObject({
  account: v.exactOptional(accountName),
  user: v.exactOptional(text(1_024)),
  session: v.exactOptional(sessionId),
  reason: v.exactOptional(v.picklist(['reported', 'gone', 'absent', 'failed'])),
  state: v.exactOptional(v.picklist(['live', 'past'])),
  at: v.exactOptional(moment),
  from: v.exactOptional(moment),
  to: v.exactOptional(moment),
  cursor: v.exactOptional(cursor),
  limit: v.optional(wholeNumber(1, 1_000), '100'),
})
export const onceQuery = v.strictObject({ once: v.pipe(v.string(), v.regex(/^[\w-]{1,100}$/, 'is no code of a link')) })
export const unmaskedQuery = v.strictObject({ unmasked: v.optional(flag, 'false') })
export const eventsQuery = v.strictObject({
  account: v.exactOptional(accountName),
  after: v.optional(wholeNumber(0, Number.MAX_SAFE_INTEGER), '0'),
  limit: v.optional(wholeNumber(1, 1_000), '100'),
  unmasked: v.optional(flag, 'false'),
})
export const deliveriesQuery = v.strictObject({
  endpoint: v.exactOptional(id),
  state: v.exactOptional(v.picklist(['pending', 'delivered', 'dead'])),
  session: v.exactOptional(sessionId),
  cursor: v.exactOptional(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
  limit: v.optional(wholeNumber(1, 1_000), '100'),
})
export const reportQuery = v.strictObject({
  account: v.exactOptional(accountName),
  from: v.exactOptional(dayOrTime),
  to: v.exactOptional(dayOrTime),
  timezone: v.exactOptional(text(64)),
  channels: v.exactOptional(wholeNumber(1, 999_999)),
})

export const sessionPath = v.object({
  account: accountName,
  id: sessionId,
  incarnation: wholeNumber(1, 2_147_483_647),
})
export const endpointPath = v.object({ id })
export const deliveryPath = v.object({ id: wholeNumber(1, Number.MAX_SAFE_INTEGER) })
export const reportPath = v.object({ name: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/, 'is no name of a report')) })

// Of what is sent: JSON, of which no field may be unknown.

const url = v.pipe(v.string(), v.minLength(1), v.maxLength(2_048))
const eventTypes = v.pipe(
  v.array(v.picklist(['*', ...EVENT_TYPES, ...OPERATOR_EVENT_TYPES])),
  v.minLength(1, 'is an empty list'),
  v.maxLength(20),
)
const rate = v.pipe(v.number(), v.minValue(0.01), v.maxValue(10_000))
const batchSize = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(500))
const headers = v.record(text(200), text(4_096))

const settings = {
  account: v.exactOptional(v.nullable(accountName)),
  events: v.exactOptional(eventTypes),
  description: v.exactOptional(text(1_000)),
  headers: v.exactOptional(headers),
  rate: v.exactOptional(v.nullable(rate)),
  batchSize: v.exactOptional(batchSize),
}
export const noBody = v.strictObject({})
export const loginBody = v.strictObject({ token: text(1_000) })
export const newEndpointBody = v.strictObject({
  url,
  ...settings,
  from: v.exactOptional(v.picklist(['now', 'start', 'snapshot'])),
  ed25519: v.exactOptional(v.boolean()),
  mustProve: v.exactOptional(v.boolean()),
})
export const endpointChangeBody = v.strictObject({ url: v.exactOptional(url), ...settings })
export const rotateBody = v.strictObject({
  graceHours: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(8_760)), 24),
})
export const enableBody = v.strictObject({ missed: v.optional(v.picklist(MISSED), 'all') })
export const replayBody = v.strictObject({
  endpoint: id,
  event: v.exactOptional(id),
  session: v.exactOptional(sessionId),
  state: v.exactOptional(v.picklist(['delivered', 'dead'])),
  since: v.exactOptional(moment),
  until: v.exactOptional(moment),
  dryRun: v.optional(v.boolean(), false),
  cursor: v.exactOptional(cursor),
})

// Of what is answered. Times are ISO 8601 in UTC; ids are texts; numbers are exact.

const time = v.pipe(v.string(), v.isoTimestamp())
const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const status = v.picklist(['preparing', 'in_progress', 'closed', 'failed', 'unknown'])
const apiError = v.object({ code: v.pipe(v.number(), v.integer()), message: v.nullable(v.string()) })
const endReason = v.picklist(['reported', 'gone', 'absent'])

export const failure = v.object({ error: v.object({ code: v.string(), message: v.string() }) })
export const done = v.object({ ok: v.literal(true) })
export const health = v.object({ ok: v.boolean() })
/** Of documents and of /metrics. */
export const document = v.record(v.string(), v.unknown())
export const plain = v.string()

export const me = v.object({
  scope: v.picklist(['read', 'write']),
  /** For the header x-csrf-token; null for who comes with a token in `authorization` and needs none. */
  csrf: v.nullable(v.string()),
  /** How many were bought; null: nobody said. */
  channels: v.nullable(count),
  accounts: v.array(v.string()),
  version: v.string(),
  now: time,
})

const sessionEntries = {
  account: v.string(),
  id: v.string(),
  incarnation: count,
  userId: v.nullable(v.string()),
  status,
  started: v.boolean(),
  driverType: v.nullable(v.number()),
  firstSeenAt: time,
  readyAt: v.nullable(time),
  startedAt: v.nullable(time),
  endedAt: v.nullable(time),
  endReason: v.nullable(endReason),
  error: v.nullable(apiError),
}
export const session = v.object(sessionEntries)

/** Of a tick that failed. */
const fault = {
  /** Its code. */
  error: v.nullable(v.string()),
  /** What the API answered, where it refused. */
  apiCode: v.nullable(v.number()),
}
export const lastTick = v.object({
  account: v.string(),
  listedAt: v.nullable(time),
  outcome: v.nullable(v.picklist(['committed', 'unchanged', 'incomplete', 'failed'])),
  ...fault,
  /** When the last one began that had a listing. */
  goodAt: v.nullable(time),
  /** From then on nobody watches: a minute, or twice the time that usually passes, after `goodAt`. */
  lateAt: v.nullable(time),
})
export const leak = v.object({
  account: v.string(),
  id: v.string(),
  incarnation: count,
  userId: v.nullable(v.string()),
  /** Preparing for longer than it ever takes, ready and never started, or alive for very long. */
  leak: v.picklist(['preparing', 'unstarted', 'alive']),
  heldSince: time,
})
export const backlog = v.object({
  /** Beyond it nothing is counted. */
  countedUpTo: count,
  pending: count,
  oldestDue: v.nullable(
    v.object({ endpoint: v.string(), dueAt: time, failingSince: v.nullable(time), holdUntil: v.nullable(time) }),
  ),
  deadOfLastDay: count,
  disabled: v.array(v.object({ endpoint: v.string(), reason: v.nullable(v.string()) })),
})
export const now = v.object({
  at: time,
  channels: v.nullable(count),
  /** All that are live; `live` has the newest of them, at most 5,000. */
  liveCount: count,
  live: v.array(session),
  /** The most at once in each 5 minutes of the last 24 hours, of all accounts asked for together; null: nobody watched. */
  concurrency: v.array(v.object({ at: time, peak: v.nullable(count) })),
  leaks: v.array(leak),
  ticks: v.array(lastTick),
  backlog,
})

export const bar = v.object({
  account: v.string(),
  id: v.string(),
  incarnation: count,
  userId: v.nullable(v.string()),
  firstSeenAt: time,
  /** It began after this; null: nobody watched before. */
  firstSeenAfter: v.nullable(time),
  readyAt: v.nullable(time),
  startedAt: v.nullable(time),
  endedAt: v.nullable(time),
  /** It ended after this, and not later than `endedAt`. */
  endedAfter: v.nullable(time),
  endReason: v.nullable(endReason),
  failed: v.boolean(),
})
export const timeline = v.object({
  from: time,
  to: time,
  /** The newest first, at most 5,000. */
  bars: v.array(bar),
  truncated: v.boolean(),
})

export const sessions = v.object({ sessions: v.array(session), next: v.nullable(v.string()) })

const deliveryState = v.picklist(['pending', 'delivered', 'dead'])
export const attempt = v.object({
  number: count,
  sentAt: time,
  durationMs: count,
  /** `answered`, or what came in the way, such as `timeout`. */
  outcome: v.string(),
  status: v.nullable(count),
})
export const sessionLife = v.object({
  session: v.object({
    ...sessionEntries,
    /** Each time's other bound: it happened after this; null: nobody watched before. */
    firstSeenAfter: v.nullable(time),
    readyAfter: v.nullable(time),
    startedAfter: v.nullable(time),
    endedAfter: v.nullable(time),
    /** The last listing that had it, while listings lack it unexplained. */
    missingSince: v.nullable(time),
    /** What the code of its error means, in English; null where that is not known. */
    errorMeaning: v.nullable(v.string()),
    playStreamAddr: v.nullable(v.string()),
    /** The stream address is kept from who asks. */
    masked: v.boolean(),
  }),
  events: v.array(
    v.object({
      id: v.string(),
      type: v.string(),
      position: count,
      revision: count,
      at: time,
      deliveries: v.array(
        v.object({ id: v.string(), endpointId: v.string(), state: deliveryState, attempts: v.array(attempt) }),
      ),
    }),
  ),
})

export const events = v.object({
  /** The bodies as they were sent: CloudEvents 1.0. */
  events: v.array(v.record(v.string(), v.unknown())),
  /** Ask for those after this position next. */
  next: count,
  /** The position before the oldest event that is kept. */
  floor: count,
  truncated: v.boolean(),
  masked: v.boolean(),
})

export const endpoint = v.object({
  id: v.string(),
  /** Without path and query for who may only look. */
  url: v.string(),
  account: v.nullable(v.string()),
  events: v.array(v.string()),
  description: v.string(),
  /** Their names; the values are never told. */
  headers: v.array(v.string()),
  rate: v.nullable(v.number()),
  batchSize: count,
  state: v.picklist(['active', 'paused', 'disabled']),
  stateReason: v.nullable(v.string()),
  mustProve: v.boolean(),
  provedAt: v.nullable(time),
  holdUntil: v.nullable(time),
  failures: count,
  failingSince: v.nullable(time),
  createdAt: time,
  /** In the list not counted beyond 100,000. */
  pending: count,
  /** In the list those among its newest 20,000 deliveries. */
  dead: count,
})
export const endpointHealth = v.object({
  ...endpoint.entries,
  /** Since when the oldest delivery waits that could have been made. */
  oldestDueAt: v.nullable(time),
  /** Of the attempts of the last hour, of at most 1,000 deliveries. */
  latency: v.nullable(v.object({ p50Ms: count, p95Ms: count, attempts: count })),
  lastError: v.nullable(v.object({ at: time, outcome: v.string(), status: v.nullable(count) })),
})
export const endpoints = v.object({ endpoints: v.array(endpointHealth) })
/** Shown this once. */
export const secrets = v.object({ secret: v.string(), publicKey: v.exactOptional(v.string()) })
export const addedEndpoint = v.object({ ...endpoint.entries, ...secrets.entries })
export const removed = v.object({ removed: v.string() })
export const enabled = v.object({ missed: count, queued: count })
export const pinged = v.object({
  /** `delivered`, `refused`, or what came in the way. */
  outcome: v.string(),
  status: v.nullable(count),
  proved: v.nullable(v.boolean()),
})

export const delivery = v.object({
  id: v.string(),
  endpointId: v.string(),
  eventId: v.string(),
  type: v.string(),
  /** Null for an event about Rollcall itself. */
  sessionId: v.nullable(v.string()),
  position: count,
  state: deliveryState,
  attempts: count,
  dueAt: v.nullable(time),
  createdAt: time,
  finalizedAt: v.nullable(time),
  /** Of the last attempt. */
  outcome: v.nullable(v.string()),
  status: v.nullable(count),
})
export const deliveries = v.object({ deliveries: v.array(delivery), next: v.nullable(v.string()) })
export const attempts = v.object({ attempts: v.array(attempt) })

/** Of a dry run, `matched` is of all that fit; else both are of this step alone, and the next is asked for with `next` as `cursor`. */
export const replayed = v.object({ matched: count, queued: count, next: v.nullable(v.string()) })

export const reports = v.object({
  reports: v.array(
    v.object({
      name: v.string(),
      asks: v.string(),
      takes: v.array(v.picklist(['account', 'from', 'to', 'channels'])),
      /** So many days before `to` is `from`, where nobody says. */
      days: count,
      /** The columns of the curve that says more than the table. */
      plot: v.nullable(v.object({ x: v.string(), y: v.string() })),
    }),
  ),
})
export const report = v.object({
  columns: v.array(v.string()),
  /** At most 10,000. */
  rows: v.array(v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()]))),
  truncated: v.boolean(),
})

export const watching = v.object({
  from: time,
  to: time,
  accounts: v.array(lastTick),
  /** So many seconds are one bucket of `ticks`. */
  bucketSeconds: count,
  /** Of all accounts asked for together; a bucket without a tick is left out. */
  ticks: v.array(
    v.object({
      at: time,
      /** The worst of them. */
      outcome: v.picklist(['committed', 'unchanged', 'incomplete', 'failed']),
      count,
      /** The last among them. */
      ...fault,
    }),
  ),
  /** Times without a complete listing of more than two minutes, the newest 1,000; `to` is null while it lasts. */
  gaps: v.array(v.object({ account: v.string(), from: v.nullable(time), to: v.nullable(time) })),
  incomplete: count,
  failed: count,
})

export type Failure = v.InferOutput<typeof failure>
export type Me = v.InferOutput<typeof me>
export type Session = v.InferOutput<typeof session>
export type LastTick = v.InferOutput<typeof lastTick>
export type Leak = v.InferOutput<typeof leak>
export type Backlog = v.InferOutput<typeof backlog>
export type Now = v.InferOutput<typeof now>
export type Bar = v.InferOutput<typeof bar>
export type Timeline = v.InferOutput<typeof timeline>
export type Sessions = v.InferOutput<typeof sessions>
export type SessionsQuery = v.InferInput<typeof sessionsQuery>
export type SessionLife = v.InferOutput<typeof sessionLife>
export type Events = v.InferOutput<typeof events>
export type Endpoint = v.InferOutput<typeof endpoint>
export type EndpointHealth = v.InferOutput<typeof endpointHealth>
export type Endpoints = v.InferOutput<typeof endpoints>
export type NewEndpoint = v.InferInput<typeof newEndpointBody>
export type EndpointChange = v.InferInput<typeof endpointChangeBody>
export type AddedEndpoint = v.InferOutput<typeof addedEndpoint>
export type Secrets = v.InferOutput<typeof secrets>
export type Enabled = v.InferOutput<typeof enabled>
export type Pinged = v.InferOutput<typeof pinged>
export type Delivery = v.InferOutput<typeof delivery>
export type Deliveries = v.InferOutput<typeof deliveries>
export type Attempt = v.InferOutput<typeof attempt>
export type Attempts = v.InferOutput<typeof attempts>
export type Replay = v.InferInput<typeof replayBody>
export type Replayed = v.InferOutput<typeof replayed>
export type Reports = v.InferOutput<typeof reports>
export type Report = v.InferOutput<typeof report>
export type Watching = v.InferOutput<typeof watching>
