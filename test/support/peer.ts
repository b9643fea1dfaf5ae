// A raw TCP or TLS server on loopback that answers an HTTP request in any way, right or wrong.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

export interface Peer {
  port: number
  url: string
  /** What came in, one text for each request on whatever connection. */
  requests: string[]
  connections: number
  /** Bytes that went out over all connections. */
  sent(): number
  /** Stops listening. */
  stop(): Promise<void>
}

export interface PeerOptions {
  server?: Server
  host?: string
  /** Any free one by default. */
  port?: number
}

const servers: Server[] = []
const sockets = new Set<Socket>()

/** Listens and calls `reply` once for each request that has come in whole; our requests end in a `}`. */
export async function listen(
  reply: (socket: Socket, count: number) => void,
  { server = createServer(), host = '127.0.0.1', port = 0 }: PeerOptions = {},
): Promise<Peer> {
  const isTls = 'setSecureContext' in server
  const own: Socket[] = []
  const peer: Peer = {
    port: 0,
    url: '',
    requests: [],
    connections: 0,
    sent: () => own.reduce((sum, socket) => sum + socket.bytesWritten, 0),
    stop: async () => {
      server.close()
      await once(server, 'close')
    },
  }
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    peer.connections += 1
    own.push(socket)
    sockets.add(socket)
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      text += chunk.toString()
      if (!text.endsWith('}')) return
      peer.requests.push(text)
      text = ''
      reply(socket, peer.requests.length)
    })
  })
  server.on('tlsClientError', () => undefined)
  server.listen(port, host)
  servers.push(server)
  await once(server, 'listening')
  peer.port = (server.address() as AddressInfo).port
  peer.url = `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${peer.port}/hook?x=1`
  return peer
}

/** Ends every peer and its connections. */
export function closePeers(): void {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const server of servers.splice(0)) server.close()
}

/** Writes as fast as the other side takes it, for as long as it does. */
export function pour(socket: Socket, text: string): void {
  const chunk = Buffer.from(text.repeat(Math.ceil(16_384 / text.length)))
  const write = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', write)
  write()
}

/** Writes a text again and again, slowly, until the other side is gone. */
export function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 20)
  socket.on('close', () => clearInterval(timer))
}
