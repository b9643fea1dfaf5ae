// The Digital Human API, as far as ticks ask it: what is to be answered lies in memory, and in a process of its own.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from '../program.ts'
import { change, isForgotten, listing, type Population, populate } from './population.ts'

const HEADER = { Code: 0, Message: '', RequestID: '0'.repeat(32) }
const CLOSED = Buffer.from(
  JSON.stringify({ Header: HEADER, Payload: { SessionStatus: 2, IsSessionStarted: true, ErrorCode: 0 } }),
)
const FORGOTTEN = Buffer.from(JSON.stringify({ Header: { ...HEADER, Code: 110018, Message: 'SessionNotExist' } }))

let population: Population | undefined
let listed = Buffer.alloc(0)
/** When the first call of statsession came in since they were forgotten, and when the last one was answered. */
let asked: [from: number, to: number] = [0, 0]

/** Lists the first so many; all by default. */
function list(now: Population, count = Infinity): number {
  const Sessions = listing(now).slice(0, count)
  listed = Buffer.from(JSON.stringify({ Header: HEADER, Payload: { Sessions } }))
  return listed.length
}

async function answerTo(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  if (request.url?.includes('/listsessionofuin')) {
    // Each answer has a number of its own.
    listed.write(randomBytes(16).toString('hex'), listed.indexOf('"RequestID":"') + '"RequestID":"'.length)
    return listed
  }
  const now = performance.now()
  asked = [asked[0] || now, now]
  const { Payload } = JSON.parse(Buffer.concat(chunks).toString()) as { Payload: { SessionId: string } }
  return isForgotten(Payload.SessionId) ? FORGOTTEN : CLOSED
}

const questions = {
  /** Gives its URL. */
  open: async () => {
    const server = createServer((request, response) => {
      answerTo(request).then(
        (body) =>
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body),
        (error: unknown) => response.destroy(error as Error),
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  populate: (size: number) => void (population = populate(size)),
  /** Lists the first so many, and gives the answer's size in bytes. */
  list: (count: number) => list(population!, count),
  /** For how many milliseconds statsession was asked, and forgets it. */
  askedMs: () => {
    const [from, to] = asked
    asked = [0, 0]
    return to - from
  },
  /** Lists the same with so many sessions changed. */
  change: (count: number) => {
    const changes = change(population!, count)
    list(population!)
    return changes
  },
}
export type Api = typeof questions

answer(questions)
