// The one double: an API that answers with any bytes at all, over real HTTP on 127.0.0.1, for many accounts by their paths.
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How an answer goes out: whole; with a gzip header; with a length that is not its own; cut; by the connection's end. */
export type Sending = 'whole' | 'gzip' | 'chunked' | 'short' | 'cut' | 'until end'

/** One answer; `body` undefined is a connection that is cut before any. */
export interface Answer {
  status: number
  body: Buffer | undefined
  sending: Sending
}

export interface AnswerServer {
  /** The base URL under which `account` is answered as `answer` says; `sessionId` is null for the list. */
  serve(account: string, answer: (sessionId: string | null) => Answer): string
  close(): Promise<void>
}

export async function openAnswerServer(): Promise<AnswerServer> {
  const accounts = new Map<string, (sessionId: string | null) => Answer>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const [, account = '', ...path] = (request.url ?? '').split('/')
      const isStat = path.join('/').includes('/statsession')
      const { Payload } = JSON.parse(Buffer.concat(chunks).toString()) as { Payload: { SessionId: string } }
      const answer = accounts.get(account)?.(isStat ? Payload.SessionId : null)
      if (answer?.body) send(response, answer.status, answer.body, answer.sending)
      else request.socket.destroy()
    })
    request.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    serve: (account, answer) => {
      accounts.set(account, answer)
      return `http://127.0.0.1:${port}/${account}`
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function send(response: ServerResponse, status: number, body: Buffer, sending: Sending): void {
  const length = { 'content-length': body.length }
  switch (sending) {
    case 'whole':
      return void response.writeHead(status, length).end(body)
    case 'gzip':
      return void response.writeHead(status, { ...length, 'content-encoding': 'gzip' }).end(body)
    case 'chunked':
      response.writeHead(status).write(body.subarray(0, body.length / 2))
      return void response.end(body.subarray(body.length / 2))
    case 'short':
      response.shouldKeepAlive = false
      return void response.socket?.end(Buffer.concat([head(status, Math.max(0, body.length - 7)), body]))
    case 'cut':
      return void response.socket?.end(Buffer.concat([head(status, body.length + 7), body]))
    case 'until end':
      return void response.socket?.end(Buffer.concat([head(status), body]))
  }
}

const head = (status: number, length?: number) =>
  Buffer.from(`HTTP/1.1 ${status} X\r\n${length === undefined ? '' : `content-length: ${length}\r\n`}\r\n`)
