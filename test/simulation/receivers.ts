import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReceivedEvent } from '../support/receiver.ts'
import type { Pardon, SeenRequest } from './oracles.ts'

/** How a receiver behaves at present. */
export type Mood = 'well' | 'failing' | 'hanging' | 'cutting' | 'busy' | 'redirecting' | 'gone'

/** The only address that events may be sent to. */
export const ALLOWED = '127.0.0.1'
const FORBIDDEN = '127.0.0.2'

export interface Receivers {
  /** Where receiver `name` is. */
  url(name: string): string
  /** The same at an address that nothing may be sent to; redirects lead there too. */
  forbiddenUrl(name: string): string
  moods: Map<string, Mood>
  requests: SeenRequest[]
  /** What came to the forbidden address. */
  trespasses: string[]
  pardons: Pardon[]
  /** From here on, receiver `name` need not get what it has not got yet. */
  forgive(name: string): void
  close(): Promise<void>
}

/** Receivers on one socket, told apart by path; each behaves as its mood says, and every request is on record. */
export async function openReceivers(): Promise<Receivers> {
  const moods = new Map<string, Mood>()
  const requests: SeenRequest[] = []
  const trespasses: string[] = []
  const pardons: Pardon[] = []
  const forbidden = await listen(FORBIDDEN, (request, response) => {
    trespasses.push(request.url ?? '')
    response.writeHead(204).end()
  })
  const allowed = await listen(ALLOWED, (request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const endpoint = request.url?.slice(1) ?? ''
      const body = Buffer.concat(chunks).toString('utf8')
      const seen = eventsIn(body).map((one): SeenRequest => ({ endpoint, ...one, answered: null }))
      const id = String(request.headers['webhook-id'])
      if (seen.length === 1 && seen[0]?.id !== id) trespasses.push(`an event under another id, ${id},`)
      requests.push(...seen)
      const answer = (status: number, headers: Record<string, string> = {}) => {
        for (const one of seen) one.answered = status
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
          return answer(307, { location: `${forbidden.url}/redirected` })
        case 'gone':
          return answer(410)
        case 'cutting':
          return request.socket.destroy()
        case 'hanging':
          return undefined
      }
    })
  })
  return {
    url: (name) => `${allowed.url}/${name}`,
    forbiddenUrl: (name) => `${forbidden.url}/${name}`,
    moods,
    requests,
    trespasses,
    pardons,
    forgive: (endpoint) => void pardons.push({ endpoint, at: requests.length }),
    close: async () => {
      for (const { server } of [allowed, forbidden]) {
        const closed = once(server, 'close')
        server.close()
        server.closeAllConnections()
        await closed
      }
    },
  }
}

/** One event, or those of a batch, each with its bytes: JSON without spaces gives them back. */
function eventsIn(body: string): { id: string; body: string; event: ReceivedEvent }[] {
  const parsed = JSON.parse(body) as ReceivedEvent | ReceivedEvent[]
  if (!Array.isArray(parsed)) return [{ id: parsed.id, body, event: parsed }]
  return parsed.map((event) => ({ id: event.id, body: JSON.stringify(event), event }))
}

async function listen(address: string, answer: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(answer)
  server.listen(0, address)
  await once(server, 'listening')
  return { server, url: `http://${address}:${(server.address() as AddressInfo).port}` }
}
