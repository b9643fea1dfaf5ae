import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReceivedEvent } from '../support/receiver.ts'
import type { SeenRequest } from './oracles.ts'

/** How a receiver behaves at present. */
export type Mood = 'well' | 'failing' | 'hanging' | 'cutting' | 'busy' | 'redirecting'

export interface Receivers {
  /** Where receiver `name` is. */
  url(name: string): string
  moods: Map<string, Mood>
  requests: SeenRequest[]
  close(): Promise<void>
}

/** Receivers on one socket, told apart by path; each behaves as its mood says, and every request is on record. */
export async function openReceivers(): Promise<Receivers> {
  const moods = new Map<string, Mood>()
  const requests: SeenRequest[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const endpoint = request.url?.slice(1) ?? ''
      const body = Buffer.concat(chunks).toString('utf8')
      const seen: SeenRequest = {
        endpoint,
        id: String(request.headers['webhook-id']),
        body,
        event: JSON.parse(body) as ReceivedEvent,
        answered: null,
      }
      requests.push(seen)
      const answer = (status: number, headers: Record<string, string> = {}) => {
        seen.answered = status
        response.writeHead(status, headers).end()
      }
      switch (moods.get(endpoint) ?? 'well') {
        case 'well':
          return answer(204)
        case 'failing':
          return answer(500)
        case 'busy':
          return answer(429, { 'retry-after': '1' })
        case 'redirecting':
          return answer(307, { location: '/elsewhere' })
        case 'cutting':
          return request.socket.destroy()
        case 'hanging':
          return undefined
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    moods,
    requests,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
