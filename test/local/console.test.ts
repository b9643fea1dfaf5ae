// The console as Node's own server has it: requests as clients send them that tell no length, such as curl's.
import { once } from 'node:events'
import { type IncomingMessage, request, type RequestOptions } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { addressGuard } from '../../lib/address.ts'
import { serveConsole } from '../../lib/local/console.ts'
import { openWorld, loopbackPoster, type World } from '../support/world.ts'

const TOKEN = 'w'.repeat(32)

let world: World
let console: Awaited<ReturnType<typeof serveConsole>>

beforeEach(async () => {
  world = await openWorld()
  console = await serveConsole({
    db: world.db,
    keyring: [],
    addressGuard: addressGuard(['127.0.0.0/8']),
    poster: loopbackPoster(),
    channels: null,
    tokens: { read: [], write: [TOKEN] },
    log: () => {},
  })
})
afterEach(async () => {
  await console.close()
  await world.close()
})

async function ask(path: string, options: RequestOptions, body?: string): Promise<[number | undefined, unknown]> {
  const sent = request(`${console.url}${path}`, {
    ...options,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...options.headers },
  })
  // As curl does: without a body neither a length nor chunks are announced.
  sent.useChunkedEncodingByDefault = body !== undefined
  if (body !== undefined) sent.write(body)
  sent.end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return [answer.statusCode, JSON.parse(Buffer.concat((await answer.toArray()) as Buffer[]).toString())]
}

it('answers what has no body and tells no length', async () => {
  const { id } = await world.subscribe()

  const paused = await ask(`/api/endpoints/${id}/pause`, { method: 'POST' })
  const removed = await ask(`/api/endpoints/${id}`, { method: 'DELETE' })

  expect(paused).toMatchObject([200, { id, state: 'paused' }])
  expect(removed[0]).toBe(200)
})

it('answers a body that comes in chunks', async () => {
  const added = await ask('/api/endpoints', { method: 'POST' }, '{"url":"http://127.0.0.1:1/"}')

  expect(added).toMatchObject([201, { url: 'http://127.0.0.1:1/' }])
})

it.each(['PUT', 'OPTIONS', 'TRACE'])('says what a place takes, instead of %s', async (method) => {
  const [status, answer] = await ask('/api/now', { method })

  expect([status, answer]).toMatchObject([405, { error: { code: 'method_not_allowed' } }])
})
