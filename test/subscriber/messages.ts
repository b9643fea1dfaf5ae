// Deliveries as Rollcall sends them, made by its own core, for the tests of those who take them.
import { generateKeyPairSync, sign as signBytes } from 'node:crypto'
import { eventsOf } from '../../lib/core/event.ts'
import { sign } from '../../lib/core/signature.ts'
import type { Event } from '../../lib/subscriber/index.ts'
import { item, play, type Tick } from '../core/build.ts'

/** When messages are sent, unless told. */
export const NOW = new Date('2026-11-22T10:00:00.500Z')

export const secretOf = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`
export const SECRET = secretOf(1)

export interface Message {
  headers: Record<string, string>
  body: string
}

/** The bodies of the events of a history, in order, with ids `evt_1`, `evt_2` … */
export function bodiesOf(history: Tick[]): string[] {
  let last = 0
  return play(history)
    .flatMap(({ result }) => result.transitions)
    .reduce<string[]>((bodies, transition) => {
      const events = [...eventsOf([transition], 'default', bodies.length, () => `evt_${(last += 1)}`)]
      return [...bodies, ...events.map(({ body }) => body)]
    }, [])
}

const tick = (...items: Tick['items']): Tick => ({ items, unreadable: 0, evidence: new Map() })

/** One session each that closes and that fails, with a tick for each step. */
export const LIVES = bodiesOf([
  tick(item('m1', 3), item('m2', 3)),
  tick(item('m1', 1), item('m2', 4)),
  tick(item('m1', 1, { started: true })),
  tick(item('m1', 2, { started: true })),
])

/** The event of a body, unverified. */
export const eventOf = (body: string) => JSON.parse(body) as Event

/** The events of LIVES that are of `m1`: created, ready, started, closed. */
export const M1 = LIVES.filter((body) => eventOf(body).subject === 'm1')

/** An event about Rollcall itself. */
export function operatorBody(type: string, subject: string, data: unknown, sequence = 1): string {
  return JSON.stringify({
    specversion: '1.0',
    id: `evt_operator_${sequence}`,
    source: '/rollcall',
    type,
    subject,
    time: NOW.toISOString(),
    datacontenttype: 'application/json',
    sequence: String(sequence).padStart(20, '0'),
    partitionkey: subject,
    data,
  })
}

/** A signed delivery of one event. */
export function single(body: string, secrets = [SECRET], time = NOW): Message {
  return {
    body,
    headers: { 'content-type': 'application/cloudevents+json', ...sign(eventOf(body).id, time, body, secrets) },
  }
}

/** A signed delivery of several. */
export function batch(bodies: string[], secrets = [SECRET], time = NOW): Message {
  const body = `[${bodies.join(',')}]`
  return {
    body,
    headers: { 'content-type': 'application/cloudevents-batch+json', ...sign('batch_1', time, body, secrets) },
  }
}

/** A fresh ed25519 pair: what the subscriber has, and how the sender signs. */
export function ed25519(): { publicKey: string; sign: (id: string, timestamp: string, body: string) => string } {
  const pair = generateKeyPairSync('ed25519')
  const { x = '' } = pair.publicKey.export({ format: 'jwk' })
  return {
    publicKey: `whpk_${Buffer.from(x, 'base64url').toString('base64')}`,
    sign: (id, timestamp, body) =>
      `v1a,${signBytes(null, Buffer.from(`${id}.${timestamp}.${body}`), pair.privateKey).toString('base64')}`,
  }
}

/** The message with further signatures. */
export function alsoSigned({ headers, body }: Message, ...more: ReturnType<typeof ed25519>[]): Message {
  const [id = '', timestamp = '', signatures = ''] = ['id', 'timestamp', 'signature'].map(
    (name) => headers[`webhook-${name}`],
  )
  const all = [signatures, ...more.map((key) => key.sign(id, timestamp, body))].filter(Boolean).join(' ')
  return { body, headers: { ...headers, 'webhook-signature': all } }
}
