import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer, basePath, isEndpoint } from './api.ts'
import { control } from './control.ts'
import { send, strike, takeFault } from './faults.ts'
import type { Simulator } from './simulator.ts'

/** Where a served simulator is. */
export interface SimulatorServer {
  /** The base URL, without a slash at the end: what `IVH_BASE_URL` takes. */
  url: string
  /** Every transition as JSON, `{ now, transitions }`; /settings and /faults are beside it (see `control`). */
  truthUrl: string
  /** Ends every open connection at once and frees the port. */
  close(): Promise<void>
}

/** Serves the simulator over HTTP, by default on 127.0.0.1 and a free port. Rejects when the port is taken. */
export async function serveSimulator(
  simulator: Simulator,
  options: { port?: number; host?: string } = {},
): Promise<SimulatorServer> {
  const server = createServer((request, response) => {
    // A caller that hangs up in mid-request is everyday life here.
    respond(simulator, request, response).catch(() => response.destroy())
  })
  const host = options.host ?? '127.0.0.1'
  server.listen(options.port ?? 0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`
  return {
    url,
    truthUrl: `${url}/truth`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const bodyLimit = 1024 * 1024

async function respond(simulator: Simulator, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s)
  const endpoint = path.startsWith(basePath) ? path.slice(basePath.length) : ''
  const body = await read(request)
  if (isLocal(request)) {
    const controlled = control(simulator, `${request.method} ${path}`, body)
    if (controlled) return send(response, { status: controlled.status, body: JSON.stringify(controlled.value) })
  }
  const name = isEndpoint(endpoint) ? endpoint : 'other'
  simulator.calls.set(name, (simulator.calls.get(name) ?? 0) + 1)
  if (name === 'other') return send(response, { status: 404, body: 'no such path\n' }, 'text/plain')
  if (request.method !== 'POST') return send(response, { status: 405, body: 'POST only\n' }, 'text/plain')
  const call = { endpoint, query, body }
  const fault = takeFault(simulator, endpoint)
  if (fault === undefined) return send(response, answer(simulator, call))
  return strike(simulator, fault, response, () => answer(simulator, call))
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > bodyLimit) throw new Error('request body over 1 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function isLocal(request: IncomingMessage): boolean {
  return /^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '')
}
