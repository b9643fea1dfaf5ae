// What TLS can go wrong with, on real sockets with throw-away certificates; the event is sent to none of these receivers.
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { Poster } from '../lib/post.ts'
import { certificateFor } from './support/certificate.ts'
import { closePeers, drip, listen, pour } from './support/peer.ts'
import { answered, DEADLINE_MS, loopback, OK, postTo, SLACK_MS } from './support/post-to.ts'

afterEach(closePeers)

/** A poster to which a certificate is that of an authority. */
function trusting({ cert }: { cert: string }): Poster {
  const poster = loopback()
  // What the types of Node do not tell of an agent: the options it connects with.
  Object.assign(Reflect.get(poster.agents['https:'], 'options') as object, { ca: cert })
  return poster
}

describe('a certificate', () => {
  it('that is trusted lets the event through, over one connection for many', async () => {
    const certificate = certificateFor('127.0.0.1')
    const peer = await listen((socket) => socket.write(OK), { server: createTlsServer(certificate) })
    const poster = trusting(certificate)

    const outcomes = [await postTo(peer.url, poster, 5_000), await postTo(peer.url, poster, 5_000)]

    expect(outcomes).toEqual([answered(200), answered(200)])
    expect(peer.connections).toBe(1)
  })

  const own = certificateFor('127.0.0.1')
  const expired = certificateFor('127.0.0.1', new Date('2020-01-01'))
  const future = certificateFor('127.0.0.1', new Date(Date.now() + 86_400_000))
  const other = certificateFor('example.com')
  it.each([
    ['nobody vouches for', own, loopback()],
    ['has expired', expired, trusting(expired)],
    ['is not valid yet', future, trusting(future)],
    ['is of another host', other, trusting(other)],
    ['was signed by someone else', own, trusting(other)],
  ])('that %s is tls_failed, before a byte of the event is sent', async (_, certificate, poster) => {
    const peer = await listen((socket) => socket.write(OK), { server: createTlsServer(certificate) })

    const outcome = await postTo(peer.url, poster, 5_000)

    expect(outcome).toEqual({ kind: 'tls_failed' })
    expect(peer.requests).toEqual([])
  })
})

describe('a handshake', () => {
  const raw = async (reply: Parameters<typeof drip>[0] extends infer Socket ? (socket: Socket) => void : never) => {
    const peer = await listen(() => undefined, { server: createServer((socket) => reply(socket)) })
    return `https://127.0.0.1:${peer.port}/`
  }

  it.each([
    ['with plain HTTP', (socket) => void socket.end(OK), 'tls_failed'],
    ['that is hung up on', (socket) => void socket.once('data', () => socket.destroy()), 'tls_failed'],
    ['that is answered with noise', (socket) => pour(socket, 'noise '), 'tls_failed'],
    ['that is refused by an alert', (socket) => void socket.write('\x15\x03\x03\x00\x02\x02\x28'), 'tls_failed'],
    ['that is never answered', () => undefined, 'timeout'],
    // The header of a record of 16 KiB, and then one byte of it after the other.
    ['that never ends', (socket) => (socket.write('\x16\x03\x03\x40\x00'), drip(socket, '\x02')), 'timeout'],
  ] as [string, (socket: Parameters<typeof drip>[0]) => void, string][])(
    '%s is one outcome, in time',
    async (_, reply, kind) => {
      const url = await raw(reply)
      const startedAt = performance.now()

      const outcome = await postTo(url, loopback(), kind === 'timeout' ? DEADLINE_MS : undefined)

      expect(outcome).toEqual({ kind })
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS)
    },
  )
})
