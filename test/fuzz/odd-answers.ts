// Ticks of an API whose answers are right ones that were changed, spoiled on their way, or never right.
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { Answer, Sending } from './answer-server.ts'
import { anyChange, anyJson, anyText, json, type Json, write } from './json.ts'

export const APPKEY = 'appkey-hush-e38267c0e86411eb'
export const TOKEN = 'token-hush+f68f2d10/ae9e4604='
export const ADDRESS = 'rtmp://hush-stream.invalid/live/m1?userSig=hush'
/** What an answer may repeat, whole or so late in a text that only a part of it is kept. */
const secrets = fc
  .tuple(fc.constantFrom(APPKEY, TOKEN, encodeURIComponent(TOKEN), ADDRESS), fc.constantFrom(0, 0, 3, 479, 485))
  .map(([secret, before]) => `${'.'.repeat(before)}${secret} `)

export const item = (SessionId: string, SessionStatus: number) => ({
  UserId: 'abc',
  SessionId,
  SessionStatus,
  PlayStreamAddr: ADDRESS,
  DriverType: 1,
  IsSessionStarted: true,
})
const envelope = (Payload: object, Code = 0) => ({ Header: { Code, Message: '', RequestID: 'r' }, Payload })
export const listOf = (...items: object[]) => envelope({ ReqId: 'r', Sessions: items })
const statOf = (SessionStatus: number) => envelope({ SessionStatus, IsSessionStarted: true, ErrorCode: 0 })
export const whole = (value: object): Answer => ({
  status: 200,
  body: Buffer.from(JSON.stringify(value)),
  sending: 'whole',
})
export const GONE = whole(envelope({}, 110_018))
const silent: Answer = { status: 200, body: undefined, sending: 'whole' }

/** What may happen to the bytes of an answer on their way. */
const onTheWay: fc.Arbitrary<(body: Buffer) => Buffer> = fc.oneof(
  { weight: 8, arbitrary: fc.constant((body: Buffer) => body) },
  fc.nat().map((at) => (body: Buffer) => body.subarray(0, at % (body.length + 1))),
  fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => (body: Buffer) => {
    const changed = Buffer.from(body)
    changed[at % Math.max(1, body.length)] = byte
    return changed
  }),
  fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 3 })).map(([at, bytes]) => (body: Buffer) => {
    const place = at % (body.length + 1)
    return Buffer.concat([body.subarray(0, place), bytes, body.subarray(place)])
  }),
  fc.tuple(fc.nat(), fc.constantFrom(',', '"', '}', ']', '[', '{', '\\')).map(([at, text]) => (body: Buffer) => {
    const place = at % (body.length + 1)
    return Buffer.concat([body.subarray(0, place), Buffer.from(text), body.subarray(place)])
  }),
  fc.constant((body: Buffer) => Buffer.concat([Buffer.from('\ufeff'), body])),
  fc.constant((body: Buffer) => Buffer.concat([body, body])),
  fc.constant((body: Buffer) => gzipSync(body)),
)

const sendings: fc.Arbitrary<Sending> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Sending>('whole') },
  fc.constantFrom<Sending>('gzip', 'chunked', 'short', 'cut', 'until end'),
)

/** A right answer, changed in up to three places, or any tree at all; spoiled on its way now and then. */
const spoiled = (right: fc.Arbitrary<Json>): fc.Arbitrary<Answer> =>
  fc
    .record({
      tree: fc.oneof({ weight: 9, arbitrary: right }, anyJson(secrets)),
      changes: fc.array(anyChange(secrets), { maxLength: 3 }),
      comma: fc.constantFrom('', '', '', ','),
      onTheWay,
      sending: sendings,
      status: fc.oneof({ weight: 8, arbitrary: fc.constant(200) }, fc.constantFrom(201, 206, 302, 400, 404, 429, 502)),
      silent: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
    })
    .map(({ tree, changes, comma, onTheWay, sending, status, silent }) => {
      const changed = changes.reduce((before, change) => change(before), tree)
      const body = onTheWay(Buffer.from(write(changed, comma)))
      return { status, body: silent ? undefined : body, sending }
    })

export const IDS = ['m1', 'm2', 'm3']
const anyItem = fc
  .record({
    id: fc.constantFrom(...IDS, 'm9'),
    status: fc.constantFrom(1, 1, 1, 3, 2, 4, 5),
    texts: fc.option(fc.record({ UserId: anyText, PlayStreamAddr: anyText, VirtualmanKey: anyText })),
  })
  .map(({ id, status, texts }) => ({ ...item(id, status), ...texts }))
const refusals = fc
  .tuple(fc.constantFrom(100_001, 100_005, 110_018, -101_000), fc.array(secrets, { minLength: 1, maxLength: 2 }))
  .map(([Code, texts]) => json({ Header: { Code, Message: texts.join('') } }))
const lists = spoiled(
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.array(anyItem, { maxLength: 5 }).map((items) => json(listOf(...items))),
    },
    refusals,
  ),
)
const codes = fc.constantFrom(0, 0, 0, 110_013, 110_018, 100_001)
const stats = fc.oneof(
  fc.constant(GONE),
  fc.constant(silent),
  fc.constant(silent),
  fc.constantFrom(1, 3, 2, 4).map((status) => whole(statOf(status))),
  spoiled(
    fc
      .tuple(fc.constantFrom(1, 2, 3, 4, 5), codes)
      .map(([status, code]) => json({ ...statOf(status), Header: { Code: code, Message: '' } })),
  ),
)

export interface OddTick {
  list: Answer
  /** By session id; `other` for those that are not there. */
  stats: Record<string, Answer>
  deadlineMs: number
}

const oddTick: fc.Arbitrary<OddTick> = fc.record({
  list: lists,
  stats: fc.oneof(
    fc.record({ m1: stats, m2: stats, m3: stats, other: stats }),
    fc.constant<Record<string, Answer>>({ other: silent }),
  ),
  // Too little for a second try, which would wait for 100 ms at least; now and then there is time for all three.
  deadlineMs: fc.integer({ min: 1, max: 25 }).map((n) => (n === 25 ? 1_500 : 95)),
})

/** Some ticks; or one again and again, which shows when a list that is none counts as one without sessions. */
export const oddTicks: fc.Arbitrary<OddTick[]> = fc.oneof(
  fc.array(oddTick, { minLength: 1, maxLength: 4 }),
  fc.tuple(oddTick, fc.integer({ min: 2, max: 4 })).map(([odd, times]) => Array.from({ length: times }, () => odd)),
)
