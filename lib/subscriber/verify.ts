import { VerificationError } from './error.ts'
import type { Event } from './event.ts'
import { readEvents } from './shape.ts'
import { isSigned, keysOf } from './signature.ts'

/** The headers of a request: Node's, the web's `Headers`, or any object or list of pairs. Case does not matter. */
export type RequestHeaders =
  Iterable<readonly [string, string]> | { readonly [name: string]: string | readonly string[] | undefined }

/** How a delivery is judged. */
export interface VerifyOptions {
  /** How far the sender's clock and ours may be apart, a slow network included. 300 unless told. */
  toleranceSeconds?: number
}

/** Every content type there is, and whether it is a batch. */
const CONTENT_TYPES = new Map([
  ['application/cloudevents+json', false],
  ['application/cloudevents-batch+json', true],
])

/**
 * The events of one delivery, after making sure that Rollcall signed exactly these bytes not long before `now`: one event, or
 * those of a batch in order. Throws a VerificationError otherwise. `body` is the body as it came, before anybody parsed it;
 * `secrets` are the endpoint's, `whsec_…` or `whpk_…`, several while they rotate. That an event comes once is not said: see
 * `receive`. After https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function verify(
  body: Uint8Array | string,
  headers: RequestHeaders,
  secrets: string | readonly string[],
  now: Date,
  { toleranceSeconds = 300 }: VerifyOptions = {},
): Event[] {
  const keys = keysOf(typeof secrets === 'string' ? [secrets] : secrets)
  const bytes = bytesOf(body)
  const id = header(headers, 'webhook-id')
  const timestamp = header(headers, 'webhook-timestamp')
  const signatures = header(headers, 'webhook-signature')
  const contentType = header(headers, 'content-type')

  checkTime(timestamp, now, toleranceSeconds)
  // Over the bytes that came: two different bodies may decode to the same text.
  if (!isSigned(Buffer.concat([Buffer.from(`${id}.${timestamp}.`), bytes]), signatures, keys)) {
    throw new VerificationError(
      'signature_invalid',
      'no signature fits: check that the secret is of this endpoint, and that the body is verified as it came',
    )
  }
  const isBatch = CONTENT_TYPES.get(contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '')
  if (isBatch === undefined) {
    throw new VerificationError(
      'content_type_unknown',
      `content-type must be one of ${[...CONTENT_TYPES.keys()].join(', ')}: does a proxy change it?`,
    )
  }
  const events = readEvents(bytes, isBatch)
  // The content type is not signed; the id is.
  if (!isBatch && events[0]?.id !== id) {
    throw new VerificationError('id_mismatch', "webhook-id is not the event's id: this is no message of Rollcall's")
  }
  return events
}

function bytesOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  throw new VerificationError(
    'body_not_raw',
    'the body must be its bytes or text as they came: have no parser read it before, as express.json() does',
  )
}

function header(headers: RequestHeaders, name: string): string {
  const pairs = Symbol.iterator in headers ? [...headers] : Object.entries(headers)
  const values = pairs.flatMap(([key, value]) => (key.toLowerCase() === name ? (value ?? []) : []))
  const [value] = values
  if (!value) throw new VerificationError('header_missing', `the header ${name} is missing: does a proxy remove it?`)
  if (values.length > 1) throw new VerificationError('header_repeated', `the header ${name} is there more than once`)
  return value
}

function checkTime(timestamp: string, now: Date, toleranceSeconds: number): void {
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new VerificationError('timestamp_invalid', 'webhook-timestamp must be a whole number of seconds since 1970')
  }
  const ageSeconds = now.getTime() / 1000 - Number(timestamp)
  // Not `>`: what is no number must not pass.
  if (Math.abs(ageSeconds) <= toleranceSeconds) return
  throw new VerificationError(
    'timestamp_outside',
    `it was sent more than ${toleranceSeconds} s ${ageSeconds < 0 ? 'after' : 'before'} now: check this machine's clock`,
  )
}
