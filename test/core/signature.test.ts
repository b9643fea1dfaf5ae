import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { sign } from '../../lib/core/signature.ts'

// No doubles: what is signed here is verified by the published `standardwebhooks` package, as a subscriber would.
const bytes = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`
const [oldSecret, newSecret, strangeSecret] = [bytes(1), bytes(2), bytes(3)]
const body = '{"type":"session.started","data":{"userId":"阿明 😀"}}'

const verify = (secret: string, text: string, headers: Record<string, string>) =>
  new Webhook(secret).verify(text, headers)

test('the example of the Standard Webhooks documentation gives its published signature', () => {
  const headers = sign('msg_p5jXN8AQM9LWM0D4loKWxJek', new Date(1614265330_000), '{"test": 2432232314}', [
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ])

  expect(headers).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test('a signature made elsewhere is given to the byte, with the time cut to whole seconds', () => {
  // printf 'evt_1.1800000000.%s' "$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01 -binary | base64
  const headers = sign('evt_1', new Date(1800000000_999), body, [oldSecret])

  expect(headers).toEqual({
    'webhook-id': 'evt_1',
    'webhook-timestamp': '1800000000',
    'webhook-signature': 'v1,dkkstiNdoIdPjCyaF+8IpY99jbbMmu9/AD1eRS68qDQ=',
  })
})

test('a subscriber verifies any body with its own secret, of any length allowed', () => {
  const secrets = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((key) => Buffer.from(key).toString('base64'))

  fc.assert(
    fc.property(secrets, fc.json(), fc.uuid(), (key, text, id) => {
      const headers = sign(id, new Date(), text, [`whsec_${key}`])

      expect(verify(`whsec_${key}`, text, headers)).toEqual(JSON.parse(text))
    }),
  )
})

test('while secrets rotate, the old and the new one verify, and no other', () => {
  const headers = sign('evt_1', new Date(), body, [newSecret, oldSecret])

  expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
  expect(verify(oldSecret, body, headers)).toEqual(JSON.parse(body))
  expect(verify(newSecret, body, headers)).toEqual(JSON.parse(body))
  expect(() => verify(strangeSecret, body, headers)).toThrow('No matching signature found')
})

test.each([
  ['body', (headers: Record<string, string>) => headers, body.replace('阿', '啊')],
  ['body that only gained a space', (headers: Record<string, string>) => headers, `${body} `],
  ['id', (headers: Record<string, string>) => ({ ...headers, 'webhook-id': 'evt_2' }), body],
  [
    'timestamp',
    (headers: Record<string, string>) => ({
      ...headers,
      'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1),
    }),
    body,
  ],
])('a tampered %s is refused', (_, tamper, text) => {
  const headers = sign('evt_1', new Date(), body, [oldSecret])

  expect(() => verify(oldSecret, text, tamper(headers))).toThrow('No matching signature found')
})

test('an old message is refused by its time, so each try is signed anew', () => {
  const tenMinutesAgo = new Date(Date.now() - 600_000)

  expect(() => verify(oldSecret, body, sign('evt_1', tenMinutesAgo, body, [oldSecret]))).toThrow('too old')
  expect(verify(oldSecret, body, sign('evt_1', new Date(), body, [oldSecret]))).toEqual(JSON.parse(body))
})
