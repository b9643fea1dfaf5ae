import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { AppError, describe as describeError } from '../../lib/errors.ts'
import type { Listing } from '../../lib/core/session.ts'
import { type Api, listSessions as list, statSession } from '../../lib/ivh/client.ts'
import { readListing } from '../../lib/ivh/protocol.ts'
import type { Fault } from '../../lib/local/simulator/faults.ts'
import { serveSimulator } from '../../lib/local/simulator/server.ts'
import {
  breakSession,
  closeSession,
  createSession,
  createSimulator,
  type Settings,
  startSession,
} from '../../lib/local/simulator/simulator.ts'

// The double at the network's rim is the simulator, over real HTTP on 127.0.0.1, and for what it cannot do a bare HTTP
// server. Sessions live in virtual time; deadlines and retries are real.
const listSessions = async (api: Api, deadlineMs: number) => readListing((await list(api, deadlineMs)).items)
const appkey = 'e38267c0e86411ebb02aed82acb0ed99'
const accessToken = 'f68f2d10ae9e4604b76fb05cf46bccec'
/** Enough for all tries of a call that is answered at once. */
const AMPLE_MS = 25_000

const open: (() => Promise<void>)[] = []
// Not after each test, for many run side by side.
afterAll(async () => {
  await Promise.all(open.splice(0).map((close) => close()))
})

async function serve(settings: Partial<Settings> = {}, faults: Fault[] = []) {
  let now = 0
  const simulator = createSimulator({
    appkey,
    accessToken,
    now: () => now,
    settings: { preparingSeconds: [10, 10], ...settings },
  })
  const server = await serveSimulator(simulator)
  open.push(() => server.close())
  simulator.faults.push(...faults)
  const api: Api = { baseUrl: server.url, appkey, accessToken }
  const create = (userId: string) => {
    const outcome = createSession(simulator, { userId, projectId: 'p', sessionId: `m-${userId}` })
    if (!('ok' in outcome)) throw new Error(outcome.message)
    return outcome.ok.id
  }
  return { simulator, api, create, pass: (seconds: number) => void (now += seconds * 1000) }
}

async function serveBare(listener: RequestListener): Promise<Api> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, appkey, accessToken }
}

async function faultOf(call: Promise<unknown>): Promise<AppError> {
  const outcome = await call.catch((error: unknown) => error)
  if (outcome instanceof AppError) return outcome
  throw new Error(`expected an AppError, got ${inspect(outcome)}`)
}

/** Everything a log could ever show of an error, its causes and hidden fields too. */
const allOf = (error: unknown) => inspect(error, { depth: Infinity, showHidden: true, maxStringLength: null })
const SECRETS = new RegExp(`${accessToken}|${appkey}|signature|timestamp|secret-`, 'i')

async function timed<Result>(act: Promise<Result>): Promise<{ result: Result; tookMs: number }> {
  const began = performance.now()
  return { result: await act, tookMs: performance.now() - began }
}

describe('a list', () => {
  test('has every session as it is, and needs one call', async () => {
    const { simulator, api, create, pass } = await serve()
    create('ann')
    pass(10)
    startSession(simulator, 'm-ann')
    create('bob')

    const listing = await listSessions(api, AMPLE_MS)

    const look = { driverType: 1, extra: null }
    const address = 'rtmp://live.qq.com/live/m-ann'
    expect(listing).toEqual({
      sessions: [
        { id: 'm-ann', look: { ...look, userId: 'ann', status: 1, started: true, playStreamAddr: address } },
        { id: 'm-bob', look: { ...look, userId: 'bob', status: 3, started: false, playStreamAddr: null } },
      ],
      unreadable: 0,
      unknown: [],
    })
    expect(simulator.calls).toEqual(new Map([['listsessionofuin', 1]]))
  })

  test.each<[name: string, settings: Partial<Settings>]>([
    ['with trailing commas', { trailingCommas: true }],
    ['with DriverType as text', { driverTypeAs: 'string' }],
    ['in another order', { shuffle: true }],
    ['with every session twice', { duplicateShare: 1 }],
    ['with all of that', { trailingCommas: true, driverTypeAs: 'string', shuffle: true, duplicateShare: 1 }],
  ])('%s is the same list', async (_, settings) => {
    const { simulator, api, create, pass } = await serve()
    for (const userId of ['ann', 'bob', 'cy', 'dee']) create(userId)
    pass(10)
    const plain = await listSessions(api, AMPLE_MS)

    Object.assign(simulator.settings, settings)
    const odd = await listSessions(api, AMPLE_MS)

    expect(plain.sessions).toHaveLength(4)
    const byId = ({ sessions }: Listing) => new Map(sessions.map(({ id, look }) => [id, look]))
    expect(byId(odd)).toEqual(byId(plain))
    expect(odd.sessions).toHaveLength(4)
  })

  test('of 11 fields keeps the further five', async () => {
    const { api, create } = await serve({ fields: 11 })
    create('ann')

    const { sessions } = await listSessions(api, AMPLE_MS)

    expect(sessions[0]?.look.extra).toEqual({
      VirtualmanType: 1,
      CreateType: 0,
      VirtualmanKey: 'virtualman-p',
      AssetVirtualmanKey: '',
      VirtualmanProjectId: 'p',
    })
  })

  test.each(['[]', 'null', 'missing'] as const)('that is empty as %s is empty', async (emptyAs) => {
    const { api } = await serve({ emptyAs })

    expect(await listSessions(api, AMPLE_MS)).toEqual({ sessions: [], unreadable: 0, unknown: [] })
  })

  test('with odd items counts them and has the rest', async () => {
    const { api, create } = await serve({ extraItems: [null, 7, { SessionId: 'm\0', SessionStatus: 1 }] })
    create('ann')

    const listing = await listSessions(api, AMPLE_MS)

    expect(listing).toMatchObject({ sessions: [{ id: 'm-ann' }], unreadable: 3 })
  })

  test('is asked for at a base URL with a path, with a slash at its end or not', async () => {
    const asked: string[] = []
    const api = await serveBare((request, response) => {
      asked.push(`${request.method} ${request.url?.split('?')[0]} ${request.headers['content-type']}`)
      response.end('{"Header":{"Code":0}}')
    })

    for (const path of ['', '/', '/proxy', '/proxy//']) {
      await listSessions({ ...api, baseUrl: api.baseUrl + path }, AMPLE_MS)
    }

    const service = '/v2/ivh/sessionmanager/sessionmanagerservice/listsessionofuin application/json;charset=utf-8'
    expect(asked).toEqual(['', '', '/proxy', '/proxy'].map((path) => `POST ${path}${service}`))
  })
})

test('calls one after another share one connection and leave nothing behind on it', async () => {
  const ports = new Set<number | undefined>()
  const api = await serveBare((request, response) => {
    ports.add(request.socket.remotePort)
    request.resume()
    response.end('{"Header":{"Code":0}}')
  })
  const warnings: Error[] = []
  const warned = (warning: Error) => warnings.push(warning)
  process.on('warning', warned)

  for (let call = 1; call <= 25; call += 1) await listSessions(api, AMPLE_MS)
  process.off('warning', warned)

  expect(ports.size).toBe(1)
  expect(warnings).toEqual([])
})

describe('statsession', () => {
  test('says what a session is, lives it or not', async () => {
    const { simulator, api, create, pass } = await serve()
    for (const userId of ['ann', 'bob', 'cy']) create(userId)
    breakSession(simulator, 'm-cy', -111003)
    pass(10)
    startSession(simulator, 'm-ann')
    startSession(simulator, 'm-bob')
    breakSession(simulator, 'm-bob')
    create('dee')
    closeSession(simulator, 'm-dee')

    const said = await Promise.all(['ann', 'bob', 'cy', 'dee'].map((id) => statSession(api, `m-${id}`, AMPLE_MS)))

    const address = (userId: string) => `rtmp://live.qq.com/live/m-${userId}`
    const broken = { code: -111002, message: 'StreamBroken: 流连接断开' }
    const stalled = { code: -111003, message: 'ModelLoadFailed: 模型加载失败' }
    expect(said).toEqual([
      { kind: 'found', status: 1, started: true, playStreamAddr: address('ann'), error: null },
      { kind: 'found', status: 2, started: true, playStreamAddr: address('bob'), error: broken },
      { kind: 'found', status: 4, started: false, playStreamAddr: null, error: stalled },
      { kind: 'found', status: 2, started: false, playStreamAddr: null, error: null },
    ])
  })

  test('says gone of a session that it never knew or knows no more, at once', async () => {
    const { simulator, api, create, pass } = await serve({ retentionSeconds: 60 })
    closeSession(simulator, create('ann'))
    pass(61)

    expect(await statSession(api, 'm-ann', AMPLE_MS)).toEqual({ kind: 'gone' })
    expect(await statSession(api, 'm-nobody', AMPLE_MS)).toEqual({ kind: 'gone' })
    expect(simulator.calls.get('statsession')).toBe(2)
  })

  test('that is unavailable throws after its tries, and never says gone', async () => {
    const { simulator, api, create } = await serve({ statUnavailable: true })
    create('ann')

    const fault = await faultOf(statSession(api, 'm-ann', AMPLE_MS))

    expect(describeError(fault)).toBe('api_refused: statsession answered code -101000 (InternalError: 内部错误)')
    expect(simulator.calls.get('statsession')).toBe(3)
  })

  test('that answers more than 64 KiB is not read on', async () => {
    const { api } = await serve({}, [{ kind: 'huge', bytes: 64 * 1024 + 1, share: 1 }])

    const fault = await faultOf(statSession(api, 'm1', AMPLE_MS))

    expect(fault.code).toBe('api_answer_invalid')
    expect(fault.message).toContain('more than 65536 bytes')
  })
})

describe('a fault that lasts', () => {
  const like = (pattern: RegExp): unknown => expect.stringMatching(pattern)
  const unreadable = 'the Digital Human API gave an answer Rollcall cannot read: '

  // Each fault strikes every call; a wait between tries is 100 ms at least, so these run side by side.
  test.concurrent.each<[name: string, fault: Fault, message: unknown, calls: number]>([
    [
      '100012',
      { kind: 'code', code: 100012 },
      like(/^api_refused: listsessionofuin answered code 100012 \(RequestLim/),
      3,
    ],
    ['-101000', { kind: 'code' }, like(/^api_refused: listsessionofuin answered code -101000 \(InternalError: /), 3],
    ['-101001', { kind: 'code', code: -101001 }, like(/^api_refused: listsessionofuin answered code -101001 /), 3],
    [
      '100001',
      { kind: 'code', code: 100001 },
      like(/^api_refused: listsessionofuin answered code 100001 \(Invalid/),
      1,
    ],
    ['100015', { kind: 'code', code: 100015 }, like(/^api_refused: listsessionofuin answered code 100015 \(Avatar/), 1],
    [
      '110018',
      { kind: 'code', code: 110018 },
      like(/^api_refused: listsessionofuin answered code 110018 \(Session/),
      1,
    ],
    ['a cut connection', { kind: 'cut' }, like(/^api_unreachable: listsessionofuin at HOST: answer: ECONNRESET$/), 3],
    ['a cut body', { kind: 'cutBody' }, like(/^api_unreachable: listsessionofuin at HOST: answer: ECONNRESET$/), 3],
    ['an HTML page', { kind: 'html' }, `api_answer_invalid: ${unreadable}it is not JSON, or cut off`, 3],
    [
      'an HTML page with 502',
      { kind: 'html', status: 502 },
      'api_unreachable: listsessionofuin at HOST answered HTTP 502',
      3,
    ],
    ['HTTP 500', { kind: 'status' }, 'api_unreachable: listsessionofuin at HOST answered HTTP 500', 3],
    ['HTTP 429', { kind: 'status', status: 429 }, 'api_unreachable: listsessionofuin at HOST answered HTTP 429', 3],
    ['a redirect', { kind: 'redirect' }, 'api_unreachable: listsessionofuin at HOST answered HTTP 302', 3],
    ['invalid JSON', { kind: 'invalidJson' }, `api_answer_invalid: ${unreadable}it is not JSON, or cut off`, 3],
    ['cut JSON', { kind: 'truncatedJson' }, `api_answer_invalid: ${unreadable}it is not JSON, or cut off`, 3],
    ['a list as the answer', { kind: 'body' }, `api_answer_invalid: ${unreadable}there is no Header with a Code`, 3],
    [
      'Sessions that are no list',
      { kind: 'body', body: '{"Header":{"Code":0},"Payload":{"Sessions":"all"}}' },
      `api_answer_invalid: ${unreadable}its Sessions are not a list`,
      1,
    ],
    [
      'a bad signature',
      { kind: 'badSignature' },
      'api_refused: listsessionofuin answered code 100005 (Unauthorized: 鉴权失败); check IVH_APPKEY and IVH_ACCESS_TOKEN, and that the clock here is right to 5 minutes',
      1,
    ],
    [
      'a message of several lines',
      { kind: 'body', body: JSON.stringify({ Header: { Code: 100001, Message: 'a\r\n\n  {"level":"error"}\nb' } }) },
      'api_refused: listsessionofuin answered code 100001 (a {"level":"error"} b)',
      1,
    ],
  ])('%s: one clear line, without secrets, after as many tries as make sense', async (_, fault, message, calls) => {
    const { simulator, api, create } = await serve({}, [{ ...fault, share: 1 }])
    create('ann')

    const error = await faultOf(listSessions(api, AMPLE_MS))

    const line = describeError(error).replace(new URL(api.baseUrl).host, 'HOST')
    expect(line).toEqual(message)
    expect(line).not.toMatch(/[\r\n]/)
    expect(allOf(error)).not.toMatch(SECRETS)
    expect(simulator.calls).toEqual(new Map([['listsessionofuin', calls]]))
  })

  test('a wrong key is refused once, and says which settings to check', async () => {
    const { simulator, api } = await serve()

    const error = await faultOf(listSessions({ ...api, accessToken: 'wrong-token' }, AMPLE_MS))

    expect(error.code).toBe('api_refused')
    expect(error.message).toContain('check IVH_APPKEY and IVH_ACCESS_TOKEN')
    expect(allOf(error)).not.toMatch(/wrong-token|signature|timestamp/i)
    expect(simulator.calls.get('listsessionofuin')).toBe(1)
  })

  test.each([
    ['a key', `no such key: ${appkey}, ${accessToken}`, 'no such key: …, …'],
    ['a token as it stands in a URL', `token ${encodeURIComponent('tok/en+1234=')}`, 'token …', 'tok/en+1234='],
    ['a key that is cut off', `${'x'.repeat(480)}${appkey}`, `${'x'.repeat(480)}…`],
    [
      'the query',
      `bad query appkey=${appkey}&timestamp=1&signature=a%2Bb`,
      'bad query appkey=…&timestamp=1&signature=…',
    ],
    ['an address', 'busy: rtmp://live.invalid/live/m1?userSig=secret-1 (m1)', 'busy: … (m1)'],
  ])('a refusal that repeats %s is told without it', async (_, message, told, token = accessToken) => {
    const api = await serveBare((_, response) => {
      response.end(JSON.stringify({ Header: { Code: 100001, Message: message } }))
    })

    const error = await faultOf(listSessions({ ...api, accessToken: token }, AMPLE_MS))

    expect(error.message).toBe(`listsessionofuin answered code 100001 (${told})`)
  })

  test('nobody at the address: unreachable, and the line says so without the query', async () => {
    const api = await serveBare(() => undefined)
    await Promise.all(open.splice(0).map((close) => close()))

    const error = await faultOf(listSessions(api, AMPLE_MS))

    const { host } = new URL(api.baseUrl)
    expect(describeError(error)).toBe(`api_unreachable: listsessionofuin at ${host}: connect: ECONNREFUSED`)
    expect(allOf(error)).not.toMatch(SECRETS)
  })

  test('something at the address that does not speak HTTP: unreachable', async () => {
    const api = await serveBare((request) => void request.socket.end('SSH-2.0-OpenSSH_9.6\r\n'))

    const error = await faultOf(listSessions(api, AMPLE_MS))

    expect(error.code).toBe('api_unreachable')
    expect(allOf(error)).not.toMatch(SECRETS)
  })

  test('an endless list is cut off at 64 MiB; one of 64 MiB is read', async () => {
    const { simulator, api } = await serve({}, [{ kind: 'huge', bytes: 64 * 1024 * 1024 }])

    const atLimit = await listSessions(api, AMPLE_MS)
    simulator.faults.push({ kind: 'huge', bytes: Number.MAX_SAFE_INTEGER, share: 1 })
    const error = await faultOf(listSessions(api, AMPLE_MS))

    expect(atLimit).toEqual({ sessions: [], unreadable: 0, unknown: [] })
    expect(error.code).toBe('api_answer_invalid')
    expect(error.message).toContain('more than 67108864 bytes')
    expect(allOf(error).length).toBeLessThan(10_000)
  })
})

describe('a fault that passes', () => {
  test.concurrent.each<Fault>([
    { kind: 'code', code: 100012 },
    { kind: 'code', code: -101000 },
    { kind: 'cut' },
    { kind: 'cutBody' },
    { kind: 'html', status: 502 },
    { kind: 'status', status: 503 },
    { kind: 'invalidJson' },
    { kind: 'truncatedJson' },
    { kind: 'body', body: 'null' },
  ])('%o twice is overcome by the third try, which is signed anew', async (fault) => {
    const { simulator, api, create } = await serve({}, [{ ...fault, times: 2 }])
    create('ann')

    const { result, tookMs } = await timed(listSessions(api, AMPLE_MS))

    expect(result.sessions.map(({ id }) => id)).toEqual(['m-ann'])
    expect(simulator.calls.get('listsessionofuin')).toBe(3)
    // At least 100 ms and 200 ms between the tries, or a throttled API would be throttled on.
    expect(tookMs).toBeGreaterThan(295)
  })

  test('each try has a ReqId of its own, 32 hexadecimal digits', async () => {
    const ids: string[] = []
    const api = await serveBare((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { Header, Payload } = JSON.parse(Buffer.concat(chunks).toString()) as { Header: object; Payload: object }
        expect(Header).toEqual({})
        ids.push(String(Reflect.get(Payload, 'ReqId')))
        response.end(JSON.stringify({ Header: { Code: ids.length < 3 ? 100012 : 0 } }))
      })
    })

    await listSessions(api, AMPLE_MS)

    expect(ids).toHaveLength(3)
    expect(new Set(ids).size).toBe(3)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('the deadline', () => {
  const DEADLINE_MS = 400
  /** Far more than a loaded machine is late by, far less than any other end of these calls. */
  const LATE_MS = 2_000

  const trickling: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
  }
  const headersOnly: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('{"Header"')
  }

  test.concurrent.each<[name: string, start: () => Promise<Api>]>([
    ['no answer at all', async () => (await serve({}, [{ kind: 'never', share: 1 }])).api],
    ['a late answer', async () => (await serve({}, [{ kind: 'slow', delayMs: 5_000, share: 1 }])).api],
    ['a body that trickles for ever', () => serveBare(trickling)],
    ['a body that stops', () => serveBare(headersOnly)],
  ])('holds over %s: unreachable, in time, with the time named', async (_, start) => {
    const api = await start()

    const { result: error, tookMs } = await timed(faultOf(listSessions(api, DEADLINE_MS)))

    expect(tookMs).toBeGreaterThan(DEADLINE_MS - 10)
    expect(tookMs).toBeLessThan(DEADLINE_MS + LATE_MS)
    expect(error.code).toBe('api_unreachable')
    expect(error.message).toMatch(/: no complete answer within \d+(\.\d+)? ms \(answer\)$/)
    expect(allOf(error)).not.toMatch(SECRETS)
  })

  test('holds over all tries together: a late try has only what is left', async () => {
    const { simulator, api } = await serve({}, [{ kind: 'code', delayMs: 100 }, { kind: 'never' }])

    const { result: error, tookMs } = await timed(faultOf(listSessions(api, 3_000)))

    expect(tookMs).toBeLessThan(3_000 + LATE_MS)
    expect(error.code).toBe('api_unreachable')
    // The first answer took 100 ms, and the wait after it at least as long.
    expect(Number(/within (\d+)/.exec(error.message)?.[1])).toBeLessThan(2_820)
    expect(simulator.calls.get('listsessionofuin')).toBe(2)
  })

  test('leaves no time for another try: the fault is told at once, not after a useless wait', async () => {
    const { simulator, api } = await serve({}, [{ kind: 'code', share: 1 }])
    const deadlineMs = 5_000
    // A wait longer than that, however late the answer is.
    const random = vi.spyOn(Math, 'random').mockReturnValue(25)
    onTestFinished(() => random.mockRestore())

    const { result: error, tookMs } = await timed(faultOf(listSessions(api, deadlineMs)))

    expect(error.code).toBe('api_refused')
    expect(tookMs).toBeLessThan(deadlineMs)
    expect(simulator.calls.get('listsessionofuin')).toBe(1)
  })

  test('that is over before it began still ends, and asks at most once', async () => {
    const { simulator, api } = await serve({}, [{ kind: 'never', share: 1 }])

    const { result: error, tookMs } = await timed(faultOf(listSessions(api, -5)))

    expect(error.code).toBe('api_unreachable')
    expect(error.message).toContain('within 1 ms')
    expect(tookMs).toBeLessThan(LATE_MS)
    expect(simulator.calls.get('listsessionofuin') ?? 0).toBeLessThanOrEqual(1)
  })
})
