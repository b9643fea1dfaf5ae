// The receivers: as little of an HTTP server as can answer many POSTs, so that it is not what is measured. Each on a socket of
// its own.
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { answer } from '../program.ts'

const ANSWER = 'HTTP/1.1 204 No Content\r\n\r\n'

let servers: Server[] = []
let sockets = new Set<Socket>()
/** `receiver id`, of each event. */
let received = new Set<string>()
let posts = 0

const questions = {
  /** Closes those there are, and opens so many that answer after so long; gives their URLs. */
  open: async (count: number, answerMs: number) => {
    for (const socket of sockets) socket.destroy()
    for (const server of servers) server.close()
    servers = Array.from({ length: count }, (_, receiver) => listen(receiver, answerMs))
    await Promise.all(servers.map((server) => once(server, 'listening')))
    return servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  },
  /** How many POSTs came, with how many different events for each receiver; forgets them. */
  take: () => {
    const taken = { posts, events: received.size }
    received = new Set()
    posts = 0
    return taken
  },
}
export type Sink = typeof questions

function listen(receiver: number, answerMs: number): Server {
  return createServer({ noDelay: true }, (socket) => {
    let rest: Buffer = Buffer.alloc(0)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (let length = read(receiver, rest); length > 0; length = read(receiver, rest)) {
        rest = rest.subarray(length)
        if (answerMs === 0) socket.write(ANSWER)
        else setTimeout(() => socket.write(ANSWER), answerMs)
      }
    })
  }).listen(0, '127.0.0.1')
}

/** Notes the request that the bytes begin with, and gives its length; 0 when not all of it has come. */
function read(receiver: number, bytes: Buffer): number {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return 0
  const head = bytes.toString('latin1', 0, headEnd)
  const end = headEnd + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1])
  if (bytes.length < end) return 0
  posts += 1
  if (head.includes('cloudevents-batch')) {
    for (const { id } of JSON.parse(bytes.toString('utf8', headEnd + 4, end)) as { id: string }[])
      received.add(`${receiver} ${id}`)
  } else received.add(`${receiver} ${/webhook-id: (\S+)/i.exec(head)?.[1]}`)
  return end
}

answer(questions)
