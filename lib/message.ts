import { sign } from './core/signature.ts'
import type { Keyring } from './core/seal.ts'
import { reveal } from './store/secret.ts'

/** Whom a message is for, with secrets and header values as they are stored. */
export interface Addressee {
  endpointId: string
  secrets: readonly string[]
  headers: Readonly<Record<string, string>>
}

/** What a message says: one event, or several. */
export interface Content {
  id: string
  type: 'application/cloudevents+json' | 'application/cloudevents-batch+json'
  body: string
}

/**
 * The message as it is sent at `time`: signed with the endpoint's secrets, with its own headers, which never take the place of
 * ours. Throws `config_invalid` when no key opens them.
 */
export function messageFor(
  { endpointId, secrets, headers }: Addressee,
  { id, type, body }: Content,
  time: Date,
  keyring: Keyring,
): { headers: Record<string, string>; body: string } {
  const open = (stored: string) => reveal(keyring, endpointId, stored)
  const own = Object.entries(headers).map(([name, value]) => [name, open(value)])
  return {
    headers: {
      'user-agent': 'Rollcall',
      ...(Object.fromEntries(own) as Record<string, string>),
      'content-type': type,
      ...sign(id, time, body, secrets.map(open)),
    },
    body,
  }
}
