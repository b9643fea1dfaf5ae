// Real sockets on loopback: each receiver is a raw TCP server that misbehaves in one way. The guard is opened for loopback,
// except where it is what is tested.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { addressGuard } from '../lib/address.ts'
import type { Outcome } from '../lib/core/retry.ts'
import { openPoster, post } from '../lib/post.ts'

const DEADLINE_MS = 400
/** How much later than the deadline an outcome may come on a busy machine. */
const SLACK_MS = 1_500
const MESSAGE = { headers: { 'content-type': 'application/json' }, body: '{"greeting":"你好"}' }

const loopback = () => openPoster(addressGuard(['127.0.0.0/8', '::1/128']))
const answered = (status: number, retryAfterMs: number | null = null): Outcome => ({
  kind: 'answered',
  status,
  retryAfterMs,
})
const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

const servers: Server[] = []
const sockets = new Set<Socket>()
afterEach(() => {
  vi.unstubAllEnvs()
  for (const socket of sockets) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

interface Peer {
  port: number
  url: string
  /** What came in, one text for each request on whatever connection. */
  requests: string[]
  connections: number
}

/** Listens on loopback and calls `reply` once for each request that has come in whole. */
async function listen(reply: (socket: Socket, count: number) => void, server = createServer()): Promise<Peer> {
  const peer: Peer = { port: 0, url: '', requests: [], connections: 0 }
  const isTls = 'setSecureContext' in server
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    peer.connections += 1
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
  server.listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  peer.port = (server.address() as AddressInfo).port
  peer.url = `${isTls ? 'https' : 'http'}://127.0.0.1:${peer.port}/hook?x=1`
  return peer
}

/** The outcome, or a failure when there is none long after the deadline. */
async function postTo(url: string, poster = loopback(), deadlineMs = DEADLINE_MS): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`no outcome ${SLACK_MS} ms after the deadline`))
    timer = setTimeout(fail, deadlineMs + SLACK_MS)
  })
  try {
    return await Promise.race([post(poster, url, MESSAGE, deadlineMs), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Writes as fast as the other side takes it, for as long as it does; gives how many bytes so far. */
function pour(socket: Socket, text: string): () => number {
  const chunk = Buffer.from(text.repeat(Math.ceil(16_384 / text.length)))
  const write = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', write)
  write()
  return () => socket.bytesWritten
}

/** Writes a text again and again, slowly, until the other side is gone. */
function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 20)
  socket.on('close', () => clearInterval(timer))
}

describe('an answer', () => {
  it.each<[string, string, Outcome]>([
    ['200', ok, answered(200)],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', answered(204)],
    ['202 in chunks', 'HTTP/1.1 202 A\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', answered(202)],
    ['410', 'HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n', answered(410)],
    ['500', 'HTTP/1.1 500 E\r\ncontent-length: 4\r\n\r\noops', answered(500)],
    ['a number nobody knows', 'HTTP/1.1 799 ?\r\ncontent-length: 0\r\n\r\n', answered(799)],
    ['429', 'HTTP/1.1 429 T\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n', answered(429, 7_000)],
    ['503', 'HTTP/1.1 503 U\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n', answered(503)],
    ['a reason that is missing', 'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n', answered(200)],
    ['102 and 103 before it', `HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nlink: <x>\r\n\r\n${ok}`, answered(200)],
    ['100 before it', `HTTP/1.1 100 Continue\r\n\r\n${ok}`, answered(200)],
    ['101 without a protocol to switch to', 'HTTP/1.1 101 S\r\n\r\n', answered(101)],
    ['a second answer behind it', `${ok}HTTP/1.1 500 E\r\ncontent-length: 0\r\n\r\n`, answered(200)],
    [
      'a compressed body nobody asked for',
      'HTTP/1.1 200 O\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nno',
      answered(200),
    ],
  ])('%s is one outcome', async (_, text, expected) => {
    const peer = await listen((socket) => socket.write(text))

    const outcome = await postTo(peer.url)

    expect(outcome).toEqual(expected)
    expect(peer.requests).toHaveLength(1)
  })

  it('whose end is the end of the connection counts when it has come', async () => {
    const peer = await listen((socket) => socket.end('HTTP/1.0 201 Created\r\n\r\nmade'))

    expect(await postTo(peer.url)).toEqual(answered(201))
  })

  it.each([301, 302, 303, 307, 308])('%i is an outcome, and where it points to is never asked', async (status) => {
    const target = await listen((socket) => socket.write(ok))
    const redirect = `HTTP/1.1 ${status} R\r\nlocation: ${target.url}\r\ncontent-length: 0\r\n\r\n`
    const peer = await listen((socket) => socket.write(redirect))

    const outcome = await postTo(peer.url)

    expect(outcome).toEqual(answered(status))
    expect(target.connections).toBe(0)
  })

  it('without end counts by its status, and only a little of it is taken', async () => {
    let poured = () => 0
    const peer = await listen((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      poured = pour(socket, '400\r\n' + 'x'.repeat(1_024) + '\r\n')
    })
    const closed = new Promise((resolve) => servers.at(-1)?.on('connection', (socket) => socket.on('close', resolve)))

    const outcome = await postTo(peer.url, loopback(), 5_000)
    await closed

    expect(outcome).toEqual(answered(200))
    // What the kernels' buffers hold, not more.
    expect(poured()).toBeLessThan(16 * 1024 * 1024)
  })
})

describe('a receiver that misbehaves', () => {
  it.each<[string, (socket: Socket) => void, Outcome['kind']]>([
    ['never answers', () => undefined, 'timeout'],
    ['drips headers', (socket) => (socket.write('HTTP/1.1 200 OK\r\n'), drip(socket, 'x: y\r\n')), 'timeout'],
    [
      'drips a body',
      (socket) => (socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n'), drip(socket, 'x')),
      'timeout',
    ],
    ['drips 1xx', (socket) => drip(socket, 'HTTP/1.1 102 P\r\n\r\n'), 'timeout'],
    ['storms with 100', (socket) => pour(socket, 'HTTP/1.1 100 Continue\r\n\r\n'), 'timeout'],
    ['storms with 103', (socket) => pour(socket, 'HTTP/1.1 103 E\r\nlink: <x>\r\n\r\n'), 'timeout'],
    [
      'switches protocols unasked',
      (socket) => socket.write('HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
      'broken_answer',
    ],
    [
      'switches protocols and hangs up',
      (socket) => socket.end('HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
      'broken_answer',
    ],
    ['hangs up at once', (socket) => socket.destroy(), 'broken_answer'],
    ['resets the connection', (socket) => socket.resetAndDestroy(), 'broken_answer'],
    ['hangs up in its headers', (socket) => socket.end('HTTP/1.1 200 OK\r\nx: '), 'broken_answer'],
    ['hangs up in its body', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx'), 'broken_answer'],
    [
      'resets the connection in its body',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx', () => void socket.resetAndDestroy()),
      'broken_answer',
    ],
    [
      'breaks off its chunks',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nx'),
      'broken_answer',
    ],
    [
      'sends bad chunks',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
      'broken_answer',
    ],
    ['floods headers', (socket) => (socket.write('HTTP/1.1 200 OK\r\n'), pour(socket, 'x: y\r\n')), 'broken_answer'],
    [
      'sends one endless header',
      (socket) => (socket.write('HTTP/1.1 200 OK\r\nx: '), pour(socket, 'y')),
      'broken_answer',
    ],
    ['sends an endless reason', (socket) => (socket.write('HTTP/1.1 200 '), pour(socket, 'y')), 'broken_answer'],
    ['speaks another protocol', (socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'), 'broken_answer'],
    ['sends noise', (socket) => socket.write(Buffer.from([0, 255, 1, 254, 13, 10, 13, 10])), 'broken_answer'],
    [
      'sends two lengths',
      (socket) => socket.write('HTTP/1.1 200 O\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'),
      'broken_answer',
    ],
    ['sends no status', (socket) => socket.write('HTTP/1.1 OK\r\n\r\n'), 'broken_answer'],
  ])('%s: one outcome, in time', async (_, reply, expected) => {
    const peer = await listen(reply)
    const startedAt = performance.now()

    const outcome = await postTo(peer.url)

    expect(outcome).toEqual({ kind: expected })
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS)
    expect(peer.requests).toHaveLength(1)
  })

  it('is not waited for longer than the deadline', async () => {
    const peer = await listen((socket) => drip(socket, 'HTTP/1.1 102 P\r\n\r\n'))
    const startedAt = performance.now()

    await postTo(peer.url, loopback(), 100)

    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(95)
    expect(performance.now() - startedAt).toBeLessThan(100 + SLACK_MS)
  })

  it('that listens no more is connect_failed', async () => {
    const peer = await listen(() => undefined)
    const server = servers.pop()
    server?.close()
    await once(server as Server, 'close')

    expect(await postTo(peer.url)).toEqual({ kind: 'connect_failed' })
  })

  it('whose name does not exist is dns_failed', async () => {
    expect(await postTo('http://no-such-host.invalid/', loopback(), 10_000)).toEqual({ kind: 'dns_failed' })
  })

  it.each(['', 'nowhere', 'ftp://example.com/', 'http://', 'http://127.0.0.1:1/\u0000'])(
    'with the URL %j is one outcome, not a throw',
    async (url) => {
      const outcome = await postTo(url)

      expect(['broken_answer', 'connect_failed']).toContain(outcome.kind)
    },
  )

  it('whose headers cannot be sent is one outcome, not a throw', async () => {
    const peer = await listen((socket) => socket.write(ok))
    const headers = { 'x-bad': 'line\r\nbreak' }

    const outcome = await post(loopback(), peer.url, { headers, body: '{}' }, DEADLINE_MS)

    expect(outcome).toEqual({ kind: 'broken_answer' })
    expect(peer.requests).toEqual([])
  })
})

describe('the address guard', () => {
  it.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '0', '2130706433', '0x7f.1'])(
    'lets no connection reach %s without an allow-list',
    async (host) => {
      const peer = await listen((socket) => socket.write(ok))

      const outcome = await postTo(`http://${host}:${peer.port}/`, openPoster(addressGuard([])))

      expect(outcome).toEqual({ kind: 'forbidden_address' })
      expect(peer.connections).toBe(0)
    },
  )

  it('lets a name through when the allow-list holds what it resolves to', async () => {
    const peer = await listen((socket) => socket.write(ok))

    expect(await postTo(`http://localhost:${peer.port}/`)).toEqual(answered(200))
  })

  it('of one poster does not lend its open connections to another', async () => {
    const peer = await listen((socket) => socket.write(ok))
    const open = loopback()
    await postTo(`http://localhost:${peer.port}/`, open)

    const outcome = await postTo(`http://localhost:${peer.port}/`, openPoster(addressGuard([])))

    expect(outcome).toEqual({ kind: 'forbidden_address' })
    expect(peer.requests).toHaveLength(1)
  })

  it('refuses metadata at once although everything is allowed', async () => {
    const poster = openPoster(addressGuard(['0.0.0.0/0', '::/0']))

    expect(await postTo('http://169.254.169.254/latest', poster)).toEqual({ kind: 'forbidden_address' })
  })
})

describe('a request', () => {
  it('carries its headers, its bytes and their number, and asks for no compression', async () => {
    const peer = await listen((socket) => socket.write(ok))

    await postTo(peer.url)

    const [head = '', body] = (peer.requests[0] ?? '').split('\r\n\r\n')
    const [line, ...headers] = head.split('\r\n')
    expect(line).toBe('POST /hook?x=1 HTTP/1.1')
    expect(headers.map((header) => header.toLowerCase()).sort()).toEqual([
      'accept-encoding: identity',
      'connection: keep-alive',
      'content-length: 21',
      'content-type: application/json',
      `host: 127.0.0.1:${peer.port}`,
    ])
    expect(body).toBe('{"greeting":"你好"}')
  })

  it('goes to its receiver, whatever proxy the environment names', async () => {
    const proxy = await listen((socket) => socket.write(ok))
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'all_proxy']) vi.stubEnv(name, proxy.url)
    const peer = await listen((socket) => socket.write(ok))

    await postTo(peer.url)

    expect([peer.requests.length, proxy.connections]).toEqual([1, 0])
  })

  it('uses an open connection again, any number of times, and leaves nothing behind on it', async () => {
    const warnings: string[] = []
    const keep = (warning: Error) => warnings.push(`${warning.name}: ${warning.message}`)
    process.on('warning', keep)
    const peer = await listen((socket) => socket.write(ok))
    const poster = loopback()

    const outcomes = []
    for (let i = 0; i < 30; i++) outcomes.push(await postTo(peer.url, poster))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', keep)

    expect(outcomes).toEqual(Array.from({ length: 30 }, () => answered(200)))
    expect(peer.connections).toBe(1)
    expect(warnings).toEqual([])
  })

  it('opens a new connection when the receiver has closed the old one', async () => {
    const peer = await listen((socket) => socket.end(ok))
    const poster = loopback()
    await postTo(peer.url, poster)
    await vi.waitFor(() => expect(Object.keys(poster.agents['http:'].freeSockets)).toEqual([]))

    expect(await postTo(peer.url, poster)).toEqual(answered(200))
    expect(peer.connections).toBe(2)
  })

  it('does not share a connection whose answer was cut short: the next answer is its own', async () => {
    const peer = await listen((socket, count) => {
      if (count > 1) socket.write('HTTP/1.1 204 N\r\n\r\n')
      else socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(100_000)}`)
    })
    const poster = loopback()

    const outcomes = [await postTo(peer.url, poster), await postTo(peer.url, poster)]

    expect(outcomes).toEqual([answered(200), answered(204)])
  })

  it('stands beside hundreds of others: each gets its own outcome', async () => {
    const peer = await listen((socket) => socket.write(ok))
    const silent = await listen(() => undefined)
    const poster = loopback()
    const urls = Array.from({ length: 200 }, (_, i) => (i % 2 ? silent.url : peer.url))

    const outcomes = await Promise.all(urls.map((url) => postTo(url, poster, 2_000)))

    expect(outcomes).toEqual(urls.map((url) => (url === silent.url ? { kind: 'timeout' } : answered(200))))
  })
})

describe('TLS', () => {
  const certificate = selfSigned()
  const secured = () => createTlsServer({ ...certificate })

  it.skipIf(!certificate)('refuses a certificate nobody vouches for, before a byte of the event is sent', async () => {
    const peer = await listen((socket) => socket.write(ok), secured())

    const outcome = await postTo(peer.url, loopback(), 5_000)

    expect(outcome).toEqual({ kind: 'tls_failed' })
    expect(peer.requests).toEqual([])
  })

  it.skipIf(!certificate)('posts to a receiver whose certificate is trusted', async () => {
    const peer = await listen((socket) => socket.write(ok), secured())
    const poster = loopback()
    // What the types of Node do not tell of an agent: the options it connects with.
    Object.assign(Reflect.get(poster.agents['https:'], 'options') as object, { ca: certificate?.cert })

    const outcomes = [await postTo(peer.url, poster, 5_000), await postTo(peer.url, poster, 5_000)]

    expect(outcomes).toEqual([answered(200), answered(200)])
    expect(peer.connections).toBe(1)
  })

  it('with a receiver that speaks plain HTTP is tls_failed', async () => {
    const server = createServer((socket) => void socket.on('error', () => undefined).end(ok))
    const peer = await listen(() => undefined, server)

    expect(await postTo(peer.url.replace('http:', 'https:'), loopback(), 5_000)).toEqual({ kind: 'tls_failed' })
  })

  it('with a receiver that hangs up is tls_failed, with one that is silent a timeout', async () => {
    const rude = await listen(
      () => undefined,
      createServer((socket) => socket.once('data', () => socket.destroy())),
    )
    const silent = await listen(() => undefined)

    const outcomes = await Promise.all([rude, silent].map(({ port }) => postTo(`https://127.0.0.1:${port}/`)))

    expect(outcomes).toEqual([{ kind: 'tls_failed' }, { kind: 'timeout' }])
  })
})

/** A key and a certificate of its own for 127.0.0.1; undefined where there is no openssl. */
function selfSigned(): { key: string; cert: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-tls-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const options = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...name]
  try {
    execFileSync('openssl', ['req', '-x509', ...options], { stdio: 'ignore' })
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}
