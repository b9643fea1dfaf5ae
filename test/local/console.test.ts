// The console behind Node's own server, as `npm start` has it: what only a real connection brings.
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressGuard } from '../../lib/address.ts'
import { serveConsole } from '../../lib/local/console.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/receiver.ts'
import { loopbackPoster } from '../support/world.ts'

const TOKEN = 'write-token-0123456789012345678901234567'

let database: TestDatabase
let page: Awaited<ReturnType<typeof serveConsole>>
const logged: string[] = []

beforeAll(async () => {
  database = await testDatabase()
  page = await serveConsole({
    db: database.db,
    keyring: [],
    addressGuard: addressGuard(['127.0.0.0/8']),
    poster: loopbackPoster(),
    channels: 3,
    tokens: { read: [], write: [TOKEN] },
    log: (...line) => void logged.push(JSON.stringify(line)),
  })
})
afterAll(async () => {
  await page.close()
  await database.drop()
})

const authorization = `Bearer ${TOKEN}`

describe('a request', () => {
  it('that changes something may have no body, and no length of one', async () => {
    const { id } = await addEndpoint(database.db, { url: 'http://127.0.0.1:9/', events: ['*'] })

    const answer = await fetch(`${page.url}/api/endpoints/${id}`, { method: 'DELETE', headers: { authorization } })

    expect([answer.status, await answer.json()]).toEqual([200, { removed: id }])
  })

  it('may have a body whose length is not known before', async () => {
    const body = new Blob([JSON.stringify({ url: 'http://127.0.0.1:9/' })]).stream()
    const headers = { authorization, 'content-type': 'application/json' }

    const answer = await fetch(`${page.url}/api/endpoints`, { method: 'POST', headers, body, duplex: 'half' })

    expect(answer.status).toBe(201)
  })
  it.each([
    ['content-length: 100', '{"token":'],
    ['transfer-encoding: chunked', '5\r\n{"tok\r\n'],
  ])('that ends before its body does is no fault of the database: %s', async (header, part) => {
    logged.length = 0
    const socket = connect(Number(new URL(page.url).port), '127.0.0.1')
    await once(socket, 'connect')
    const head = ['POST /api/login HTTP/1.1', 'host: 127.0.0.1', 'content-type: application/json', header]
    socket.write(`${head.join('\r\n')}\r\n\r\n${part}`)
    setTimeout(() => socket.destroy(), 100)

    await eventually('it is logged', () => logged.length > 0)

    expect(logged).toEqual([expect.stringContaining('"status":400')])
  })
})
