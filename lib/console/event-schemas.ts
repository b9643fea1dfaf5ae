// The bodies that endpoints get, as the AsyncAPI document has them: CloudEvents 1.0.
import * as v from 'valibot'
import { EVENT_TYPES } from '../core/event.ts'

const time = v.pipe(v.string(), v.isoTimestamp())
const status = v.picklist(['preparing', 'in_progress', 'closed', 'failed', 'unknown'])
const nullable = { text: v.nullable(v.string()), time: v.nullable(time), number: v.nullable(v.number()) }

const envelope = {
  specversion: v.literal('1.0'),
  id: v.pipe(v.string(), v.description('The same on every try and every replay; also the header webhook-id.')),
  time,
  datacontenttype: v.literal('application/json'),
  sequence: v.pipe(
    v.string(),
    v.regex(/^\d{20}$/),
    v.description("The position in the account, without gaps over all its events; of Rollcall's own, with gaps."),
  ),
  partitionkey: v.string(),
}

/** The body of a change of a session. */
export const sessionEvent = (type: (typeof EVENT_TYPES)[number]) =>
  v.object({
    ...envelope,
    source: v.pipe(v.string(), v.regex(/^\/accounts\/.+$/)),
    type: v.literal(type),
    subject: v.pipe(v.string(), v.description('The id of the session.')),
    data: v.object({
      account: v.string(),
      revision: v.pipe(v.number(), v.integer(), v.minValue(1)),
      session: v.object({
        id: v.string(),
        userId: nullable.text,
        status,
        started: v.boolean(),
        driverType: nullable.number,
        playStreamAddr: nullable.text,
        firstSeenAt: time,
        readyAt: nullable.time,
        startedAt: nullable.time,
        endedAt: nullable.time,
      }),
      previous: v.nullable(v.object({ status, started: v.boolean() })),
      reason: v.nullable(v.picklist(['reported', 'gone', 'absent'])),
      error: v.nullable(v.object({ code: v.number(), message: nullable.text })),
      observed: v.object({ after: nullable.time, before: time }),
    }),
  })

/** What is in an event about Rollcall itself. */
const OPERATOR_DATA = {
  'endpoint.disabled': v.object({ endpoint: v.string(), description: v.string(), reason: nullable.text }),
  'delivery.dead': v.object({
    endpoint: v.string(),
    description: v.string(),
    count: v.number(),
    events: v.array(v.object({ id: v.string(), type: v.string(), subject: v.string() })),
  }),
  'tick.stalled': v.object({ account: v.string(), lastListedAt: nullable.time }),
  'webhook.ping': v.object({ endpoint: v.string(), challenge: v.string() }),
}

const operatorEvent = (type: keyof typeof OPERATOR_DATA) =>
  v.object({
    ...envelope,
    source: v.literal('/rollcall'),
    type: v.literal(type),
    subject: v.pipe(v.string(), v.description('The endpoint or account it is about.')),
    data: OPERATOR_DATA[type],
  })

/** The schema of each body by its type. */
export const EVENT_SCHEMAS: Readonly<Record<string, v.GenericSchema>> = Object.fromEntries([
  ...EVENT_TYPES.map((type) => [type, sessionEvent(type)]),
  ...(Object.keys(OPERATOR_DATA) as (keyof typeof OPERATOR_DATA)[]).map((type) => [type, operatorEvent(type)]),
])
