// What verify refuses. No doubles: each attack starts from a delivery that is accepted.
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { verify, VerificationError } from '../../lib/subscriber/index.ts'
import { sign } from '../../lib/core/signature.ts'
import { runs } from '../fuzz/effort.ts'
import {
  alsoSigned,
  batch,
  ed25519,
  eventOf,
  LIVES,
  type Message,
  NOW,
  operatorBody,
  SECRET,
  single,
} from './messages.ts'

const pair = ed25519()
const [body = '', otherBody = ''] = LIVES
const good = single(body)
const signature = good.headers['webhook-signature'] ?? ''
const alone = (name: string, value: unknown) => ({ ...good, headers: { ...good.headers, [name]: value as string } })
const without = (name: string) => ({
  ...good,
  headers: Object.fromEntries(Object.entries(good.headers).filter(([key]) => key !== name)),
})

/** The error a message is refused with; fails the test when it is accepted, or when anything else is thrown. */
function refused(
  message: { headers: object; body: string | Uint8Array },
  secrets: string | string[] = SECRET,
  now = NOW,
): VerificationError {
  try {
    verify(message.body, message.headers as Record<string, string>, secrets, now)
  } catch (error) {
    if (error instanceof VerificationError) return error
    throw error
  }
  throw new Error('it was accepted')
}

/** A signed message whose body is this text, whatever it is; its id is the event's, where there is one. */
function signed(text: string, id = 'evt_1', contentType = 'application/cloudevents+json'): Message {
  return { body: text, headers: { 'content-type': contentType, ...sign(id, NOW, text, [SECRET]) } }
}

describe('a flipped bit', () => {
  const message = alsoSigned(single(body, []), pair)
  const kinds = [
    ['v1', good, SECRET],
    ['v1a', message, pair.publicKey],
  ] as const

  test.each(kinds)('anywhere in the body of a %s message is seen', (_, { headers, body }, secret) => {
    fc.assert(
      fc.property(fc.nat(Buffer.byteLength(body) * 8 - 1), (bit) => {
        const bytes = Buffer.from(body)
        bytes[bit >> 3]! ^= 1 << (bit & 7)

        expect(refused({ headers, body: bytes }, secret).code).toBe('signature_invalid')
      }),
      runs(300),
    )
  })

  test.each(kinds)('anywhere in the signed headers of a %s message is seen', (_, { headers, body }, secret) => {
    const places = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].flatMap((name) =>
      Array.from({ length: (headers[name] ?? '').length * 8 }, (_, bit) => ({ name, bit })),
    )
    for (const { name, bit } of places) {
      const bytes = Buffer.from(headers[name] ?? '')
      bytes[bit >> 3]! ^= 1 << (bit & 7)

      expect(['signature_invalid', 'timestamp_invalid', 'timestamp_outside']).toContain(
        refused({ body, headers: { ...headers, [name]: bytes.toString('latin1') } }, secret).code,
      )
    }
  })

  test('in a body that decodes to the same text is seen: bytes are signed, not text', () => {
    const text = body.replace('"abc"', '"\uFFFD"')
    const invalid = Buffer.from(body.replace('"abc"', '"\x80"'), 'latin1')

    expect(invalid.toString()).toBe(text)
    expect(verify(text, single(text).headers, SECRET, NOW)).toHaveLength(1)
    expect(refused({ body: invalid, headers: single(text).headers }).code).toBe('signature_invalid')
  })
})

describe('a signature header', () => {
  const bare = signature.slice('v1,'.length)

  test.each([
    ['without its version', bare],
    ['of another version', `v2,${bare}`],
    ['of the version of public keys', `v1a,${bare}`],
    ['in capitals', `V1,${bare}`],
    ['with nothing after the version', 'v1,'],
    ['without the comma', 'v1'],
    ['of spaces', '   '],
    ['cut short', signature.slice(0, -4)],
    ['without its padding', signature.replace(/=+$/, '')],
    ['with more after it', `${signature}AAAA`],
    ['with a comma after it', `${signature},`],
    [
      'in other Base64 letters of the same bytes',
      signature.replace(/(.)=$/, (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=`),
    ],
    ['in hexadecimal', `v1,${Buffer.from(bare, 'base64').toString('hex')}`],
    ['of a tab between', `v1,AAAA\t${signature}`],
    ['of the word undefined', 'v1,undefined'],
  ])('%s is refused', (_, header) => {
    expect(refused(alone('webhook-signature', header)).code).toBe('signature_invalid')
  })

  test('is accepted with versions and rubbish beside the right one', () => {
    const header = `v9,AAAA  v1, ,, v1a,!! rubbish ${signature}`

    expect(verify(body, { ...good.headers, 'webhook-signature': header }, SECRET, NOW)).toHaveLength(1)
  })

  test('of 10,000 signatures costs no more than one, even of those that are dear to verify', { retry: 2 }, () => {
    const message = alsoSigned(good, pair)
    const valid = message.headers['webhook-signature']?.split(' ')[1] ?? ''
    const wrong = `v1a,${Buffer.alloc(64, 7).toString('base64')}`
    const many = Array.from({ length: 10_000 }, () => wrong)
    const startedAt = performance.now()

    for (let time = 0; time < 20; time += 1) {
      expect(refused(alone('webhook-signature', [...many, valid].join(' ')), pair.publicKey).code).toBe(
        'signature_invalid',
      )
    }
    // Verified one by one, they take some 25 s (0.14 ms each).
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  test('made with the public key as if it were a secret is refused: each version has keys of its own', () => {
    const timestamp = good.headers['webhook-timestamp'] ?? ''
    const text = `${eventOf(body).id}.${timestamp}.${body}`
    for (const key of [Buffer.from(pair.publicKey.slice('whpk_'.length), 'base64'), pair.publicKey]) {
      const forged = createHmac('sha256', key).update(text).digest('base64')

      expect(refused(alone('webhook-signature', `v1,${forged} v1a,${forged}`), pair.publicKey).code).toBe(
        'signature_invalid',
      )
    }
  })
})

describe('headers', () => {
  test.each(['webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type'])(
    'without %s, or with an empty one',
    (name) => {
      const { code, message } = refused(without(name))

      expect([code, message]).toEqual(['header_missing', expect.stringContaining(name)])
      expect(refused(alone(name, '')).code).toBe('header_missing')
      expect(refused(alone(name, [])).code).toBe('header_missing')
      expect(refused(alone(name, undefined)).code).toBe('header_missing')
    },
  )

  test.each(['webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type'])(
    '%s twice, whichever comes first',
    (name) => {
      const value = good.headers[name] ?? ''
      for (const both of [
        [value, 'x'],
        ['x', value],
        [value, value],
      ]) {
        expect(refused(alone(name, both)).code).toBe('header_repeated')
      }
      expect(refused(alone(name.toUpperCase(), 'x')).code).toBe('header_repeated')
      expect(refused({ body, headers: [...Object.entries(good.headers), [name, 'x']] }).code).toBe('header_repeated')
    },
  )

  test('that an object only inherits do not count', () => {
    expect(refused({ body, headers: Object.create(good.headers) as object }).code).toBe('header_missing')
  })

  test.each([
    'NaN',
    'Infinity',
    '-1795341600',
    '1795341600.5',
    '1.8e9',
    '0x6b0',
    ' 1795341600',
    '1795341600x',
    '１７９５',
    '9'.repeat(400),
  ])('a timestamp %s is refused before anything is compared with it', (timestamp) => {
    const id = eventOf(body).id
    const hmac = createHmac('sha256', Buffer.alloc(32, 1)).update(`${id}.${timestamp}.${body}`).digest('base64')
    const headers = { ...good.headers, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${hmac}` }

    expect(refused({ body, headers }).code).toBe('timestamp_invalid')
  })

  test('a message that was recorded cannot be sent later with a fresh timestamp', () => {
    const later = new Date(NOW.getTime() + 3_600_000)

    expect(refused(good, SECRET, later).code).toBe('timestamp_outside')
    expect(refused(alone('webhook-timestamp', String(Math.floor(later.getTime() / 1000))), SECRET, later).code).toBe(
      'signature_invalid',
    )
  })
})

describe('secrets', () => {
  const key = Buffer.alloc(32, 1).toString('base64')

  test.each([
    ['none', []],
    ['an empty one', ['']],
    ['one without its prefix', [key]],
    ['a bare prefix', ['whsec_']],
    ['one of 23 bytes', [`whsec_${Buffer.alloc(23).toString('base64')}`]],
    ['one of 65 bytes', [`whsec_${Buffer.alloc(65).toString('base64')}`]],
    ['one in Base64 for URLs', [`whsec_${Buffer.alloc(32, 0xff).toString('base64url')}`]],
    ['one with a line break', [`${SECRET}\n`]],
    ['two in one text', [`${SECRET} ${SECRET}`]],
    ['a private key', [`whsk_${key}`]],
    ['a public key that is too short', [`whpk_${Buffer.alloc(31).toString('base64')}`]],
    ['a good one and a bad one', [SECRET, 'whsec_!!']],
  ])('%s: refused, whatever the message', (_, secrets) => {
    const { code, message } = refused(good, secrets)

    expect(code).toBe('secret_invalid')
    for (const secret of secrets.filter((text) => text.length > 6)) expect(message).not.toContain(secret.slice(6, 16))
  })
})

describe('a body', () => {
  test('that was parsed is refused with a word about it', () => {
    for (const parsed of [eventOf(body), [eventOf(body)], undefined, null, 1]) {
      expect(refused({ headers: good.headers, body: parsed as never }).code).toBe('body_not_raw')
    }
  })

  test('of 64 MB that nobody signed is refused in time that grows with its length only, unparsed', () => {
    const huge = Buffer.alloc(64 * 1024 * 1024, '[')
    const startedAt = performance.now()

    expect(refused({ ...good, body: huge }).code).toBe('signature_invalid')
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  test.each([
    ['no JSON', '{'],
    ['empty', ''],
    ['a number', '1'],
    ['null', 'null'],
    ['a text', '"evt_1"'],
    ['a batch under the type of one event', `[${body}]`],
    ['deep', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['with a byte order mark', `\uFEFF${body}`],
    ...['specversion', 'id', 'source', 'type', 'subject', 'time', 'sequence', 'data'].map((field) => [
      `without ${field}`,
      JSON.stringify({ ...eventOf(body), [field]: undefined }),
    ]),
    ['of version 0.3', body.replace('"1.0"', '"0.3"')],
    ['with a number for a text', body.replace('"abc"', '7')],
    ['of an end without a reason', body.replace('session.created', 'session.closed')],
    ['of no time', JSON.stringify({ ...eventOf(body), time: 'yesterday' })],
    ['with a short sequence', JSON.stringify({ ...eventOf(body), sequence: '1' })],
  ])('that is signed, but %s', (_, text = '') => {
    const { code, message } = refused(signed(text, eventOf(body).id))

    expect(code).toBe('body_invalid')
    expect(message.length).toBeLessThan(200)
  })

  test.each([['{}'], ['[]'], ['null'], [body], [`[${body},null]`], [`[[${body}]]`]])(
    'of a batch that is no list of events',
    (text) => {
      expect(refused(signed(text, 'batch_1', 'application/cloudevents-batch+json')).code).toBe('body_invalid')
    },
  )

  test('that is signed, but no UTF-8, is refused rather than guessed', () => {
    const bytes = Buffer.from(body.replace('"abc"', '"\x80"'), 'latin1')
    const id = eventOf(body).id
    const timestamp = good.headers['webhook-timestamp'] ?? ''
    const hmac = createHmac('sha256', Buffer.alloc(32, 1)).update(`${id}.${timestamp}.`).update(bytes).digest('base64')

    expect(refused({ body: bytes, headers: { ...good.headers, 'webhook-signature': `v1,${hmac}` } }).code).toBe(
      'body_invalid',
    )
  })

  test('whatever is signed is an event or refused: nothing else is thrown', () => {
    const bodies = fc.oneof(
      fc.json(),
      fc.string(),
      fc.json().map((data) => `{"type":"session.closed","data":${data}}`),
    )
    fc.assert(
      fc.property(bodies, fc.boolean(), (text, isBatch) => {
        const message = signed(text, 'evt_1', `application/cloudevents${isBatch ? '-batch' : ''}+json`)

        expect(refused(message).code).toBe('body_invalid')
      }),
      runs(300),
    )
  })

  test('with keys that would change a prototype has none of them when it is read', () => {
    const evil = '"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}'
    const text = `{${evil},${body.slice(1).replace('"data":{', `"data":{${evil},`)}`

    const [event] = verify(text, single(text).headers, SECRET, NOW)
    const copy = Object.assign({}, event, event?.data)

    expect(Object.hasOwn(event ?? {}, '__proto__')).toBe(false)
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect([({} as { polluted?: boolean }).polluted, (copy as { polluted?: boolean }).polluted]).toEqual([
      undefined,
      undefined,
    ])
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'of the type %s is one of a type unknown',
    (type) => {
      expect(
        verify(operatorBody(type, 'x', null), single(operatorBody(type, 'x', null)).headers, SECRET, NOW),
      ).toHaveLength(1)
    },
  )
})

describe('an id', () => {
  test("that is not the event's is refused, although it is signed", () => {
    expect(refused(signed(body, 'evt_foreign')).code).toBe('id_mismatch')
  })

  test("of one delivery does not carry another's body, nor one batch's another's", () => {
    expect(refused({ headers: good.headers, body: otherBody }).code).toBe('signature_invalid')
    expect(
      refused({ headers: { ...batch(LIVES).headers, 'webhook-id': 'batch_foreign' }, body: batch(LIVES).body }).code,
    ).toBe('signature_invalid')
    expect(refused({ headers: batch([body]).headers, body: batch([otherBody]).body }).code).toBe('signature_invalid')
  })

  test('cannot take a part of the timestamp, nor the timestamp a part of the body', () => {
    const { id } = eventOf(body)
    const timestamp = good.headers['webhook-timestamp'] ?? ''
    const shifted = { ...good.headers, 'webhook-id': `${id}.${timestamp}` }

    expect(refused({ body: body.slice(1), headers: { ...shifted, 'webhook-timestamp': '{' } }).code).toBe(
      'timestamp_invalid',
    )
    // Here the signed text is the same: what is left of the body is no event.
    const trick = signed(`${timestamp}.${body}`, id)
    expect(refused(trick).code).toBe('body_invalid')
    expect(refused({ body, headers: { ...trick.headers, 'webhook-id': `${id}.${timestamp}` } }).code).toBe(
      'id_mismatch',
    )
  })
})

describe('a content type', () => {
  test.each([
    'application/json',
    'text/plain',
    'application/cloudevents',
    'application/cloudevents+xml',
    'x application/cloudevents+json',
  ])('%s is refused', (contentType) => {
    expect(refused(alone('content-type', contentType)).code).toBe('content_type_unknown')
  })

  test('that was changed on the way makes no batch of an event, nor an event of a batch', () => {
    expect(refused(alone('content-type', 'application/cloudevents-batch+json')).code).toBe('body_invalid')
    const headers = { ...batch(LIVES).headers, 'content-type': 'application/cloudevents+json' }
    expect(refused({ headers, body: batch(LIVES).body }).code).toBe('body_invalid')
  })
})

test('no message has a secret, a header or anything of the body', () => {
  const texts = [
    refused(alone('webhook-signature', 'v1,c2VjcmV0')),
    refused(alone('webhook-id', 'c2VjcmV0')),
    refused(alone('content-type', 'c2VjcmV0')),
    refused(alone('webhook-timestamp', 'c2VjcmV0')),
    refused(signed('{"c2VjcmV0":1}')),
    refused(signed('{"type":"c2VjcmV0","id":3}')),
    refused(signed(JSON.stringify({ ...eventOf(body), specversion: 'c2VjcmV0' }))),
    refused(good, 'whsec_c2VjcmV0'),
  ].map((error) => `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`)

  expect(texts.filter((text) => text.includes('c2VjcmV0'))).toEqual([])
})
