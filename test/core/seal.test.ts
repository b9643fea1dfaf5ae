import { createDecipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NONCE_BYTES, seal, unseal } from '../../lib/core/seal.ts'

// No doubles: pure functions; the nonce is an argument.
const [key, newKey, strangeKey] = [1, 2, 3].map((fill) => Buffer.alloc(32, fill)) as [Buffer, Buffer, Buffer]
const nonce = Buffer.alloc(NONCE_BYTES, 9)
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

test('what is sealed is AES-256-GCM of the text, bound to its owner: opened here by Node alone', () => {
  const [prefix, , data = ''] = seal([key], 'ep_1', secret, nonce).split(':')
  const bytes = Buffer.from(data, 'base64')

  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  decipher.setAAD(Buffer.from('ep_1')).setAuthTag(bytes.subarray(-16))
  const opened = decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')

  expect(prefix).toBe('sealed')
  expect(bytes.subarray(0, 12)).toEqual(nonce)
  expect(opened).toBe(secret)
})

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', 'sealed:', 'sealed:ab:cd', 'sealed::', secret),
)
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const nonces = fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => Buffer.from(bytes))

test('any text that is sealed opens as it was, with its key anywhere in the ring', () => {
  fc.assert(
    fc.property(text, bytes32, fc.string(), nonces, (plain, one, owner, random) => {
      const sealed = seal([one], owner, plain, random)

      expect(unseal([one], owner, sealed)).toBe(plain)
      expect(unseal([newKey, strangeKey, one], owner, sealed)).toBe(plain)
    }),
  )
})

test('any text that is kept as it is, since there is no key, opens as it was, with keys or without', () => {
  fc.assert(
    fc.property(text, fc.string(), (plain, owner) => {
      const kept = seal([], owner, plain, nonce)

      expect(unseal([], owner, kept)).toBe(plain)
      expect(unseal([key], owner, kept)).toBe(plain)
    }),
  )
})

test('the first key of the ring seals, so that a new one in front takes over', () => {
  const sealed = seal([newKey, key], 'ep_1', secret, nonce)

  expect(unseal([newKey], 'ep_1', sealed)).toBe(secret)
  expect(unseal([key], 'ep_1', sealed)).toBeUndefined()
})

describe('nothing is opened', () => {
  const sealed = seal([key], 'ep_1', secret, nonce)

  test.each<[string, Buffer[], string, string]>([
    ['without a key', [], 'ep_1', sealed],
    ['with other keys', [newKey, strangeKey], 'ep_1', sealed],
    ['for another owner', [key], 'ep_2', sealed],
    ['that was cut off', [key], 'ep_1', sealed.slice(0, -8)],
    ['of which nothing is left but the key', [key], 'ep_1', sealed.slice(0, sealed.lastIndexOf(':') + 1)],
    ['that is no Base64', [key], 'ep_1', `${sealed.slice(0, sealed.lastIndexOf(':'))}:???`],
    ['that has no parts', [key], 'ep_1', 'sealed:'],
  ])('%s', (_, ring, owner, stored) => {
    expect(unseal(ring, owner, stored)).toBeUndefined()
  })

  test('of which a single bit was changed', () => {
    const at = sealed.lastIndexOf(':') + 1
    const bytes = Buffer.from(sealed.slice(at), 'base64')

    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Buffer.from(bytes)
        changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)

        expect(unseal([key], 'ep_1', sealed.slice(0, at) + changed.toString('base64'))).toBeUndefined()
      }),
    )
  })
})

test('what is sealed shows neither the text nor the key', () => {
  const sealed = seal([key], 'ep_1', secret, nonce)

  for (const shown of [secret, 'MfKQ9r8', key.toString('hex').slice(0, 16), key.toString('base64').slice(0, 12)]) {
    expect(sealed).not.toContain(shown)
  }
})
