import { createPublicKey, verify as verifyBytes } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { publicKey, sign } from '../../lib/core/signature.ts'

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

describe('ed25519', () => {
  /** RFC 8032, 7.1, test 1 (Base64): a secret key and its public key. */
  const rfc = {
    secret: 'whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=',
    public: 'whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
  }
  const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => Buffer.from(key).toString('base64'))

  /** As a subscriber would who has nothing but `whpk_…` and Node. */
  function isSigned(whpk: string, text: string, headers: Record<string, string>): boolean {
    const x = Buffer.from(whpk.slice('whpk_'.length), 'base64').toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    const content = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`)
    const signatures = (headers['webhook-signature'] ?? '').split(' ').filter((one) => one.startsWith('v1a,'))
    return signatures.some((one) => verifyBytes(null, content, key, Buffer.from(one.slice(4), 'base64')))
  }

  test.each([
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    ],
    [
      'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    ],
  ])('the private key %s of RFC 8032 has its public key', (secret, known) => {
    const [whsk, whpk] = [secret, known].map((hex) => Buffer.from(hex, 'hex').toString('base64'))

    expect(publicKey(`whsk_${whsk}`)).toBe(`whpk_${whpk}`)
  })

  test('a signature made elsewhere is given to the byte', () => {
    // printf 'evt_1.1800000000.%s' "$body" signed by `openssl pkeyutl -sign -rawin` with the key of RFC 8032, 7.1, test 1.
    const headers = sign('evt_1', new Date(1800000000_999), body, [rfc.secret])

    expect(headers['webhook-signature']).toBe(
      'v1a,4VGYvCQ3xPjVQWX4JUfXkkFUjKjKuy6HuwJ9Ud2r/n0WQwML3HzFe8EHsZAiLGpvKhYdjc/1AmOtkJA+1/xJCQ==',
    )
  })

  test('the public key alone verifies any message, and none that was changed', () => {
    fc.assert(
      fc.property(keyBytes, fc.json(), fc.uuid(), (key, text, id) => {
        const headers = sign(id, new Date(), text, [`whsk_${key}`])
        const whpk = publicKey(`whsk_${key}`)

        expect(isSigned(whpk, text, headers)).toBe(true)
        expect(isSigned(whpk, `${text} `, headers)).toBe(false)
        expect(isSigned(whpk, text, { ...headers, 'webhook-id': `${id}x` })).toBe(false)
        expect(isSigned(rfc.public, text, headers)).toBe(false)
      }),
      { numRuns: 30 },
    )
  })

  test('beside a symmetric secret each signs for itself: whoever knows only v1 still verifies', () => {
    const headers = sign('evt_1', new Date(), body, [newSecret, rfc.secret])

    expect(headers['webhook-signature']).toMatch(/^v1,\S+ v1a,\S+$/)
    expect(verify(newSecret, body, headers)).toEqual(JSON.parse(body))
    expect(isSigned(rfc.public, body, headers)).toBe(true)
  })
})
