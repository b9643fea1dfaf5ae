// Secrets of endpoints, which lie in the database sealed when there is a key.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { sql, type Kysely, type Transaction } from 'kysely'
import { type Keyring, NONCE_BYTES, seal, unseal } from '../core/seal.ts'
import { PRIVATE_KEY_PREFIX, publicKey, SECRET_PREFIX } from '../core/signature.ts'
import { AppError } from '../errors.ts'
import type { Database } from './database.ts'

/** What a subscriber verifies with; shown once. `publicKey` only for endpoints that sign with ed25519, too. */
export interface Secrets {
  secret: string
  publicKey?: string
}

/** A text of an endpoint's as it is stored. */
export function conceal(keyring: Keyring, endpointId: string, text: string): string {
  return seal(keyring, endpointId, text, randomBytes(NONCE_BYTES))
}

/** A text of an endpoint's as it was before it was stored. Throws `config_invalid` when no key opens it. */
export function reveal(keyring: Keyring, endpointId: string, stored: string): string {
  const text = unseal(keyring, endpointId, stored)
  if (text !== undefined) return text
  const cure = keyring.length === 0 ? 'set SECRET_KEY to the key' : 'add the key to SECRET_KEY'
  throw new AppError(
    'config_invalid',
    `the secret of endpoint ${endpointId} is sealed with another key: ${cure} it was made with`,
  )
}

/** Makes new secrets for an endpoint, for each kind it signs with. */
export async function makeSecrets(
  tx: Transaction<Database>,
  keyring: Keyring,
  endpointId: string,
  ed25519: boolean,
): Promise<Secrets> {
  const secret = SECRET_PREFIX + randomBytes(32).toString('base64')
  const privateKey = ed25519 ? newPrivateKey() : undefined
  const kinds = { symmetric: secret, ...(privateKey && { ed25519: privateKey }) }
  for (const [kind, text] of Object.entries(kinds)) {
    await sql`insert into endpoint_secret (endpoint_id, kind, secret, created_at)
      values (${endpointId}, ${kind}, ${conceal(keyring, endpointId, text)}, clock_timestamp())`.execute(tx)
  }
  return { secret, ...(privateKey && { publicKey: publicKey(privateKey) }) }
}

function newPrivateKey(): string {
  const { d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  return PRIVATE_KEY_PREFIX + Buffer.from(d, 'base64url').toString('base64')
}

/** Selects what an endpoint's messages are signed with now, as it is stored, the newest first. */
export const secretsOf = (endpointId: ReturnType<typeof sql>) => sql<{ secret: string }>`
  select secret from endpoint_secret
  where endpoint_id = ${endpointId} and (expires_at is null or expires_at > now())
  order by kind desc, created_at desc`

/** The secrets an endpoint's messages are signed with now, as they are stored. */
export async function storedSecrets(db: Kysely<Database>, endpointId: string): Promise<string[]> {
  const { rows } = await secretsOf(sql`${endpointId}`).execute(db)
  return rows.map(({ secret }) => secret)
}

/** The same, opened. Throws `config_invalid` when no key opens one. */
export async function readSecrets(db: Kysely<Database>, keyring: Keyring, endpointId: string): Promise<string[]> {
  return (await storedSecrets(db, endpointId)).map((stored) => reveal(keyring, endpointId, stored))
}
