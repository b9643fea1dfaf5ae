// The receivers, each on a socket of its own, and at most one black hole.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type BlackHole, type Form, openBlackHole } from './black-hole.ts'
import { answer, nowMs } from './program.ts'

/** An event that came whole to a healthy receiver. */
export interface Receipt {
  receiver: number
  id: string
  at: number
}

let receipts: Receipt[] = []
let hole: BlackHole | undefined

const questions = {
  /** Opens healthy receivers and gives their URLs. */
  open: (count: number) => Promise.all(Array.from({ length: count }, (_, receiver) => openReceiver(receiver))),
  /** Opens a black hole; `close` ends what hangs in it. */
  dig: async (form: Form) => {
    hole = await openBlackHole(form)
    return { url: hole.url, dnsServer: hole.dnsServer }
  },
  fill: async () => {
    await hole?.close()
    hole = undefined
  },
  received: () => receipts.length,
  /** Gives what was received, and forgets it. */
  take: () => {
    const taken = receipts
    receipts = []
    return taken
  },
}
export type Receivers = typeof questions

async function openReceiver(receiver: number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      receipts.push({ receiver, id: String(request.headers['webhook-id']), at: nowMs() })
      response.writeHead(204).end()
    })
    request.on('error', () => undefined)
  })
  // A connection that only we close: the black hole must be the one difference between rounds.
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

answer(questions)
