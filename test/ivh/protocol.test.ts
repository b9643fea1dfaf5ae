import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Look } from '../../lib/core/session.ts'
import { AppError } from '../../lib/errors.ts'
import { countSessions, itemsOf, parseAnswer, readListing as readItems, readStat } from '../../lib/ivh/protocol.ts'

// No doubles: answers are texts.
const envelope = (payload: unknown) =>
  JSON.stringify({ Header: { Code: 0, Message: '', RequestID: 'r' }, Payload: payload })
const readListing = (answer: unknown) => readItems(itemsOf(answer))
const list = (...items: unknown[]) => readListing(parseAnswer(envelope({ ReqId: 'r', Sessions: items })).answer)
const stat = (payload: unknown) => readStat(parseAnswer(envelope(payload)).answer)

const raw = (change: object = {}) => ({
  UserId: 'abc',
  SessionId: 'm123',
  SessionStatus: 1,
  PlayStreamAddr: 'rtmp://live.qq.com/live/m789',
  DriverType: 1,
  IsSessionStarted: true,
  ...change,
})
const read: Look = {
  userId: 'abc',
  status: 1,
  started: true,
  driverType: 1,
  playStreamAddr: 'rtmp://live.qq.com/live/m789',
  extra: null,
}
/** What is unknown of an item has tests of its own. */
const anyNames: unknown = expect.any(Array)
const only = (look: Partial<Look> = {}, id = 'm123') => ({
  sessions: [{ id, look: { ...read, ...look } }],
  unreadable: 0,
  unknown: anyNames,
})

function faultOf(act: () => unknown): AppError {
  try {
    act()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('it was read')
}

/** Every string in a value: members and keys, at any depth. */
function* textsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    yield key
    yield* textsOf(inner)
  }
}

/** What Postgres takes: no U+0000, and nothing that UTF-8 cannot hold. */
const isStorable = (text: string) => !text.includes('\0') && Buffer.from(text, 'utf8').toString('utf8') === text

describe('the sample of the documentation', () => {
  const sample = (driverType: string) => `{
    "Header": {
        "Code": 0,
        "Message": "",
        "RequestID": "123",
    },
    "Payload": {
        "ReqId": "d7aa08da33dd4a662ad5be508c5b77cf",
        "Sessions": [
            {
                "UserId": "abc",
                "SessionId": "m123",
                "SessionStatus": 1,
                "PlayStreamAddr": "rtmp://live.qq.com/live/m789",
                "DriverType": ${driverType},
                "IsSessionStarted": true,
            },
        ],
    },
}`

  test.each(['1', '"1"'])('is read with its trailing commas, DriverType as %s', (driverType) => {
    const { code, message, answer } = parseAnswer(sample(driverType))

    expect([code, message]).toEqual([0, ''])
    expect(readListing(answer)).toEqual(only())
  })

  test('keeps commas and brackets that are inside of its strings', () => {
    const odd = 'a,} b ,] c", }\\ d\\",\n]'

    const { answer } = parseAnswer(sample('1').replaceAll('"abc"', JSON.stringify(odd)))

    expect(readListing(answer)).toEqual(only({ userId: odd }))
  })

  test.each([
    ['an HTML page', '<html><body>, }</body></html>'],
    ['nothing', ''],
    ['a cut answer', sample('1').slice(0, 200)],
    ['an answer cut within a string', '{"Header":{"Code":0,"Message":"half a sent'],
    ['a comma too many', '{"Header":{"Code":0,,}}'],
    ['a comma alone in its list', '{"Header":{"Code":0},"Payload":{"Sessions":[ , ]}}'],
    ['a comma alone in an object', '{"Header":{"Code":0},"Payload":{,}}'],
    ['no member between commas', '{"Header":{"Code":0},"Payload":{"Sessions":[,{}]}}'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['a number', '0'],
    ['no header', '{}'],
    ['a header that is null', '{"Header":null}'],
    ['a header that is a list', '{"Header":[]}'],
    ['no code', '{"Header":{"Message":"x"}}'],
    ['a code that is null', '{"Header":{"Code":null}}'],
    ['a code that is a word', '{"Header":{"Code":"LimitExceeded"}}'],
    ['a code with a fraction', '{"Header":{"Code":0.5}}'],
    ['a code out of range', '{"Header":{"Code":1e300}}'],
  ])('%s is not an answer', (_, body) => {
    const fault = faultOf(() => parseAnswer(body))

    expect(fault.code).toBe('api_answer_invalid')
    expect(fault.message).toMatch(/^the Digital Human API gave an answer Rollcall cannot read: [^\n]{5,60}$/)
  })

  test.each([
    ['quotation marks', ''],
    ['quotation marks, and in the middle of an escape', '\\'],
    ['quotation marks and an escape that JSON has not', '\\\n'],
  ])('cut off within a long string full of %s is refused at once, or the tick would hang', { retry: 2 }, (_, end) => {
    const nested = String.raw`{\"a\":1}`.repeat(10_000)
    const cutOff = `{"Header":{"Code":0},"Payload":{"Sessions":[{"SessionId":"m1","Config":"${nested}${end}`

    const began = performance.now()
    const fault = faultOf(() => parseAnswer(cutOff))

    expect(fault.code).toBe('api_answer_invalid')
    expect(performance.now() - began).toBeLessThan(300)
  })
})

test.each([
  ['{"Header":{"Code":100005,"Message":"Unauthorized: 鉴权失败"}}', 100005, 'Unauthorized: 鉴权失败'],
  ['{"Header":{"Code":"-101000","Message":"InternalError"},"Payload":{}}', -101000, 'InternalError'],
  ['{"Header":{"Code":100012}}', 100012, ''],
  ['{"Header":{"Code":0,"Message":null},"Payload":null}', 0, ''],
  ['{"Header":{"Code":110018,"Message":{"a":1}}}', 110018, ''],
])('%s has its code and message', (body, code, message) => {
  expect(parseAnswer(body)).toEqual({ code, message, answer: JSON.parse(body) as unknown })
})

test('a message of any length is cut, and holds nothing that cannot be stored', () => {
  const { message } = parseAnswer(JSON.stringify({ Header: { Code: 1, Message: `\0\ud83d${'😀'.repeat(1_000_000)}` } }))

  expect(message.length).toBe(500)
  expect(message).toMatch(/^\ufffd\ufffd(😀)+$/u)
})

describe('a list', () => {
  test.each([
    ['[]', '{"Header":{"Code":0},"Payload":{"Sessions":[]}}'],
    ['null', '{"Header":{"Code":0},"Payload":{"Sessions":null}}'],
    ['missing', '{"Header":{"Code":0},"Payload":{}}'],
    ['missing with its Payload', '{"Header":{"Code":0}}'],
    ['missing, the Payload null', '{"Header":{"Code":0},"Payload":null}'],
  ])('whose Sessions are %s is empty', (_, body) => {
    expect(readListing(parseAnswer(body).answer)).toEqual({ sessions: [], unreadable: 0, unknown: [] })
  })

  test.each(['{}', '"[]"', '0', 'false'])('whose Sessions are %s is no list, and never an empty one', (sessions) => {
    const { answer } = parseAnswer(`{"Header":{"Code":0},"Payload":{"Sessions":${sessions}}}`)

    expect(faultOf(() => readListing(answer)).code).toBe('api_answer_invalid')
  })

  test.each(['"x"', '0', 'false'])('whose Payload is %s is no list, and never an empty one', (payload) => {
    const { answer } = parseAnswer(`{"Header":{"Code":0},"Payload":${payload}}`)

    expect(faultOf(() => readListing(answer)).code).toBe('api_answer_invalid')
  })

  test('that can be read whole has as many sessions as it has ids', () => {
    const items = [raw({ SessionId: 'm2' }), raw({ SessionId: 'm10' }), raw({ SessionId: 'm2' })]

    expect(countSessions(items)).toBe(readItems(items).sessions.length)
    expect(countSessions([])).toBe(0)
  })

  test('has each of its sessions once', () => {
    const { sessions } = list(raw({ SessionId: 'm2' }), raw({ SessionId: 'm10' }), raw({ SessionId: 'm2' }))

    expect(sessions.map(({ id }) => id)).toEqual(['m2', 'm10'])
  })
})

describe('an item', () => {
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(raw()).filter(([name]) => !names.includes(name)))

  test.each<[name: string, item: object, look: Partial<Look>]>([
    ['of 6 fields', raw(), {}],
    [
      'without an address and a driver',
      without('PlayStreamAddr', 'DriverType'),
      { playStreamAddr: null, driverType: null },
    ],
    [
      'of only the two fields nobody can do without',
      { SessionId: 'm123', SessionStatus: 3 },
      {
        userId: null,
        status: 3,
        started: false,
        driverType: null,
        playStreamAddr: null,
      },
    ],
    [
      'of 11 fields keeps the further ones',
      raw({ VirtualmanType: 1, CreateType: 0, VirtualmanKey: 'vk', AssetVirtualmanKey: '', VirtualmanProjectId: 'p' }),
      {
        extra: {
          VirtualmanType: 1,
          CreateType: 0,
          VirtualmanKey: 'vk',
          AssetVirtualmanKey: '',
          VirtualmanProjectId: 'p',
        },
      },
    ],
    [
      'with fields of any shape keeps them',
      raw({ New: { a: [1, 'x', null, { b: true }] } }),
      {
        extra: { New: { a: [1, 'x', null, { b: true }] } },
      },
    ],
    ['with DriverType "3"', raw({ DriverType: '3' }), { driverType: 3 }],
    ['with DriverType 3', raw({ DriverType: 3 }), { driverType: 3 }],
    ['with DriverType null', raw({ DriverType: null }), { driverType: null }],
    ['with an odd DriverType', raw({ DriverType: 'voice' }), { driverType: null }],
    ['with a huge DriverType', raw({ DriverType: 1e20 }), { driverType: null }],
    ['with a status as text', raw({ SessionStatus: '3' }), { status: 3 }],
    ['with an unknown status', raw({ SessionStatus: 5 }), { status: 5 }],
    ['with the least status that fits', raw({ SessionStatus: -2147483647 }), { status: -2147483647 }],
    ['not started', raw({ IsSessionStarted: false }), { started: false }],
    ['with IsSessionStarted null', raw({ IsSessionStarted: null }), { started: false }],
    ['with IsSessionStarted 1', raw({ IsSessionStarted: 1 }), { started: true }],
    ['with IsSessionStarted 0', raw({ IsSessionStarted: 0 }), { started: false }],
    ['with IsSessionStarted "true"', raw({ IsSessionStarted: 'true' }), { started: true }],
    ['with IsSessionStarted "false"', raw({ IsSessionStarted: 'false' }), { started: false }],
    ['with a UserId that is no text', raw({ UserId: { a: 1 } }), { userId: null }],
    ['with an empty UserId', raw({ UserId: '' }), { userId: '' }],
    ['with an address that is no text', raw({ PlayStreamAddr: 7 }), { playStreamAddr: null }],
  ])('%s is read', (_, item, look) => {
    expect(list(item)).toEqual(only(look))
  })

  test.each<[name: string, item: unknown]>([
    ['null', null],
    ['a number', 7],
    ['a text', 'm123'],
    ['a list', [raw()]],
    ['an empty object', {}],
    ['without an id', without('SessionId')],
    ['with an id that is null', raw({ SessionId: null })],
    ['with an id that is a number', raw({ SessionId: 123 })],
    ['with an empty id', raw({ SessionId: '' })],
    ['with an id of 129 characters', raw({ SessionId: 'm'.repeat(129) })],
    ['with an id of 1 MB', raw({ SessionId: 'm'.repeat(1_000_000) })],
    ['with U+FFFD in its id, which bytes that are no UTF-8 are read as', raw({ SessionId: 'm\ufffd123' })],
    ['with U+0000 in its id', raw({ SessionId: 'm\u0000123' })],
    ['with a lone high surrogate in its id', raw({ SessionId: 'm\ud83d' })],
    ['with a lone low surrogate in its id', raw({ SessionId: '\ude00m' })],
    ['with surrogates the wrong way round in its id', raw({ SessionId: 'm\ude00\ud83d' })],
    ['without a status', without('SessionStatus')],
    ['with a status that is null', raw({ SessionStatus: null })],
    ['with a status that is a word', raw({ SessionStatus: 'closed' })],
    ['with a status with a fraction', raw({ SessionStatus: 1.5 })],
    ['with a status over 32 bits', raw({ SessionStatus: 2147483648 })],
    ['with a huge status', raw({ SessionStatus: 1e300 })],
    ['with a status of many digits', raw({ SessionStatus: '9'.repeat(30) })],
    ['with a status that is true', raw({ SessionStatus: true })],
  ])('%s spoils only itself', (_, item) => {
    const good = raw({ SessionId: 'm1' })

    expect(list(good, item, raw({ SessionId: 'm2' }))).toEqual({
      sessions: [
        { id: 'm1', look: read },
        { id: 'm2', look: read },
      ],
      unreadable: 1,
      unknown: [],
    })
  })

  test('nested 100,000 deep is unreadable where it is the item, and dropped where it is a further field', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const deepObject = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    const withDeep = (id: string, inner: string) =>
      JSON.stringify(raw({ SessionId: id, New: '?' })).replace('"?"', inner)

    const items = [deep, deepObject, withDeep('m1', deep), withDeep('m2', deepObject), JSON.stringify(raw())]
    const { answer } = parseAnswer(`{"Header":{"Code":0},"Payload":{"Sessions":[${items.join(',')},]}}`)

    expect(readListing(answer)).toEqual({
      sessions: ['m1', 'm2', 'm123'].map((id) => ({ id, look: read })),
      unreadable: 2,
      unknown: anyNames,
    })
  })

  test.each<[name: string, text: string, kept: string]>([
    ['U+0000', 'a\0b', 'a\ufffdb'],
    ['a lone high surrogate', 'a\ud83db', 'a\ufffdb'],
    ['a lone low surrogate', 'a\ude00b', 'a\ufffdb'],
    ['two high surrogates before a low one', '\ud83d\ud83d\ude00', '\ufffd😀'],
    ['a low surrogate after a pair', '😀\ude00', '😀\ufffd'],
    ['surrogates the wrong way round', '\ude00\ud83d', '\ufffd\ufffd'],
    ['real characters beyond the BMP', '阿明 😀', '阿明 😀'],
  ])('with %s in its texts keeps what can be stored', (_, text, kept) => {
    const item = raw({ UserId: text, PlayStreamAddr: text, New: [text, { a: text }] })

    expect(list(item)).toEqual(only({ userId: kept, playStreamAddr: kept, extra: { New: [kept, { a: kept }] } }))
  })

  test.each([
    ['U+0000', 'a\0b'],
    ['a lone surrogate', 'a\ud83d'],
  ])('with %s in the name of a further field loses its further fields only', (_, key) => {
    expect(list(raw({ [key]: 1 }))).toEqual(only())
    expect(list(raw({ New: [{ [key]: 1 }] }))).toEqual(only())
  })

  test.each([
    ['a Windows path', String.raw`C:\users\udata\u0000`],
    ['the text of an escape', String.raw`\u0000 \ud83d`],
  ])('with %s among its further fields keeps it, for it can be stored', (_, text) => {
    expect(list(raw({ VirtualmanKey: text }))).toEqual(only({ extra: { VirtualmanKey: text } }))
  })

  test('with texts of 1 MB keeps their beginning, never half of a character, and drops such further fields', () => {
    const text = `x${'😀'.repeat(500_000)}`

    const [session] = list(raw({ UserId: text, PlayStreamAddr: text, New: text })).sessions

    expect(session?.look).toEqual({
      ...read,
      userId: `x${'😀'.repeat(511)}\ufffd`,
      playStreamAddr: `x${'😀'.repeat(1023)}\ufffd`,
    })
  })

  test('with 100,000 further fields, or ones nested too deep, loses them and is read', () => {
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`field${index}`, index]))
    const nest = (depth: number): unknown => (depth === 0 ? 1 : { a: nest(depth - 1) })

    expect(list(raw(many))).toEqual(only())
    expect(list(raw({ New: nest(30) }))).toEqual(only())
    expect(list(raw({ New: nest(10) }))).toEqual(only({ extra: { New: nest(10) } }))
  })

  test('with __proto__ and its like among its fields is read, and changes no prototype', () => {
    const odd = JSON.stringify(raw()).replace('{', '{"__proto__":{"IsAdmin":1},"constructor":{"a":1},')
    const nested = JSON.stringify(raw({ SessionId: 'm2', New: '?' })).replace('"?"', '{"__proto__":{"IsAdmin":1}}')

    const { answer } = parseAnswer(`{"Header":{"Code":0},"Payload":{"Sessions":[${odd},${nested}]}}`)
    const { sessions, unreadable } = readListing(answer)

    expect(unreadable).toBe(0)
    expect(sessions.map(({ id }) => id)).toEqual(['m123', 'm2'])
    for (const { look } of sessions) expect(Reflect.get(look.extra ?? {}, 'IsAdmin')).toBeUndefined()
    expect(Reflect.get({}, 'IsAdmin')).toBeUndefined()
  })

  test('cannot take an id or a status from a prototype', () => {
    const { answer } = parseAnswer(
      '{"Header":{"Code":0},"Payload":{"Sessions":[{"__proto__":{"SessionId":"m1","SessionStatus":2}}]}}',
    )

    expect(readListing(answer)).toEqual({ sessions: [], unreadable: 1, unknown: [] })
  })

  test('with numbers too large for JSON among its further fields can be stored', () => {
    const item = JSON.stringify(raw({ New: '?' })).replace('"?"', '[1e400,-1e400,1e308,-0]')

    const { answer } = parseAnswer(`{"Header":{"Code":0},"Payload":{"Sessions":[${item}]}}`)

    expect(readListing(answer)).toEqual(only({ extra: { New: [null, null, 1e308, 0] } }))
  })
})

describe('what no documentation has', () => {
  const documented = {
    VirtualmanType: 1,
    CreateType: 0,
    VirtualmanKey: 'k',
    AssetVirtualmanKey: 'a',
    VirtualmanProjectId: 'p',
  }

  test('is nothing in the documented fields and status numbers', () => {
    const items = [1, 2, 3, 4].map((SessionStatus) =>
      raw({ ...documented, SessionStatus, SessionId: `m${SessionStatus}` }),
    )

    expect(list(...items).unknown).toEqual([])
  })

  test('is named once for the log, without any value', () => {
    const odd = { ...documented, SessionStatus: 5, RoomToken: 'secret' }

    expect(
      list(raw(odd), raw({ ...odd, SessionId: 'm2' }), raw({ SessionStatus: -7, SessionId: 'm3' })).unknown,
    ).toEqual(['status 5', 'field RoomToken', 'status -7'])
  })

  test.each([
    ['one item', [raw(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`New${index}`, 0])))]],
    ['many items', Array.from({ length: 500 }, (_, index) => raw({ SessionId: `m${index}`, [`New${index}`]: 0 }))],
  ])('is cut to a line of reasonable length, when %s is full of it', (_, items) => {
    const { unknown } = list(...items, raw({ SessionId: 'long', ['x'.repeat(7_000)]: 0 }))

    expect(unknown.length).toBeGreaterThan(5)
    expect(unknown.join().length).toBeLessThan(1_000)
  })
})

describe('what statsession says', () => {
  test.each<[name: string, payload: object, evidence: object]>([
    [
      'in progress',
      { SessionStatus: 1, PlayStreamAddr: 'rtmp://x', SpeakStatus: '', IsSessionStarted: true, ErrorCode: 0 },
      { status: 1, started: true, playStreamAddr: 'rtmp://x', error: null },
    ],
    ['preparing', { SessionStatus: 3, IsSessionStarted: false, ErrorCode: 0, ErrorMessage: '' }, { status: 3 }],
    [
      'closed, with a code and a message',
      { SessionStatus: 2, IsSessionStarted: true, ErrorCode: 110022, ErrorMessage: 'SessionReplaced: 已关闭' },
      { status: 2, started: true, error: { code: 110022, message: 'SessionReplaced: 已关闭' } },
    ],
    [
      'failed, with a code alone',
      { SessionStatus: 4, IsSessionStarted: false, ErrorCode: -111003 },
      { status: 4, error: { code: -111003, message: '' } },
    ],
    [
      'failed, with a code as text',
      { SessionStatus: '4', ErrorCode: '-111003', ErrorMessage: null },
      { status: 4, error: { code: -111003, message: '' } },
    ],
    ['closed without a code', { SessionStatus: 2, IsSessionStarted: false, ErrorCode: 0 }, { status: 2 }],
    ['an unknown status', { SessionStatus: 5 }, { status: 5 }],
    ['an odd code', { SessionStatus: 2, ErrorCode: 1e300, ErrorMessage: 7 }, { status: 2 }],
    [
      'texts that cannot be stored as they are',
      { SessionStatus: 2, PlayStreamAddr: 'a\0', ErrorCode: 1, ErrorMessage: `\ud83d${'x'.repeat(1_000_000)}` },
      { status: 2, playStreamAddr: 'a\ufffd', error: { code: 1, message: `\ufffd${'x'.repeat(499)}` } },
    ],
  ])('%s is read', (_, payload, evidence) => {
    const nothing = { kind: 'found', started: false, playStreamAddr: null, error: null }

    expect(stat(payload)).toEqual({ ...nothing, ...evidence })
  })

  test.each([null, {}, [], 'x', { SessionStatus: null }, { SessionStatus: 1.5 }, { SessionStatus: 1e300 }])(
    '%j is no answer, and never an end',
    (payload) => {
      expect(faultOf(() => stat(payload)).code).toBe('api_answer_invalid')
    },
  )
})

describe('any JSON at all', () => {
  // Every UTF-16 unit, lone surrogates and U+0000 among them.
  const unit = fc.oneof(
    fc.nat(0xffff).map((code) => String.fromCharCode(code)),
    fc.constantFrom('\0', '\ud83d', '\ude00', '\\', '"', 'u', ','),
  )
  const text = fc.string({ unit })
  const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(text, fc.double(), fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('value')),
      fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'toString', 'constructor')), tie('value')),
    ),
  }))
  const nearly = <Value>(arbitrary: fc.Arbitrary<Value>) =>
    fc.oneof({ weight: 4, arbitrary }, { weight: 1, arbitrary: anyValue })
  const item = fc
    .tuple(
      fc.record(
        {
          SessionId: nearly(fc.oneof(fc.constantFrom('m1', 'm2', 'm3'), text)),
          SessionStatus: nearly(fc.constantFrom(1, 2, 3, 4, 5, '1')),
          UserId: nearly(text),
          PlayStreamAddr: nearly(text),
          DriverType: nearly(fc.constantFrom(1, '3')),
          IsSessionStarted: nearly(fc.boolean()),
        },
        { requiredKeys: ['SessionId', 'SessionStatus'] },
      ),
      fc.dictionary(text, anyValue, { maxKeys: 3 }),
    )
    .map(([fields, rest]) => ({ ...rest, ...fields }))
  const answers = fc.record(
    {
      Header: nearly(fc.record({ Code: nearly(fc.constant(0)), Message: nearly(text) }, { requiredKeys: ['Code'] })),
      Payload: nearly(
        fc.oneof(
          fc.record({ Sessions: nearly(fc.array(nearly(item))) }),
          fc.record({ SessionStatus: nearly(fc.integer()), ErrorCode: nearly(fc.integer()), ErrorMessage: text }),
        ),
      ),
    },
    { requiredKeys: ['Header'] },
  )

  /** What a reader makes of it; undefined when it says so by the fault that is meant for it, and no other. */
  function readOrRefuse<Read>(body: string, reader: (answer: unknown) => Read): Read | undefined {
    try {
      return reader(parseAnswer(body).answer)
    } catch (error) {
      if (error instanceof AppError && error.code === 'api_answer_invalid') return undefined
      throw error
    }
  }

  test('is read or refused as an invalid answer, and what was read can be stored', () => {
    let [readCount, sessionCount] = [0, 0]

    fc.assert(
      fc.property(nearly(answers), (value) => {
        const listing = readOrRefuse(JSON.stringify(value), readListing)
        const evidence = readOrRefuse(JSON.stringify(value), readStat)

        if (listing) readCount += 1
        sessionCount += listing?.sessions.length ?? 0
        expect([...textsOf([listing, evidence])].filter((found) => !isStorable(found))).toEqual([])
        for (const { id, look } of listing?.sessions ?? []) {
          expect(id.length).toBeGreaterThan(0)
          expect(id.length).toBeLessThanOrEqual(128)
          expect(look.userId?.length ?? 0).toBeLessThanOrEqual(1024)
          for (const number of [look.status, look.driverType ?? 0]) {
            expect(Number.isInteger(number) && Math.abs(number) < 2 ** 31).toBe(true)
          }
          expect(look.started).toBeTypeOf('boolean')
          expect(JSON.stringify(JSON.parse(JSON.stringify(look)))).toBe(JSON.stringify(look))
        }
      }),
      { numRuns: 2_000 },
    )

    // The generator is worth its name only if much of what it makes is nearly right.
    expect(readCount).toBeGreaterThan(300)
    expect(sessionCount).toBeGreaterThan(200)
  })

  test('that is a plain item is read as the schema reads it', () => {
    const ascii = fc.oneof(fc.string({ maxLength: 250 }), fc.constantFrom('', '"'.repeat(200), 'm'.repeat(129)))
    const scalar = fc.oneof(ascii, fc.integer(), fc.double(), fc.boolean(), fc.constant(null))
    const plain = fc.record(
      {
        SessionId: fc.oneof(fc.constantFrom('m1', 'm-2_b'), ascii),
        SessionStatus: fc.oneof(fc.constantFrom(1, 2, 3, 4, 5), fc.constantFrom(2 ** 31, -(2 ** 31), 1.5, true)),
        UserId: scalar,
        PlayStreamAddr: scalar,
        DriverType: fc.oneof(fc.constantFrom(1, 3, null), scalar),
        IsSessionStarted: fc.oneof(fc.boolean(), fc.constantFrom(1, 'true', null)),
      },
      { requiredKeys: ['SessionId', 'SessionStatus'] },
    )
    const fields = fc.dictionary(fc.oneof(ascii, fc.constantFrom('__proto__', 'toJSON')), scalar, { maxKeys: 12 })
    let read = 0

    fc.assert(
      fc.property(plain, fields, (item, rest) => {
        const json = JSON.parse(JSON.stringify({ ...rest, ...item })) as object
        // A field that is no ASCII sends an item to the schema, whatever else it is.
        const [asIs, bySchema] = [list(json), list({ ...json, é: 1 })]
        const withoutIt = bySchema.sessions.map(({ id, look: { extra, ...look } }) => {
          const { é: _, ...others } = extra ?? {}
          return { id, look: { ...look, extra: Object.keys(others).length === 0 ? null : others } }
        })

        read += asIs.sessions.length
        expect(asIs.unreadable).toBe(bySchema.unreadable)
        expect(asIs.sessions).toEqual(withoutIt)
      }),
      { numRuns: 2_000 },
    )

    expect(read).toBeGreaterThan(300)
  })

  test('that is an item is counted: either a session or unreadable', () => {
    fc.assert(
      fc.property(fc.uniqueArray(nearly(item), { selector: (one) => JSON.stringify(one) }), (items) => {
        const distinct = items.map((one, index) =>
          typeof one === 'object' && one !== null && 'SessionId' in one && typeof one.SessionId === 'string'
            ? { ...one, SessionId: `m${index}` }
            : one,
        )

        const { sessions, unreadable } = list(...distinct)

        expect(sessions.length + unreadable).toBe(distinct.length)
      }),
    )
  })

  test('with a comma after each last member reads the same', () => {
    const withCommas = (value: unknown): string => {
      if (typeof value !== 'object' || value === null) return JSON.stringify(value)
      const members = Array.isArray(value)
        ? value.map(withCommas)
        : Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${withCommas(member)}`)
      const inside = members.map((member) => `${member} ,\n`).join('')
      return Array.isArray(value) ? `[${inside}]` : `{${inside}}`
    }

    fc.assert(
      fc.property(fc.array(item), (items) => {
        const answer = { Header: { Code: 0, Message: '' }, Payload: { Sessions: items } }
        // What JSON cannot say at all, such as -0, is out of both.
        const plain: unknown = JSON.parse(JSON.stringify(answer))

        expect(parseAnswer(withCommas(plain)).answer).toEqual(plain)
      }),
    )
  })
})
