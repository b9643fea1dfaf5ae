// Real sockets on loopback: each receiver is a raw TCP server that misbehaves in one way. The guard is opened for loopback,
// except where it is what is tested.
import { createServer, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { addressGuard } from '../lib/address.ts'
import type { Outcome } from '../lib/core/retry.ts'
import { openPoster, post } from '../lib/post.ts'
import { METADATA_URLS, NO_URLS, PRIVATE_URLS, URLS_WITH_A_USER } from './support/hostile-urls.ts'
import { closePeers, drip, listen, pour } from './support/peer.ts'
import { answered, DEADLINE_MS, loopback, OK as ok, postAndReadFrom, postTo, SLACK_MS } from './support/post-to.ts'
import { postInChild } from './support/posting-child.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  closePeers()
})

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
/** What the kernels' buffers hold of a stream that nobody reads, and more. */
const KERNEL_BYTES = 16 * 1024 * 1024

/** Memory in use, garbage too. */
function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
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
    let closed: Promise<unknown> | undefined
    const peer = await listen((socket) => {
      closed = new Promise((resolve) => socket.on('close', resolve))
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      pour(socket, '400\r\n' + 'x'.repeat(1_024) + '\r\n')
    })

    const { outcome, body } = await postAndReadFrom(peer.url, loopback(), 5_000)
    await closed

    expect(outcome).toEqual(answered(200))
    expect(body).toEqual(Buffer.from('x'.repeat(16_384)))
    expect(peer.sent()).toBeLessThan(KERNEL_BYTES)
  })

  it('that would be a hundred megabytes unpacked is never unpacked', async () => {
    // Ten members one after the other: 10 MB each, of some 10 KB.
    const bomb = Buffer.concat(Array.from({ length: 10 }, () => gzipSync(Buffer.alloc(10_000_000))))
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`
    const peer = await listen((socket) => {
      socket.write(head)
      socket.write(bomb)
    })

    const { outcome, body } = await postAndReadFrom(peer.url, loopback(), 5_000)

    expect(outcome).toEqual(answered(200))
    expect(body).toEqual(bomb.subarray(0, 16_384))
    expect(peer.requests[0]?.toLowerCase()).toContain('\r\naccept-encoding: identity\r\n')
  })

  it('that comes before the request was read is the outcome', async () => {
    const peer = await listen(() => undefined, {
      server: createServer((socket) => {
        socket.pause()
        socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      }),
    })
    const message = { headers: {}, body: 'x'.repeat(16 * 1024 * 1024) }

    const { outcome } = await postAndReadFrom(peer.url, loopback(), 5_000, message)

    expect(outcome).toEqual(answered(413))
    expect(peer.requests).toEqual([])
  })

  it('counts although the receiver has closed its side of the connection behind it', async () => {
    const peer = await listen((socket) => socket.end(ok), { server: createServer({ allowHalfOpen: true }) })

    expect(await postTo(peer.url)).toEqual(answered(200))
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
    ['closes its side and answers nothing', (socket) => socket.end(), 'broken_answer'],
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
    [
      'sends a number for a status that goes on',
      (socket) => (socket.write('HTTP/1.1 2'), pour(socket, '0')),
      'broken_answer',
    ],
    [
      'sends endless trailers',
      (socket) => (socket.write(`${CHUNKED}0\r\n`), pour(socket, 'x: y\r\n')),
      'broken_answer',
    ],
    ['sends an endless length of a chunk', (socket) => (socket.write(CHUNKED), pour(socket, '0')), 'timeout'],
    [
      'sends an endless extension of a chunk',
      (socket) => (socket.write(`${CHUNKED}1;`), pour(socket, 'x')),
      'broken_answer',
    ],
    [
      'sends extensions with every chunk',
      (socket) => (socket.write(CHUNKED), pour(socket, `400;${'x'.repeat(1_000)}\r\n${'y'.repeat(1_024)}\r\n`)),
      'answered',
    ],
    ['speaks another protocol', (socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'), 'broken_answer'],
    ['sends noise', (socket) => socket.write(Buffer.from([0, 255, 1, 254, 13, 10, 13, 10])), 'broken_answer'],
    [
      'sends two lengths',
      (socket) => socket.write('HTTP/1.1 200 O\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'),
      'broken_answer',
    ],
    ['sends no status', (socket) => socket.write('HTTP/1.1 OK\r\n\r\n'), 'broken_answer'],
  ])('%s: one outcome, in time and in little memory', async (_, reply, expected) => {
    const peer = await listen(reply)
    const startedAt = performance.now()
    const heldBefore = heldBytes()

    const outcome = await postTo(peer.url, loopback(), expected === 'timeout' ? DEADLINE_MS : undefined)

    expect(outcome.kind).toBe(expected)
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS)
    expect(heldBytes() - heldBefore).toBeLessThan(KERNEL_BYTES * 4)
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
    await peer.stop()

    expect(await postTo(peer.url)).toEqual({ kind: 'connect_failed' })
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

  it.each(PRIVATE_URLS)('refuses %s, however it got into the database', async (url) => {
    expect(await postTo(url, openPoster(addressGuard([])))).toEqual({ kind: 'forbidden_address' })
  })

  it.each([...METADATA_URLS, ...URLS_WITH_A_USER])('refuses %s although everything is allowed', async (url) => {
    const poster = openPoster(addressGuard(['0.0.0.0/0', '::/0']))

    expect(await postTo(url, poster)).toEqual({ kind: 'forbidden_address' })
  })

  it.each(NO_URLS)('connects to nobody for %s', async (url) => {
    const poster = openPoster(addressGuard(['0.0.0.0/0', '::/0']))

    const outcome = await postTo(url, poster)

    expect(['broken_answer', 'dns_failed']).toContain(outcome.kind)
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

  it.each(['http', 'https'])('to %s goes to its receiver, whatever proxy the environment names', async (scheme) => {
    const proxy = await listen((socket) => socket.write(ok))
    const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']
    const env = Object.fromEntries(names.map((name) => [name, proxy.url]))
    const peer = await listen(() => undefined, { server: createServer((socket) => void socket.end(ok)) })
    const url = peer.url.replace('http', scheme)

    const outcome = await postInChild({ url, allowed: ['127.0.0.0/8'], env: { ...env, NODE_USE_ENV_PROXY: '1' } })

    expect(outcome).toEqual(scheme === 'http' ? answered(200) : { kind: 'tls_failed' })
    expect([peer.connections, proxy.connections]).toEqual([1, 0])
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
    await vi.waitFor(() => expect(Object.keys(poster.agents['http:'].freeSockets)).toEqual([]), { timeout: 10_000 })

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

    const outcomes = await Promise.all(urls.map((url) => postTo(url, poster, 5_000)))

    expect(outcomes).toEqual(urls.map((url) => (url === silent.url ? { kind: 'timeout' } : answered(200))))
  })
})
