// The kit against what Rollcall really sends: real ticks, drains and pings, a real Postgres and sockets. Tencent's API is the
// simulator.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { drain } from '../../lib/deliver.ts'
import { createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { ping } from '../../lib/ping.ts'
import { tick } from '../../lib/reconcile.ts'
import { addEndpoint, type NewEndpoint, showEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint } from '../../lib/store/endpoint-state.ts'
import { type Event, verify } from '../../lib/subscriber/index.ts'
import { loopbackPoster, openWorld, type World } from '../support/world.ts'

interface Post {
  body: Buffer
  headers: IncomingHttpHeaders
}

let world: World
let url: string
/** What came in, as it came. */
let posts: Post[]
/** What the receiver verifies with before it answers. */
let secrets: string[]

const server = createServer((request, response) => {
  void request.toArray().then((chunks: Buffer[]) => {
    const post = { body: Buffer.concat(chunks), headers: request.headers }
    posts.push(post)
    const [event] = secrets.length > 0 ? eventsOf(post) : []
    if (event?.type === 'webhook.ping') response.writeHead(200).end(event.data.challenge)
    else response.writeHead(204).end()
  })
})
const eventsOf = ({ body, headers }: Post): Event[] => verify(body, headers, secrets, new Date())

beforeEach(async () => {
  world = await openWorld()
  posts = []
  secrets = []
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterEach(async () => {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  await world.close()
})

const subscribe = (settings: Partial<NewEndpoint> = {}) => addEndpoint(world.db, { url, events: ['*'], ...settings })

/** Three sessions are created, get ready and are started; everything is delivered. */
async function live(): Promise<void> {
  const { account, simulator, clock } = await world.simulate('default', { cachedShare: 1 })
  const created = ['a', 'b', 'c'].map((userId) => createSession(simulator, { userId, projectId: 'p' }))
  await tick(world.db, account)
  for (const outcome of created) if ('ok' in outcome) startSession(simulator, outcome.ok.id)
  clock.now += 1_000
  await tick(world.db, account)
  await drain(world.db, loopbackPoster(), { timeMs: 20_000 })
}

test('each event verifies with the secret alone, and with the public key alone', async () => {
  const { secret, publicKey = '' } = await subscribe({ ed25519: true })

  await live()

  const types = ['session.created', 'session.ready', 'session.started']
  for (const key of [secret, publicKey]) {
    secrets = [key]
    expect(
      posts
        .flatMap(eventsOf)
        .map(({ type }) => type)
        .sort(),
    ).toEqual(types.flatMap((type) => [type, type, type]))
  }
})

test('batches verify, and hold each session in order', async () => {
  const { secret } = await subscribe({ batchSize: 2 })
  secrets = [secret]

  await live()

  const batches = posts.map(eventsOf)
  expect(batches.map(({ length }) => length).sort((a, b) => a - b)).toEqual([1, 1, 1, 2, 2, 2])
  const events = batches.flat()
  for (const id of new Set(events.map(({ subject }) => subject))) {
    const lane = events.filter(({ subject }) => subject === id)
    expect(lane.map(({ type }) => type)).toEqual(['session.created', 'session.ready', 'session.started'])
  }
})

test('a challenge that was verified and echoed lets an endpoint begin', async () => {
  const { id, secret } = await subscribe({ mustProve: true })
  secrets = [secret]

  const result = await ping(world.db, loopbackPoster(), id, [])

  expect(result).toEqual({ outcome: 'delivered', status: 200, proved: true })
  expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'active' })
})

test('an operator event verifies, and says what happened', async () => {
  const { secret } = await subscribe({ events: ['endpoint.disabled'] })
  const other = await subscribe({ description: 'another' })
  secrets = [secret]
  await disableEndpoint(world.db, other.id, 'test')

  await drain(world.db, loopbackPoster(), { timeMs: 20_000 })

  expect(posts.flatMap(eventsOf)).toMatchObject([
    {
      type: 'endpoint.disabled',
      subject: other.id,
      data: { endpoint: other.id, description: 'another', reason: 'test' },
    },
  ])
})
