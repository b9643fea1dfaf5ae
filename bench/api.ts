// A double of the Digital Human API that costs next to nothing, in a process of its own: each appkey lists as many live sessions
// as its name says, of ids that carry it, after a wait; who is asked for is closed. It checks no signature; test/ivh does.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { answer } from './program.ts'

const [waitMs = '0'] = process.argv.slice(2)

const bodies = new Map<string, Buffer>()
/** The number of the oldest session that lives. */
let oldest = 0
let calls = 0
let underWay = 0
let mostUnderWay = 0

/** `…-N` lists N sessions. */
function listingOf(appkey: string): Buffer {
  const known = bodies.get(appkey)
  if (known) return known
  const count = Number(/-(\d+)$/.exec(appkey)?.[1] ?? 0)
  const Sessions = Array.from({ length: count }, (_, index) => oldest + index).map((index) => ({
    SessionId: `${appkey}.m${index}`,
    SessionStatus: 1,
    UserId: `user${index}`,
    PlayStreamAddr: `rtmp://liveplay.ivh.qq.com/live/${appkey}.m${index}?txSecret=${'0'.repeat(32)}&txTime=6750F000`,
    DriverType: 1,
    IsSessionStarted: true,
  }))
  const body = Buffer.from(JSON.stringify({ Header: { Code: 0, Message: '' }, Payload: { Sessions } }))
  bodies.set(appkey, body)
  return body
}

const CLOSED = Buffer.from(JSON.stringify({ Header: { Code: 0, Message: '' }, Payload: { SessionStatus: 2 } }))

const questions = {
  /** Serves, and gives its URL. */
  open: async () => {
    const server = createServer((request, response) => {
      calls += 1
      underWay += 1
      mostUnderWay = Math.max(mostUnderWay, underWay)
      request.resume()
      const [path = '', query] = (request.url ?? '').split('?')
      const appkey = new URLSearchParams(query).get('appkey') ?? ''
      void sleep(Number(waitMs)).then(() => {
        underWay -= 1
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(path.endsWith('/statsession') ? CLOSED : listingOf(appkey))
      })
    })
    server.keepAliveTimeout = 60_000
    server.listen(0, '127.0.0.1', 1_024)
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  /** In every account the oldest session ends, and one begins. */
  advance: () => {
    oldest += 1
    bodies.clear()
  },
  /** Since the last time it was asked: calls, and the most at once. */
  counts: () => {
    const counted = { calls, mostUnderWay }
    calls = mostUnderWay = 0
    return counted
  },
}
export type ApiDouble = typeof questions

answer(questions)
