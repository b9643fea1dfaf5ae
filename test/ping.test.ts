// A ping against a real Postgres and real receivers on loopback; no doubles.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ping } from '../lib/ping.ts'
import { addEndpoint, showEndpoint } from '../lib/store/endpoint.ts'
import { disableEndpoint } from '../lib/store/endpoint-state.ts'
import { openReceiver, type Received, type Receiver, type Reply } from './support/receiver.ts'
import { seed } from './support/seed.ts'
import { loopbackPoster, openWorld, type World } from './support/world.ts'

let world: World
let receiver: Receiver
let reply: (request: Received) => Reply

beforeEach(async () => {
  world = await openWorld()
  reply = () => 204
  receiver = await openReceiver((request) => reply(request))
})
afterEach(async () => {
  await receiver.close()
  await world.close()
})

const add = async (settings: { mustProve?: boolean; headers?: Record<string, string> } = {}) => {
  const { id, secret } = await addEndpoint(world.db, { url: receiver.url, events: ['*'], ...settings })
  receiver.secrets.push(secret)
  return id
}
const pingTo = (id: string) => ping(world.db, loopbackPoster(), id, [])
const challengeOf = ({ event }: Received) => (event.data as unknown as { challenge: string }).challenge
/** Answers with a text that is made of the challenge. */
const say =
  (status: number, text: (challenge: string) => string) =>
  (request: Received): Reply =>
  (response) => {
    response.writeHead(status).end(text(challengeOf(request)))
  }

describe('a ping', () => {
  test('is one signed CloudEvent with the headers of its endpoint, sent at once, and kept nowhere', async () => {
    const id = await add({ headers: { 'x-tenant': 'seven' } })

    const result = await pingTo(id)

    expect(result).toEqual({ outcome: 'delivered', status: 204, proved: null })
    expect(receiver.received).toHaveLength(1)
    expect(receiver.unverified).toBe(0)
    const [{ headers, event } = { headers: {}, event: undefined }] = receiver.received
    expect(headers).toMatchObject({ 'x-tenant': 'seven', 'content-type': 'application/cloudevents+json' })
    expect(event).toMatchObject({
      specversion: '1.0',
      type: 'webhook.ping',
      source: '/rollcall',
      subject: id,
      data: { endpoint: id, challenge: expect.stringMatching(/^[\w-]{32}$/) as string },
    })
    expect(await world.db.selectFrom('event').select('id').execute()).toEqual([])
  })

  test('reaches an endpoint that is disabled, and changes nothing of it', async () => {
    const id = await add()
    await disableEndpoint(world.db, id, 'by command')
    const before = await showEndpoint(world.db, id)

    const result = await pingTo(id)

    expect(result).toMatchObject({ outcome: 'delivered', status: 204 })
    expect(await showEndpoint(world.db, id)).toEqual(before)
  })

  test('that is refused, or that nobody answers, tells so', async () => {
    const id = await add()
    reply = () => 500
    const refused = await pingTo(id)
    await receiver.close()

    const unanswered = await pingTo(id)

    receiver = await openReceiver()
    expect(refused).toEqual({ outcome: 'refused', status: 500, proved: null })
    expect(unanswered).toEqual({ outcome: 'connect_failed', status: null, proved: null })
  })

  test('of an endpoint that does not exist is refused', async () => {
    await expect(pingTo('ep_none')).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('an endpoint that must prove itself', () => {
  test.each([
    ['with its challenge', (challenge: string) => challenge],
    ['with its challenge between white space', (challenge: string) => ` ${challenge}\r\n`],
    ['with its challenge as JSON', (challenge: string) => `{ "challenge": "${challenge}" }`],
  ])('is proved by an answer %s, and begins', async (_, text) => {
    const id = await add({ mustProve: true })
    await seed(world.db, { sessions: 1 })
    reply = say(200, text)

    const result = await pingTo(id)

    expect(result).toEqual({ outcome: 'delivered', status: 200, proved: true })
    expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'active', pending: 1 })
  })

  test.each<[string, number, (challenge: string) => string]>([
    ['without a body', 200, () => ''],
    ['with another text', 200, () => 'pong'],
    ['with more than its challenge', 200, (challenge) => `"${challenge}"`],
    ['with a part of its challenge', 200, (challenge) => challenge.slice(1)],
    ['with its challenge that is no success', 400, (challenge) => challenge],
  ])('is not proved by an answer %s', async (_, status, text) => {
    const id = await add({ mustProve: true })
    reply = say(status, text)

    const result = await pingTo(id)

    expect(result).toMatchObject({ status, proved: false })
    expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'paused', provedAt: null })
  })

  test('gets another challenge each time, so that an old echo proves nothing', async () => {
    const id = await add({ mustProve: true })
    const challenges: string[] = []
    reply = (request) => {
      challenges.push(challengeOf(request))
      return say(200, () => challenges[0] ?? '')(request)
    }

    const results = [await pingTo(id)]
    const other = await add({ mustProve: true })
    results.push(await pingTo(other))

    expect(results.map(({ proved }) => proved)).toEqual([true, false])
    expect(new Set(challenges).size).toBe(2)
  })
})
