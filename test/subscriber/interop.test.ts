// Rollcall's deliveries and the published libraries understand each other. No doubles: the libraries are installed by npm.
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { beforeAll, describe, expect, test } from 'vitest'
import { verify } from '../../lib/subscriber/index.ts'
import { runs } from '../fuzz/effort.ts'
import { alsoSigned, batch, ed25519, eventOf, LIVES, operatorBody, SECRET, secretOf, single } from './messages.ts'
import { type Published, published, type PublishedWebhook } from './published.ts'

let libraries: Record<string, new (secret: string) => PublishedWebhook>
let cloudevents: Published['cloudevents']
beforeAll(async () => {
  const { svix, ...others } = await published()
  libraries = { standardwebhooks: Webhook, svix: svix.Webhook }
  cloudevents = others.cloudevents
}, 120_000)

const [body = ''] = LIVES
const ping = operatorBody('webhook.ping', 'ep_1', { endpoint: 'ep_1', challenge: 'abc' })
const webhook = (library: string, secret = SECRET) => new libraries[library]!(secret)

describe.each(['standardwebhooks', 'svix'])('%s', (library) => {
  test('verifies each event, a batch and a ping', () => {
    // These libraries read the clock themselves.
    const now = new Date()
    for (const one of [...LIVES, ping]) {
      const { headers, body } = single(one, [SECRET], now)

      expect(webhook(library).verify(body, headers)).toEqual(JSON.parse(one))
    }
    const { headers, body } = batch(LIVES, [SECRET], now)
    expect(webhook(library).verify(body, headers)).toEqual(LIVES.map(eventOf))
  })

  test('verifies while secrets rotate, and beside ed25519 signatures, which it does not know', () => {
    const { headers } = alsoSigned(single(body, [secretOf(2), secretOf(1)], new Date()), ed25519())

    expect(webhook(library, secretOf(1)).verify(body, headers)).toEqual(eventOf(body))
    expect(webhook(library, secretOf(2)).verify(body, headers)).toEqual(eventOf(body))
    expect(() => webhook(library, secretOf(3)).verify(body, headers)).toThrow('No matching signature')
  })

  test('signs what we verify, with any secret, time and text', () => {
    const secrets = fc.uint8Array({ minLength: 24, maxLength: 64 })
    const times = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
    const texts = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(secrets, times, texts, fc.uuid(), (bytes, time, userId, id) => {
        const secret = `whsec_${Buffer.from(bytes).toString('base64')}`
        const event = { ...eventOf(body), id, partitionkey: userId }
        const text = JSON.stringify(event)
        const headers = {
          'content-type': 'application/cloudevents+json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
          'webhook-signature': webhook(library, secret).sign(id, time, text),
        }

        expect(verify(text, headers, secret, time)).toEqual([event])
      }),
      runs(100),
    )
  })
})

describe('cloudevents', () => {
  const attributes = (event: unknown) => JSON.parse(JSON.stringify(event)) as unknown

  test('reads each event and a ping, with the time and the extensions', () => {
    for (const one of [...LIVES, ping])
      expect(attributes(cloudevents.HTTP.toEvent(single(one)))).toEqual(JSON.parse(one))
  })

  test('reads a batch as a list in its order', () => {
    expect(attributes(cloudevents.HTTP.toEvent(batch(LIVES)))).toEqual(LIVES.map(eventOf))
  })
})
