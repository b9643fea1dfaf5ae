// One signed event for one endpoint, now and outside its outbox: does it hear us, and is it who it should be?
import { randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import { operatorEvent } from './core/event.ts'
import type { Outcome } from './core/retry.ts'
import type { Keyring } from './core/seal.ts'
import { newId } from './id.ts'
import { messageFor } from './message.ts'
import { postAndRead, type Poster } from './post.ts'
import type { Database } from './store/database.ts'
import { proveEndpoint, readAddressee } from './store/endpoint.ts'
import { nextPlace } from './store/operator.ts'

/** What a ping came to. `status` is null without an answer; `proved` is null where no proof is asked for. */
export interface Pinged {
  outcome: 'delivered' | 'refused' | Exclude<Outcome['kind'], 'answered'>
  status: number | null
  proved: boolean | null
}

const DEADLINE_MS = 15_000

/**
 * Sends a `webhook.ping`, whatever the endpoint's state. One that must prove itself is proved when its answer is 2xx with the
 * challenge as its whole body, bare or as `{"challenge":"…"}`. Throws `not_found`, and `config_invalid` when a key is missing.
 */
export async function ping(
  db: Kysely<Database>,
  poster: Poster,
  endpointId: string,
  keyring: Keyring,
): Promise<Pinged> {
  const addressee = await readAddressee(db, endpointId)
  const id = newId('evt_')
  const challenge = randomBytes(24).toString('base64url')
  const place = await nextPlace(db)
  const data = { endpoint: endpointId, challenge }
  const body = operatorEvent('webhook.ping', { id, subject: endpointId, ...place, data })
  const content = { id, type: 'application/cloudevents+json', body } as const
  const message = messageFor(addressee, content, new Date(), keyring)
  const { outcome, body: answer } = await postAndRead(poster, addressee.url, message, DEADLINE_MS)

  const status = outcome.kind === 'answered' ? outcome.status : null
  const isTaken = status !== null && status >= 200 && status < 300
  const said = answer.toString('utf8').replaceAll(/\s/g, '')
  const isEcho = isTaken && [challenge, JSON.stringify({ challenge })].includes(said)
  if (addressee.mustProve && isEcho) await proveEndpoint(db, endpointId, addressee.url)
  const kind = outcome.kind !== 'answered' ? outcome.kind : isTaken ? 'delivered' : 'refused'
  return { outcome: kind, status, proved: addressee.mustProve ? isEcho : null }
}
