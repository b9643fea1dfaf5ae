// One HTTP request with one deadline over everything and a bounded answer: Node's own client, which runs on SCF's Node 18
// and costs a bundle nothing. It never follows a redirect, obeys no proxy of the environment and asks for no compression.
import http from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'

/** One request: what to send, and what it may cost. */
export interface Request {
  method: 'POST' | 'GET'
  headers: Record<string, string>
  body: string
  /** Over DNS, connect, TLS, headers and body together. */
  deadlineMs: number
  /** Reading stops here; the answer is then `truncated`, and its body this long. */
  maxBytes: number
}

/** Whatever the server answered, redirects and errors too. */
export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
  /** More than `maxBytes` came: the rest was not read. */
  truncated: boolean
}

/** Where a request without an answer went wrong. */
export type Stage = 'dns' | 'connect' | 'tls' | 'answer' | 'timeout'

/** No complete answer. The message names the stage and Node's code, never the URL. */
export class RequestFault extends Error {
  readonly stage: Stage

  constructor(stage: Stage, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RequestFault'
    this.stage = stage
  }
}

/** Kept-alive connections. Those of one `Agents` are never used through another, whose lookup may allow less. */
export type Agents = Record<'http:' | 'https:', http.Agent>

const IDLE_MS = 4_000

/** `lookup` resolves names instead of the system's resolver; it is never called for a literal address. */
export function openAgents(lookup?: LookupFunction): Agents {
  // Shorter than servers keep an idle connection: one they have closed meanwhile would cost a request. The timer also fires
  // first thing when a frozen instance goes on.
  const options = {
    keepAlive: true,
    timeout: IDLE_MS,
    maxFreeSockets: 256,
    scheduling: 'lifo' as const,
    ...(lookup && { lookup }),
  }
  return { 'http:': new http.Agent(options), 'https:': new https.Agent(options) }
}

/** Sends one request and gives its answer, whatever the status. Throws `RequestFault`, or TypeError for bad headers. */
export function send(agents: Agents, url: URL, request: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:'
    let stage: Stage = 'connect'
    const fail = (error: Error & { code?: string; syscall?: string }) => {
      clearTimeout(timer)
      if (error instanceof RequestFault) return reject(error)
      // What failed says where, if it can: a connect that fails at once is over before the socket is seen. Names fail in
      // `getaddrinfo`, or in `queryA` and `queryAaaa` of Node's own resolver.
      const { syscall = '' } = error
      const where = /^(getaddrinfo|query)/.test(syscall) ? 'dns' : syscall === 'connect' ? 'connect' : stage
      reject(new RequestFault(where, `${where}: ${error.code ?? error.name}`, { cause: error }))
    }

    const headers = {
      host: url.host,
      'accept-encoding': 'identity',
      'content-length': String(Buffer.byteLength(request.body)),
      ...request.headers,
    }
    const outgoing = (secure ? https : http).request({
      protocol: url.protocol,
      agent: agents[secure ? 'https:' : 'http:'],
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port,
      path: url.pathname + url.search,
      method: request.method,
      // An array: Node sends it in one piece with the body.
      headers: Object.entries(headers).flat(),
    })
    const timer = setTimeout(() => {
      const fault = new RequestFault(
        'timeout',
        `no complete answer within ${Math.round(request.deadlineMs)} ms (${stage})`,
      )
      outgoing.destroy(fault)
      // A request that is destroyed already would not say so again.
      fail(fault)
    }, request.deadlineMs)
    outgoing.once('socket', (socket) => {
      // A kept-alive socket is past these, and would collect the listeners of every request.
      if (!socket.connecting) stage = 'answer'
      else if (secure) socket.once('connect', () => (stage = 'tls')).once('secureConnect', () => (stage = 'answer'))
      else socket.once('connect', () => (stage = 'answer'))
    })
    outgoing.on('error', fail)
    // Without a listener Node ends such a request without a word.
    outgoing.once('upgrade', (_, socket) => {
      socket.destroy()
      fail(new RequestFault('answer', 'answer: it switched protocols'))
    })
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = []
      let size = 0
      const finish = (truncated: boolean) => {
        clearTimeout(timer)
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks), truncated })
      }
      incoming.on('data', (chunk: Buffer) => {
        chunks.push(chunk.subarray(0, request.maxBytes - size))
        size += chunk.length
        if (size > request.maxBytes) {
          finish(true)
          outgoing.destroy()
        }
      })
      incoming.once('end', () => finish(false))
      // A body that breaks off raises `error` here; `close` alone follows a destroyed request.
      incoming.on('error', fail)
    })
    outgoing.end(request.body)
  })
}
