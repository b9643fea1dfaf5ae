import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'

/** One request as a subscriber saw it, in the order of arrival. */
export interface Received {
  id: string
  headers: IncomingHttpHeaders
  body: string
  event: ReceivedEvent
}

/** The event format of design section 8, as far as tests look. */
export interface ReceivedEvent {
  id: string
  source: string
  type: string
  subject: string
  time: string
  sequence: string
  data: {
    account: string
    revision: number
    session: { id: string; userId: string | null; status: string; started: boolean; endedAt: string | null }
    previous: { status: string; started: boolean } | null
    reason: string | null
    error: { code: number; message: string } | null
    observed: { after: string | null; before: string }
  }
}

export interface Receiver {
  url: string
  received: Received[]
  /** Verify with these; every request fails the test's `unverified` count when none fits. */
  secrets: string[]
  unverified: number
  close(): Promise<void>
}

/** What to answer: a status, or what to do with the response. */
export type Reply = number | ((response: ServerResponse) => void)

/** A subscriber on a real socket, which answers as `reply` says and verifies with the published library. */
export async function openReceiver(reply: (request: Received, count: number) => Reply = () => 204): Promise<Receiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8')
      const { headers } = request
      const one = { id: String(headers['webhook-id']), headers, body, event: JSON.parse(body) as ReceivedEvent }
      if (!verifies(one, receiver.secrets)) receiver.unverified += 1
      receiver.received.push(one)
      const answer = reply(one, receiver.received.length)
      if (typeof answer === 'number') response.writeHead(answer).end()
      else answer(response)
    })
    request.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/events`,
    received: [],
    secrets: [],
    unverified: 0,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return receiver
}

function verifies({ headers, body }: Received, secrets: string[]): boolean {
  return secrets.some((secret) => {
    try {
      new Webhook(secret).verify(body, headers as Record<string, string>)
      return true
    } catch {
      return false
    }
  })
}

/** Waits until something holds; fails, saying what, after `withinMs`. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>, withinMs = 50_000) {
  for (const end = Date.now() + withinMs; !(await holds()); await sleep(20)) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`)
  }
}
