import { createHmac, createPrivateKey, createPublicKey, sign as signBytes } from 'node:crypto'

/** What a symmetric secret starts with; Base64 of 24 to 64 bytes follows. */
export const SECRET_PREFIX = 'whsec_'
/** What an ed25519 private key starts with; Base64 of its 32 bytes follows. */
export const PRIVATE_KEY_PREFIX = 'whsk_'
const PUBLIC_KEY_PREFIX = 'whpk_'

/**
 * The headers that sign one message, after the Standard Webhooks specification: one signature for each secret, `v1` for
 * symmetric ones and `v1a` for private keys, so that a subscriber can verify with the old or the new one while it rotates.
 * `time` is when this try is sent.
 */
export function sign(id: string, time: Date, body: string, secrets: readonly string[]): Record<string, string> {
  const timestamp = String(Math.floor(time.getTime() / 1000))
  const content = Buffer.from(`${id}.${timestamp}.${body}`)
  const signatures = secrets.map((secret) => {
    if (secret.startsWith(PRIVATE_KEY_PREFIX)) {
      return `v1a,${signBytes(null, content, privateKey(secret)).toString('base64')}`
    }
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
    return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}

/** The public key, `whpk_…`, that verifies what a private key signs. */
export function publicKey(secret: string): string {
  const { x } = createPublicKey(privateKey(secret)).export({ format: 'jwk' })
  return PUBLIC_KEY_PREFIX + Buffer.from(x ?? '', 'base64url').toString('base64')
}

/** What precedes the 32 bytes of an ed25519 private key in PKCS #8 (RFC 8410, 7). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

function privateKey(secret: string) {
  const bytes = Buffer.from(secret.slice(PRIVATE_KEY_PREFIX.length), 'base64')
  return createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: 'der', type: 'pkcs8' })
}
