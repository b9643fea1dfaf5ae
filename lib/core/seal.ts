// Secrets as they lie in the database: sealed with a key that is not there, when there is one.
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'

/** Keys of 32 bytes: the first seals, all open. With none, secrets are kept as they are. */
export type Keyring = readonly Buffer[]

/** How many random bytes a seal needs; never the same twice. */
export const NONCE_BYTES = 12

const PREFIX = 'sealed:'
/** Before a text that only looks sealed, such as the value of a header. */
const UNSEALED = 'sealed::'
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'

/**
 * The text sealed for its owner (AES-256-GCM): it opens for no other, so that a row copied elsewhere is worth nothing. As
 * it is when the keyring is empty.
 */
export function seal(keyring: Keyring, owner: string, text: string, nonce: Buffer): string {
  const [key] = keyring
  if (!key) return text.startsWith(PREFIX) ? UNSEALED + text : text
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(owner))
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${PREFIX}${keyId(key)}:${sealed.toString('base64')}`
}

/** What was sealed, or kept as it is; undefined when no key of the ring opens it for this owner. */
export function unseal(keyring: Keyring, owner: string, stored: string): string | undefined {
  if (!stored.startsWith(PREFIX)) return stored
  if (stored.startsWith(UNSEALED)) return stored.slice(UNSEALED.length)
  const [id, data = ''] = stored.slice(PREFIX.length).split(':')
  const key = keyring.find((one) => keyId(one) === id)
  if (!key) return undefined
  const bytes = Buffer.from(data, 'base64')
  try {
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(Buffer.from(owner)).setAuthTag(bytes.subarray(-TAG_BYTES))
    return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined
  }
}

/** Tells keys apart without telling anything of them. */
function keyId(key: Buffer): string {
  return createHash('sha256').update('rollcall key id').update(key).digest('hex').slice(0, 8)
}
