// What a message is signed with and which headers it has, over a real Postgres and real receivers on loopback; no doubles.
import { createPublicKey, verify } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain, type DrainOptions } from '../lib/deliver.ts'
import { messageFor } from '../lib/message.ts'
import { addEndpoint, type NewEndpoint, rotateSecrets, showEndpoint } from '../lib/store/endpoint.ts'
import { listDeliveries } from '../lib/store/history.ts'
import { openReceiver, type Receiver } from './support/receiver.ts'
import { seed } from './support/seed.ts'
import { loopbackPoster, openWorld, type World } from './support/world.ts'

let world: World
let receiver: Receiver

beforeEach(async () => {
  world = await openWorld()
  receiver = await openReceiver()
})
afterEach(async () => {
  await receiver.close()
  await world.close()
})

const [key, strangeKey] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const poster = loopbackPoster()
const drainWith = (keyring: Buffer[], options: Partial<DrainOptions> = {}) =>
  drain(world.db, poster, { timeMs: 20_000, keyring, random: () => 0.999, ...options })
/** Registers the receiver. */
async function subscribe(settings: Partial<NewEndpoint> = {}, keyring: Buffer[] = [key]) {
  const added = await addEndpoint(world.db, { url: receiver.url, events: ['*'], ...settings }, keyring)
  receiver.secrets.push(added.secret)
  return added
}
const makeDue = () => sql`update delivery set due_at = now() where state = 'pending'`.execute(world.db)
const states = async (endpoint: string) =>
  (await listDeliveries(world.db, { endpoint, limit: 100 })).map(({ state }) => state)

describe('an endpoint whose secret is sealed', () => {
  test('gets what it verifies with the secret that was shown', async () => {
    await subscribe()
    await seed(world.db, { sessions: 3 })

    await drainWith([strangeKey, key])

    expect(receiver.received).toHaveLength(3)
    expect(receiver.unverified).toBe(0)
  })

  test.each([
    ['with no key', []],
    ['with another key', [strangeKey]],
  ])(
    '%s is put off without a POST and without blame, while all others get theirs, and then the drain fails',
    async (_, ring) => {
      const sealed = await subscribe()
      const open = await world.subscribe()
      await seed(world.db, { sessions: 30 })

      const fault = await drainWith(ring).catch((error: unknown) => error)

      expect(fault).toMatchObject({ name: 'AppError', code: 'config_invalid' })
      const { message } = fault as Error
      expect(message).toContain(sealed.id)
      for (const hidden of [sealed.secret, sealed.secret.slice(6, 20), key.toString('hex'), key.toString('base64')]) {
        expect(message).not.toContain(hidden)
      }
      expect(receiver.received).toEqual([])
      expect(open.received).toHaveLength(30)
      expect(new Set(await states(sealed.id))).toEqual(new Set(['pending']))
      const shown = await showEndpoint(world.db, sealed.id)
      expect(shown).toMatchObject({ state: 'active', failures: 0, failingSince: null, pending: 30 })
    },
  )

  test('gets everything once its key is there again', async () => {
    await subscribe()
    await seed(world.db, { sessions: 3 })
    await drainWith([]).catch(() => undefined)
    await makeDue()

    const result = await drainWith([key])

    expect(result).toMatchObject({ delivered: 3 })
    expect(receiver.unverified).toBe(0)
  })

  test('is not dead although its key was missing for longer than the time for retries', async () => {
    const { id } = await subscribe()
    await seed(world.db, { sessions: 1 })
    await drainWith([]).catch(() => undefined)
    await sql`update delivery set due_at = now(), retry_until = now()`.execute(world.db)

    await drainWith([]).catch(() => undefined)

    expect(await states(id)).toEqual(['pending'])
  })
})

describe('an endpoint that rotates', () => {
  test('verifies with the old and the new secret during the grace, and with the new one alone afterwards', async () => {
    const { id, secret: old } = await subscribe({ ed25519: true })
    const { secret } = await rotateSecrets(world.db, id, 24, [key])
    const verifiedWith = async (...secrets: string[]) => {
      receiver.secrets.splice(0, Infinity, ...secrets)
      receiver.unverified = 0
      await seed(world.db, { sessions: 1 })
      await drainWith([key])
      return receiver.unverified === 0
    }
    const during = [await verifiedWith(old), await verifiedWith(secret)]
    const signatures = String(receiver.received[0]?.headers['webhook-signature'])
    await sql`update endpoint_secret set expires_at = now() where expires_at is not null`.execute(world.db)

    const after = [await verifiedWith(old), await verifiedWith(secret)]

    expect(during).toEqual([true, true])
    expect(after).toEqual([false, true])
    expect(signatures).toMatch(/^v1,\S+ v1,\S+ v1a,\S+ v1a,\S+$/)
  })

  test('is verified by whoever has only its public key', async () => {
    const { publicKey = '' } = await subscribe({ ed25519: true })
    await seed(world.db, { sessions: 1 })

    await drainWith([key])

    const [one] = receiver.received
    if (!one) throw new Error('nothing came')
    const { headers, body } = one
    const x = Buffer.from(publicKey.replace('whpk_', ''), 'base64').toString('base64url')
    const signature = /v1a,(\S+)/.exec(String(headers['webhook-signature']))?.[1] ?? ''
    const content = Buffer.from(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`)
    const verifier = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    expect(verify(null, content, verifier, Buffer.from(signature, 'base64'))).toBe(true)
  })
})

describe("an endpoint's own headers", () => {
  test('are sent with each POST, as they were given', async () => {
    await subscribe({ headers: { authorization: 'Bearer abc', 'x-odd': 'sealed:but not', 'x-empty': '' } })
    await seed(world.db, { sessions: 1 })

    await drainWith([key])

    expect(receiver.received[0]?.headers).toMatchObject({
      authorization: 'Bearer abc',
      'x-odd': 'sealed:but not',
      'x-empty': '',
      'content-type': 'application/cloudevents+json',
    })
    expect(receiver.unverified).toBe(0)
  })

  test('are refused when they are ours, and nothing is stored', async () => {
    for (const name of ['webhook-signature', 'content-type', 'host', 'x\r\ny']) {
      const adding = subscribe({ headers: { [name]: 'hidden-value' } })

      await expect(adding).rejects.toMatchObject({ code: 'input_invalid' })
      await expect(adding).rejects.not.toThrow('hidden-value')
    }
    expect(await world.db.selectFrom('endpoint').select('id').execute()).toEqual([])
  })

  test('never take the place of ours, even when they got into the database', () => {
    const headers = {
      'content-type': 'text/evil',
      'webhook-id': 'evil',
      'webhook-signature': 'v1,evil',
      'x-own': 'own',
    }
    const to = { endpointId: 'ep_1', secrets: [`whsec_${Buffer.alloc(24).toString('base64')}`], headers }
    const content = { id: 'evt_1', type: 'application/cloudevents+json', body: '{}' } as const

    const message = messageFor(to, content, new Date(0), [])

    expect(message.headers).toEqual({
      'user-agent': 'Rollcall',
      'content-type': 'application/cloudevents+json',
      'webhook-id': 'evt_1',
      'webhook-timestamp': '0',
      'webhook-signature': expect.stringMatching(/^v1,[\w+/]{43}=$/) as string,
      'x-own': 'own',
    })
  })

  test('that no key opens put the endpoint off like a secret', async () => {
    const { id } = await subscribe({ headers: { 'x-key': 'value' } })
    await sql`update endpoint_secret set secret = ${receiver.secrets[0]}`.execute(world.db)
    await seed(world.db, { sessions: 1 })

    await expect(drainWith([])).rejects.toMatchObject({ code: 'config_invalid' })

    expect(await states(id)).toEqual(['pending'])
    expect(receiver.received).toEqual([])
  })
})
