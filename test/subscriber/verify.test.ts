// No doubles: deliveries are made by Rollcall's own core, the ed25519 signatures by Node's crypto.
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { EVENT_TYPES } from '../../lib/core/event.ts'
import {
  type EndReason,
  type Event,
  type OperatorEvent,
  type SessionEvent,
  verify,
  VerificationError,
} from '../../lib/subscriber/index.ts'
import { histories } from '../core/build.ts'
import { runs } from '../fuzz/effort.ts'
import {
  alsoSigned,
  batch,
  bodiesOf,
  ed25519,
  eventOf,
  LIVES,
  type Message,
  NOW,
  operatorBody,
  SECRET,
  secretOf,
  single,
} from './messages.ts'

const [body = ''] = LIVES
const accept = ({ body, headers }: Message, secrets: string | string[] = SECRET, now = NOW) =>
  verify(body, headers, secrets, now)

/** The code with which it is refused. */
const refusal = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (error instanceof VerificationError) return error.code
    throw error
  }
  return 'accepted'
}

describe('what Rollcall sends is accepted', () => {
  test('every event of any history, alone and in a batch, with each of its fields', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const bodies = bodiesOf(history)

        expect(bodies.flatMap((body) => accept(single(body)))).toEqual(bodies.map(eventOf))
        expect(bodies.length > 0 ? accept(batch(bodies)) : []).toEqual(bodies.map(eventOf))
      }),
      runs(50),
    )
  })

  test('all five types occur in the example that other tests use', () => {
    expect(new Set(LIVES.map((body) => eventOf(body).type))).toEqual(new Set(EVENT_TYPES))
  })

  test.each([
    ['endpoint.disabled', 'ep_1', { endpoint: 'ep_1', description: '', reason: 'gone' }],
    [
      'delivery.dead',
      'ep_1',
      {
        endpoint: 'ep_1',
        description: 'x',
        count: 1,
        events: [{ id: 'evt_1', type: 'session.closed', subject: 'm1' }],
      },
    ],
    ['tick.stalled', 'default', { account: 'default', lastListedAt: NOW.toISOString() }],
    ['tick.stalled', 'default', { account: 'default', lastListedAt: null }],
    ['webhook.ping', 'ep_1', { endpoint: 'ep_1', challenge: 'abc' }],
    ['webhook.ping', 'ep_1', { endpoint: 'ep_1' }],
  ])('the operator event %s of %s', (type, subject, data) => {
    const body = operatorBody(type, subject, data)

    expect(accept(single(body))).toEqual([JSON.parse(body)])
  })

  test('a type and fields that are new come through as they are', () => {
    const event = { ...eventOf(body), type: 'constructor', data: ['anything'], traceparent: '00-1' }
    const text = JSON.stringify(event)

    expect(accept(single(text))).toEqual([event])
  })

  test('the body is bytes or text, and text in any script verifies', () => {
    const text = body.replace('"abc"', '"阿明 😀"')
    const { headers } = single(text)

    expect(verify(Buffer.from(text), headers, SECRET, NOW)).toEqual([JSON.parse(text)])
    expect(verify(new Uint8Array(Buffer.from(text)), headers, SECRET, NOW)).toEqual([JSON.parse(text)])
    expect(verify(text, headers, SECRET, NOW)).toEqual([JSON.parse(text)])
  })

  test.each<[string, (headers: Record<string, string>) => Parameters<typeof verify>[1]]>([
    ['the web', (headers) => new Headers(headers)],
    ['a list of pairs', (headers) => Object.entries(headers)],
    [
      'other case',
      (headers) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value])),
    ],
    [
      'lists of one value',
      (headers) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    ],
    [
      'a content type with a parameter',
      (headers) => ({ ...headers, 'content-type': 'Application/CloudEvents+JSON ; charset=utf-8' }),
    ],
    ['others among them', (headers) => ({ ...headers, host: 'example.com', via: undefined, 'set-cookie': ['a', 'b'] })],
  ])('headers of %s', (_, make) => {
    const { headers } = single(body)

    expect(verify(body, make(headers), SECRET, NOW)).toHaveLength(1)
  })
})

describe('secrets', () => {
  const [old, next, strange] = [secretOf(1), secretOf(2), secretOf(3)]

  test('while they rotate, old or new or both verify, and no other', () => {
    const message = single(body, [next, old])

    for (const known of [[old], [next], [old, next], [strange, old]]) expect(accept(message, known)).toHaveLength(1)
    expect(refusal(() => accept(message, strange))).toBe('signature_invalid')
  })

  test('a public key verifies what its private key signed, beside other signatures or alone', () => {
    const [pair, other] = [ed25519(), ed25519()]
    const message = alsoSigned(single(body), other, pair)
    const alone = alsoSigned(single(body, []), pair)

    expect(accept(message, pair.publicKey)).toHaveLength(1)
    expect(accept(message, SECRET)).toHaveLength(1)
    expect(accept(alone, [SECRET, pair.publicKey])).toHaveLength(1)
    expect(refusal(() => accept(alone, other.publicKey))).toBe('signature_invalid')
    expect(refusal(() => accept(alone, SECRET))).toBe('signature_invalid')
  })

  test('an ed25519 signature made elsewhere verifies', () => {
    // openssl pkeyutl -sign -rawin, over `evt_1.1795341600.{}`, with the key of RFC 8032, 7.1, test 1.
    const headers = {
      'content-type': 'application/cloudevents+json',
      'webhook-id': 'evt_1',
      'webhook-timestamp': '1795341600',
      'webhook-signature':
        'v1a,TYgnb3O8VIOMzXbMNkHZjb4iItAcXXNyNIYggo1zFhUpP7kHFIHXdYNla7Rze+YJWFPOJ2IHGSJLvFOUe62wBQ==',
    }
    const publicKey = `whpk_${Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex').toString('base64')}`

    // It is signed, and no event.
    expect(refusal(() => verify('{}', headers, publicKey, new Date(1795341600_000)))).toBe('body_invalid')
    expect(refusal(() => verify('{ }', headers, publicKey, new Date(1795341600_000)))).toBe('signature_invalid')
  })
})

describe('time', () => {
  test.each([
    [-300_000, 'accepted'],
    [-301_000, 'timestamp_outside'],
    [300_000, 'accepted'],
    [301_000, 'timestamp_outside'],
    [NaN, 'timestamp_outside'],
  ])('%i ms after it was sent: %s', (afterMs, expected) => {
    const sent = new Date('2026-11-22T10:00:00Z')

    expect(refusal(() => accept(single(body, [SECRET], sent), SECRET, new Date(sent.getTime() + afterMs)))).toBe(
      expected,
    )
  })

  test('the tolerance is an option, and one that is no number lets nothing pass', () => {
    const { headers } = single(body)
    const later = new Date(NOW.getTime() + 400_000)

    expect(verify(body, headers, SECRET, later, { toleranceSeconds: 600 })).toHaveLength(1)
    expect(refusal(() => verify(body, headers, SECRET, NOW, { toleranceSeconds: 0 }))).toBe('timestamp_outside')
    expect(refusal(() => verify(body, headers, SECRET, NOW, { toleranceSeconds: NaN }))).toBe('timestamp_outside')
  })
})

test('the type tells the data, and only an end is sure to have a reason', () => {
  const read = (event: Event) => {
    switch (event.type) {
      case 'session.closed':
      case 'session.failed':
        return expectTypeOf(event.data.reason).toEqualTypeOf<EndReason>()
      case 'session.created':
      case 'session.ready':
      case 'session.started':
        return expectTypeOf(event.data.reason).toEqualTypeOf<EndReason | null>()
      case 'delivery.dead':
        return expectTypeOf(event.data.events[0]?.subject).toEqualTypeOf<string | undefined>()
      case 'webhook.ping':
        return expectTypeOf(event.data.challenge).toEqualTypeOf<string | null | undefined>()
      case 'tick.stalled':
      case 'endpoint.disabled':
        return undefined
      default:
        return expectTypeOf(event).toBeNever()
    }
  }

  LIVES.map(eventOf).forEach(read)
  expectTypeOf<SessionEvent['type']>().toEqualTypeOf<(typeof EVENT_TYPES)[number]>()
  expectTypeOf<OperatorEvent['source']>().toBeString()
})
