// Whatever a receiver answers to a webhook, as raw bytes on a real socket.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Outcome, retryAfterMs, verdict } from '../../lib/core/retry.ts'
import { post } from '../../lib/post.ts'
import { loopbackPoster } from '../support/world.ts'
import { openBreaches } from './breaches.ts'
import { runs } from './effort.ts'

const HOUR_MS = 3_600_000
const DEADLINE_MS = 120
/** How much later than the deadline an outcome may come on a busy machine. */
const SLACK_MS = 3_000

/** How the bytes go out: in pieces of this size; then the connection ends, is reset, or stays open. */
interface Manner {
  piece: number
  after: 'end' | 'reset' | 'stay'
}
const manners: fc.Arbitrary<Manner> = fc.record({
  piece: fc.constantFrom(1_000_000, 1_000_000, 7, 1),
  after: fc.constantFrom<Manner['after']>('end', 'end', 'end', 'end', 'end', 'end', 'reset', 'stay'),
})

let server: Server
let url = ''
let answer: { bytes: Buffer; manner: Manner }
const sockets = new Set<Socket>()
beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.once('data', () => reply(socket, answer.bytes, answer.manner))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
})
afterAll(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
})

function reply(socket: Socket, bytes: Buffer, { piece, after }: Manner): void {
  socket.setNoDelay(true)
  // A long answer in small pieces would only take long.
  const size = Math.max(piece, bytes.length / 500)
  for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size))
  if (after === 'end') socket.end()
  else if (after === 'reset') socket.write('', () => socket.resetAndDestroy())
}

/** The one outcome of a POST to the receiver; fails the test when there is none in time. */
async function outcomeOf(bytes: Buffer, manner: Manner) {
  answer = { bytes, manner }
  const startedAt = performance.now()
  const message = { headers: { 'content-type': 'application/json' }, body: '{}' }
  const outcome = await post(loopbackPoster(), url, message, DEADLINE_MS)
  expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS)
  return outcome
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }).map(latin1),
  fc.constantFrom(
    '',
    ' ',
    '\t',
    '\0',
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    ':',
    ';',
    ',',
    '\xff',
    '\xa0',
    'x'.repeat(20_000),
  ),
)
const lines = fc.oneof(
  {
    weight: 30,
    arbitrary: fc
      .constantFrom(200, 204, 304, 100, 102, 301, 410, 429, 500, 503, 999, 0)
      .map((status) => `HTTP/1.1 ${status} X`),
  },
  fc.constantFrom(
    'HTTP/1.0 200 OK',
    'HTTP/2 200',
    'HTTP/1.1 2000 X',
    'HTTP/1.1 -1 X',
    'HTTP/1.1 20',
    'http/1.1 200 ok',
    'HTTP/0.9 200',
    'ICY 200 OK',
  ),
  anyBytes,
)
const harmless = fc.constantFrom(
  'x: y',
  'content-length: 0',
  'content-length: 5',
  'connection: close',
  'retry-after: 7',
  'a: \xff',
)
const headers = fc.oneof(
  { weight: 20, arbitrary: harmless },
  fc.constantFrom(
    'content-length: 0',
    'content-length: 5',
    'content-length: 5, 5',
    'content-length: -1',
    'content-length: 1e9',
  ),
  fc.constantFrom(
    'content-length: 99999999999999999999',
    'transfer-encoding: chunked',
    'transfer-encoding: gzip, chunked',
    'transfer-encoding: x',
  ),
  fc.constantFrom(
    'connection: upgrade',
    'upgrade: websocket',
    'connection: close',
    'connection: keep-alive',
    'trailer: x',
    'content-encoding: br',
  ),
  fc.constantFrom(
    'location: http://127.0.0.1:1/',
    'set-cookie: a=b',
    ' folded',
    'no colon',
    ': no name',
    '__proto__: x',
    'constructor: x',
  ),
  fc.tuple(fc.constantFrom('x', 'retry-after', 'RETRY-AFTER', 'retry-after '), anyBytes).map((pair) => pair.join(': ')),
)
const bodies = fc.oneof(
  anyBytes,
  fc.constantFrom(
    '5\r\nhello\r\n0\r\n\r\n',
    '0\r\n\r\n',
    'ffffffffffffffffff\r\n',
    '5;x=y\r\nhello\r\n0\r\nretry-after: 1\r\n\r\n',
    '-1\r\n',
    'hello',
  ),
  fc.constant('x'.repeat(100_000)),
)
const ends = fc.oneof({ weight: 9, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r'))
const anyAnswer = fc
  .array(fc.tuple(lines, fc.array(headers, { maxLength: 3 }), ends, bodies), { minLength: 1, maxLength: 2 })
  .map((parts) => parts.map(([line, names, end, body]) => [line, ...names, '', body].join(end)).join(''))
const anyReply = fc.oneof({ weight: 6, arbitrary: anyAnswer }, fc.uint8Array({ maxLength: 400 }).map(latin1))

const FAULTS = ['broken_answer', 'connect_failed', 'timeout']

test('any bytes a receiver answers are one outcome, in time, which leads to one verdict', async () => {
  const kinds: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(anyReply, manners, async (text, manner) => {
      const outcome = await outcomeOf(Buffer.from(text, 'latin1'), manner)

      kinds[outcome.kind] = (kinds[outcome.kind] ?? 0) + 1
      expect(breachesOf(outcome)).toEqual([])
    }),
    runs(300),
  )

  expect(Object.keys(kinds)).toEqual(expect.arrayContaining(['answered', 'broken_answer']))
  console.log(JSON.stringify(kinds))
})

function breachesOf(outcome: Outcome): string[] {
  const { found, rule } = openBreaches()
  if (outcome.kind === 'answered') {
    const { status, retryAfterMs } = outcome
    rule(Number.isInteger(status) && status >= 0 && status < 1_000, `status ${status}`)
    rule(isHold(retryAfterMs), `asks for ${retryAfterMs} ms`)
  } else rule(FAULTS.includes(outcome.kind), outcome.kind)
  const { kind, ...waits } = verdict(
    outcome,
    { attempt: 1, expired: false, failures: 9, failingForMs: 9_000, hopeless: false, batched: 1 },
    0.5,
  )
  rule(['delivered', 'retry', 'dead', 'disable'].includes(kind), kind)
  for (const [name, value] of Object.entries(waits)) rule(typeof value !== 'number' || value >= 0, `${name} ${value}`)
  return found
}

const isHold = (ms: number | null) => ms === null || (Number.isInteger(ms) && ms >= 0 && ms <= HOUR_MS)

const dates = fc
  .date({ min: new Date('1600-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => date.toUTCString())
const waits = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '-1',
    '+5',
    '1.5',
    '1e3',
    '0x10',
    'Infinity',
    '-Infinity',
    'NaN',
    '٣',
    '１２０',
    '120, 60',
    '120 120',
  ),
  fc.nat().map(String),
  fc.bigInt().map(String),
  fc.integer({ min: 1, max: 5_000 }).map((digits) => '9'.repeat(digits)),
  dates,
  dates.map((date) => date.replace(/\d\d (?=GMT)/, '99 ')),
  dates.map((date) => date.replace(/^\w+/, 'Mon')),
  dates.map((date) => date.replace('GMT', 'UTC')),
  fc
    .tuple(dates, fc.nat(), anyBytes)
    .map(([date, at, bytes]) => date.slice(0, at % date.length) + bytes + date.slice(at % date.length)),
  anyBytes,
  fc.string({ unit: 'binary' }),
)

test('any wait that a receiver asks for is a whole number from nothing to an hour, or none', () => {
  const times = fc.date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  fc.assert(
    fc.property(waits, times, (header, now) => {
      expect(retryAfterMs(header, now)).toSatisfy(isHold)
    }),
    runs(5_000),
  )
})

test('nor is it otherwise when it comes over a socket, once or several times, in any bytes', async () => {
  const values = fc.oneof(
    waits.map((text) => Buffer.from(text, 'utf8').toString('latin1')),
    anyBytes,
  )
  await fc.assert(
    fc.asyncProperty(fc.array(values, { maxLength: 3 }), fc.constantFrom(429, 503, 200), async (asked, status) => {
      const names = asked.map((text) => `Retry-After: ${text}\r\n`).join('')
      const bytes = Buffer.from(`HTTP/1.1 ${status} X\r\n${names}content-length: 0\r\n\r\n`, 'latin1')

      const outcome = await outcomeOf(bytes, { piece: 1_000_000, after: 'end' })

      expect(breachesOf(outcome)).toEqual([])
    }),
    runs(200),
  )
})
