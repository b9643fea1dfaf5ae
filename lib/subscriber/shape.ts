// Reads events from a body that was verified: strict about what the types promise, tolerant of further fields and types.
import * as v from 'valibot'
import { VerificationError } from './error.ts'
import type { Event } from './event.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const time = v.pipe(v.string(), v.isoTimestamp())
const count = v.pipe(v.number(), v.integer(), v.minValue(1))
const status = v.picklist(['preparing', 'in_progress', 'closed', 'failed', 'unknown'])
const reason = v.picklist(['reported', 'gone', 'absent'])

const envelope = {
  specversion: v.literal('1.0'),
  id: text,
  source: text,
  type: text,
  subject: text,
  time,
  datacontenttype: v.literal('application/json'),
  sequence: v.pipe(v.string(), v.regex(/^\d{20}$/)),
  partitionkey: v.string(),
}

const event = <const Type extends string, Data extends v.GenericSchema>(type: Type, data: Data) =>
  v.object({ ...envelope, type: v.literal(type), data })

const session = {
  account: text,
  revision: count,
  session: v.object({
    id: text,
    userId: v.nullable(v.string()),
    status,
    started: v.boolean(),
    driverType: v.nullable(v.number()),
    playStreamAddr: v.nullable(v.string()),
    firstSeenAt: time,
    readyAt: v.nullable(time),
    startedAt: v.nullable(time),
    endedAt: v.nullable(time),
  }),
  previous: v.nullable(v.object({ status, started: v.boolean() })),
  reason: v.nullable(reason),
  error: v.nullable(v.object({ code: v.number(), message: v.string() })),
  observed: v.object({ after: v.nullable(time), before: time }),
}
const change = v.object(session)
const end = v.object({ ...session, reason })
const endpoint = { endpoint: text, description: v.nullable(v.string()) }

const known = {
  'session.created': event('session.created', change),
  'session.ready': event('session.ready', change),
  'session.started': event('session.started', change),
  'session.closed': event('session.closed', end),
  'session.failed': event('session.failed', end),
  'endpoint.disabled': event('endpoint.disabled', v.object({ ...endpoint, reason: v.nullable(v.string()) })),
  'delivery.dead': event(
    'delivery.dead',
    v.object({ ...endpoint, count, events: v.array(v.object({ id: text, type: text, subject: v.string() })) }),
  ),
  'tick.stalled': event('tick.stalled', v.object({ account: text, lastListedAt: v.nullable(time) })),
  'webhook.ping': event(
    'webhook.ping',
    v.object({ endpoint: text, challenge: v.exactOptional(v.nullable(v.string())) }),
  ),
} satisfies { [Type in Event['type']]: v.GenericSchema<unknown, Extract<Event, { type: Type }>> }

/** A Map, because a type may be called `constructor`. */
const schemas = new Map<string, v.GenericSchema>(Object.entries(known))
const unknownType = v.object({ ...envelope, data: v.unknown() })
const typed = v.object({ type: text })

/** The events of a body, as they were sent: one, or those of a batch in its order. Throws `body_invalid`. */
export function readEvents(body: Uint8Array, isBatch: boolean): Event[] {
  const parsed = parse(body)
  if (!isBatch) return [readEvent(parsed, 'the event')]
  if (!Array.isArray(parsed) || parsed.length === 0) throw invalid('a batch is an array of one event or more')
  return parsed.map((value, index) => readEvent(value, `event ${index} of the batch`))
}

function readEvent(value: unknown, which: string): Event {
  const schema = (v.is(typed, value) && schemas.get(value.type)) || unknownType
  const { success, issues } = v.safeParse(schema, value, { abortEarly: true })
  // Not what the schema made of it: further fields stay.
  if (success) return value as Event
  throw invalid(`${which} has no valid ${v.getDotPath(issues[0]) ?? 'object'}`)
}

function parse(body: Uint8Array): unknown {
  try {
    const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
    // Assigned to another object, a key of this name would become its prototype.
    return JSON.parse(decoded, (key, value: unknown) => (key === '__proto__' ? undefined : value))
  } catch {
    throw invalid('it is no JSON in UTF-8')
  }
}

const invalid = (why: string) =>
  new VerificationError(
    'body_invalid',
    `the body is signed, but ${why}: update this library, or tell Rollcall's operator`,
  )
