// The five subscribers: one socket, told apart by path. Each has a nature of its own, and every request goes into the ledger.
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Webhook } from 'standardwebhooks'
import { type Chance, happens } from '../../lib/local/simulator/chance.ts'
import type { ReceivedEvent } from '../support/receiver.ts'
import { addTo, type Histogram } from './histogram.ts'
import { breach, count, type Ledger, received, succeeded } from './ledger.ts'

/** What each does, and how often. */
export const SUBSCRIBERS = ['steady', 'slow', 'failing', 'cutting', 'hanging'] as const
export type Subscriber = (typeof SUBSCRIBERS)[number]

const SLOW_MS = 20
const FAILING_SHARE = 0.02
const CUTTING_SHARE = 0.01
/** Of every period, the part in which it answers nothing. */
const HANGING = { everyMs: 20_000, forMs: 3_000 }
/** The published library takes as long as the rest together. */
const VERIFIED_SHARE = 0.1

export interface Subscribers {
  url(name: Subscriber): string
  verifiers: Map<Subscriber, Webhook>
  /** From the moment in an event's `time` to its first receipt. */
  latency: Record<'steady' | 'all', Histogram>
  /** From now on all answer at once. */
  behave(): void
  close(): Promise<void>
}

/** Opens the subscribers; `look` brings the ledger's truth up to now and gives the API's clock. */
export async function openSubscribers(ledger: Ledger, chance: Chance, look: () => number): Promise<Subscribers> {
  const hung = new Set<ServerResponse>()
  const beganAt = Date.now()
  let behaved = false
  const isHanging = () => !behaved && (Date.now() - beganAt) % HANGING.everyMs > HANGING.everyMs - HANGING.forMs
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const name = request.url?.slice(1) as Subscriber
      const subscriber = SUBSCRIBERS.indexOf(name)
      const body = Buffer.concat(chunks).toString('utf8')
      const event = JSON.parse(body) as ReceivedEvent
      if (happens(chance, VERIFIED_SHARE)) {
        verify(ledger, name, subscribers.verifiers.get(name)!, body, request.headers as Record<string, string>)
      }
      const id = String(request.headers['webhook-id'])
      if (id !== event.id) breach(ledger, 'bytes', `${event.id} came as ${id} to ${name}`)
      const isFirst = received(ledger, subscriber, { id, body, event }, look())
      if (isFirst) {
        const ms = Date.now() - Date.parse(event.time)
        addTo(subscribers.latency.all, ms)
        if (name === 'steady') addTo(subscribers.latency.steady, ms)
      }
      answer(name, response, () => {
        succeeded(ledger, subscriber, event)
        response.writeHead(204).end()
      })
    })
  })
  const answer = (name: Subscriber, response: ServerResponse, succeed: () => void) => {
    if (behaved) return succeed()
    switch (name) {
      case 'steady':
        return succeed()
      case 'slow':
        return void setTimeout(succeed, SLOW_MS)
      case 'failing':
        return happens(chance, FAILING_SHARE) ? void response.writeHead(500).end() : succeed()
      case 'cutting':
        return happens(chance, CUTTING_SHARE) ? void response.destroy() : succeed()
      case 'hanging':
        if (!isHanging()) return succeed()
        hung.add(response)
        return void response.once('close', () => hung.delete(response))
    }
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const subscribers: Subscribers = {
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    verifiers: new Map(),
    latency: { steady: [], all: [] },
    behave: () => {
      behaved = true
      for (const response of hung) response.destroy()
    },
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return subscribers
}

/** Verifies a request's signature with the published library. */
export function verify(
  ledger: Ledger,
  name: Subscriber,
  verifier: Webhook,
  body: string,
  headers: Record<string, string>,
): void {
  count(ledger, 'signatures verified')
  try {
    verifier.verify(body, headers)
  } catch (error) {
    breach(ledger, 'signature', `at ${name}: ${String(error)}`)
  }
}
