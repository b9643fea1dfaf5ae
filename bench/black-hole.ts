// The forms of a black hole: endpoints that take a POST, or not even that, and give nothing back.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** What an endpoint that is a black hole does. */
export const FORMS = ['silent', 'backlog', 'unaccepted', 'drip', 'tls', 'dns', 'error'] as const
export type Form = (typeof FORMS)[number]

export interface BlackHole {
  url: string
  /** The DNS server that a drain must ask for it to be one. */
  dnsServer?: string
  /** Ends it with all its connections, so that nothing hangs any longer. */
  close(): Promise<void>
}

/** Opens a black hole on loopback. */
export function openBlackHole(form: Form): Promise<BlackHole> {
  switch (form) {
    case 'silent':
    case 'backlog':
      return openServer('http', () => undefined)
    case 'drip':
      return openServer('http', (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n')
        const timer = setInterval(() => socket.write('.'), 200)
        socket.once('close', () => clearInterval(timer))
      })
    case 'tls':
      return openServer('https', () => undefined)
    case 'error':
      return openServer('http', (socket) => {
        socket.write('HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n')
      })
    case 'unaccepted':
      return openUnaccepted()
    case 'dns':
      return openUnresolved()
  }
}

/** `reply` is called with what comes in; a POST of ours comes in one piece. */
async function openServer(scheme: string, reply: (socket: Socket) => void): Promise<BlackHole> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', () => reply(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

const NEVER_ACCEPTS = `
  const { parentPort } = require('node:worker_threads')
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })`

/** A socket whose owner accepts nothing: once its short queue is full, the kernel answers no connect any more. */
async function openUnaccepted(): Promise<BlackHole> {
  const worker = new Worker(NEVER_ACCEPTS, { eval: true })
  const [port] = (await once(worker, 'message')) as [number]
  const queue = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
  return {
    url: `http://127.0.0.1:${port}/`,
    close: async () => {
      for (const socket of queue) socket.destroy()
      await worker.terminate()
    },
  }
}

async function openUnresolved(): Promise<BlackHole> {
  const server = createSocket('udp4')
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: 'http://endpoint.test/',
    dnsServer: `127.0.0.1:${server.address().port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}
