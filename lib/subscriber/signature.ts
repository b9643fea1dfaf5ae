// Whether bytes were signed by Rollcall: the signatures `v1` and `v1a` of Standard Webhooks.
import { createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { VerificationError } from './error.ts'

/** A symmetric secret's bytes, or a public key: each for the signatures of its own version, and no other. */
export type Key = { version: 'v1'; secret: Buffer } | { version: 'v1a'; publicKey: KeyObject }

/** More than any rotation needs; each `v1a` signature costs a verification of the whole body. */
const MOST_SIGNATURES = 32

/** The keys of `whsec_` secrets and `whpk_` public keys. Throws `secret_invalid` when one is malformed, or none is there. */
export function keysOf(secrets: readonly string[]): Key[] {
  if (secrets.length === 0) throw secretInvalid('there is none')
  return secrets.map((secret, index) => {
    const [, prefix, base64 = ''] = /^(whsec|whpk)_(.+)$/.exec(secret) ?? []
    const bytes = Buffer.from(base64, 'base64')
    const isBase64 = bytes.toString('base64') === base64
    if (prefix === 'whsec' && isBase64 && bytes.length >= 24 && bytes.length <= 64) {
      return { version: 'v1', secret: bytes }
    }
    if (prefix === 'whpk' && isBase64 && bytes.length === 32) {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }
      return { version: 'v1a', publicKey: createPublicKey({ key: jwk, format: 'jwk' }) }
    }
    throw secretInvalid(`number ${index + 1} is neither whsec_ and Base64 of 24 to 64 bytes nor whpk_ and Base64 of 32`)
  })
}

/** Whether one of the signatures, separated by spaces, was made with one of the keys. Takes bounded time for any header. */
export function isSigned(content: Buffer, header: string, keys: readonly Key[]): boolean {
  const signatures = header.split(' ', MOST_SIGNATURES + 1)
  if (signatures.length > MOST_SIGNATURES) return false
  return keys.some((key) => {
    const prefix = `${key.version},`
    const own = signatures.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length))
    if (key.version === 'v1a') return own.some((one) => isSignedBy(key.publicKey, content, one))
    const expected = Buffer.from(createHmac('sha256', key.secret).update(content).digest('base64'))
    return own.some((one) => isSame(expected, Buffer.from(one)))
  })
}

function isSignedBy(key: KeyObject, content: Buffer, base64: string): boolean {
  const signature = Buffer.from(base64, 'base64')
  return signature.toString('base64') === base64 && verify(null, content, key, signature)
}

const isSame = (a: Buffer, b: Buffer) => a.length === b.length && timingSafeEqual(a, b)

const secretInvalid = (why: string) =>
  new VerificationError(
    'secret_invalid',
    `of the secrets to verify with, ${why}: copy it from \`rollcall endpoint add\``,
  )
