import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { basePath } from '../../lib/local/simulator/api.ts'
import type { Fault } from '../../lib/local/simulator/faults.ts'
import { serveSimulator, type SimulatorServer } from '../../lib/local/simulator/server.ts'
import { isSigned } from '../../lib/local/simulator/signature.ts'
import {
  closeSession,
  createSession,
  createSimulator,
  type Settings,
  type Simulator,
  startSession,
} from '../../lib/local/simulator/simulator.ts'

// Real HTTP against the simulator on 127.0.0.1; sessions live in virtual time, signatures in real time.
const reqId = '0123456789abcdef0123456789abcdef'

interface Bench {
  simulator: Simulator
  server: SimulatorServer
  pass: (seconds: number) => void
  post: (endpoint: string, payload?: object) => Promise<Response>
  ask: (endpoint: string, payload?: object) => Promise<{ code: number; message: string; payload: Reply | undefined }>
}
type Reply = Record<string, unknown> & { Sessions?: Record<string, unknown>[] | null }

const open: SimulatorServer[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()))
})

async function serve(settings: Partial<Settings> = {}): Promise<Bench> {
  let now = 0
  const simulator = createSimulator({ now: () => now, settings: { preparingSeconds: [10, 10], ...settings } })
  const server = await serveSimulator(simulator)
  open.push(server)
  const post: Bench['post'] = (endpoint, payload = {}) =>
    fetch(`${server.url}${basePath}${endpoint}?${query(simulator)}`, {
      method: 'POST',
      redirect: 'manual',
      body: JSON.stringify({ Header: {}, Payload: { ReqId: reqId, ...payload } }),
    })
  return {
    simulator,
    server,
    pass: (seconds) => void (now += seconds * 1000),
    post,
    ask: async (endpoint, payload) => {
      const answer = (await (await post(endpoint, payload)).json()) as { Header: Reply; Payload?: Reply }
      return { code: Number(answer.Header['Code']), message: String(answer.Header['Message']), payload: answer.Payload }
    },
  }
}

function query({ appkey, accessToken }: Simulator, seconds = Math.floor(Date.now() / 1000)): string {
  const text = `appkey=${appkey}&timestamp=${seconds}`
  const signature = createHmac('sha256', accessToken).update(text).digest('base64')
  return `${text}&signature=${encodeURIComponent(signature)}`
}

function create({ simulator }: Bench, userId: string, where: object = { projectId: 'p' }): string {
  const outcome = createSession(simulator, { userId, ...where })
  if (!('ok' in outcome)) throw new Error(outcome.message)
  return outcome.ok.id
}

async function listed({ ask }: Bench): Promise<Record<string, unknown>[]> {
  const { code, payload } = await ask('listsessionofuin')
  expect(code).toBe(0)
  return payload?.Sessions ?? []
}

describe('the signature', () => {
  const mainland = { appkey: 'e38267c0e86411ebb02aed82acb0ed99', accessToken: 'f68f2d10ae9e4604b76fb05cf46bccec' }
  const international = { appkey: 'example_appkey', accessToken: 'example_accesstoken' }

  test('both published vectors verify, the parameters in any order', () => {
    const first = `appkey=${mainland.appkey}&timestamp=1646636485&signature=BfWuaC9kmaicCggXc693uK%2BsZQ8qe88O4HVQNTdwZuo%3D`
    const second = `signature=aCNWYzZdplxWVo%2BJsqzZc9%2BJ9XrwWWITfX3eQpsLVno%3D&timestamp=1717639699&appkey=example_appkey`

    expect(isSigned(first, mainland, 1646636485_000)).toBe(true)
    expect(isSigned(second, international, 1717639699_000)).toBe(true)
  })

  test('an unencoded + reads as a space and fails; so does the printed misprint without its first letter', () => {
    const signed = (signature: string) => `appkey=${mainland.appkey}&timestamp=1646636485&signature=${signature}`

    expect(isSigned(signed('BfWuaC9kmaicCggXc693uK+sZQ8qe88O4HVQNTdwZuo='), mainland, 1646636485_000)).toBe(false)
    expect(isSigned(signed('fWuaC9kmaicCggXc693uK%2BsZQ8qe88O4HVQNTdwZuo%3D'), mainland, 1646636485_000)).toBe(false)
  })

  test('every other parameter is signed, and a timestamp is good for 5 minutes either way', () => {
    const vector = `appkey=example_appkey&timestamp=1717639699&signature=aCNWYzZdplxWVo%2BJsqzZc9%2BJ9XrwWWITfX3eQpsLVno%3D`
    const at = (ms: number) => isSigned(vector, international, 1717639699_000 + ms)

    expect(isSigned(`${vector}&extra=1`, international, 1717639699_000)).toBe(false)
    expect([-300_001, -300_000, 300_000, 300_001].map(at)).toEqual([false, true, true, false])
  })

  test('a wrong key, a stale timestamp and an unknown appkey all meet 100005 with HTTP 200', async () => {
    const { simulator, server } = await serve()
    const refusedQueries = [
      query({ ...simulator, accessToken: 'other' }),
      query(simulator, Math.floor(Date.now() / 1000) - 400),
      query({ ...simulator, appkey: 'other' }),
      '',
    ]

    const answers = await Promise.all(
      refusedQueries.map(async (text) => {
        const response = await fetch(`${server.url}${basePath}listsessionofuin?${text}`, { method: 'POST', body: '{}' })
        const { Header } = (await response.json()) as { Header: { Code: number } }
        return [response.status, Header.Code]
      }),
    )

    expect(answers).toEqual([...Array<number[]>(4)].map(() => [200, 100005]))
  })
})

describe('the endpoints', () => {
  test('create, start, stat and close as a client does them', async () => {
    const bench = await serve()

    const created = await bench.ask('createsession', {
      VirtualmanProjectId: 'p',
      UserId: 'ann',
      Protocol: 'webrtc',
      DriverType: '3',
    })
    const SessionId = String(created.payload?.['SessionId'])
    const preparing = await bench.ask('statsession', { SessionId })
    bench.pass(10)
    const started = await bench.ask('startsession', { SessionId })
    const ready = await bench.ask('statsession', { SessionId })
    await bench.ask('closesession', { SessionId })
    const closed = await bench.ask('statsession', { SessionId })

    expect(created.payload).toEqual({ ReqId: reqId, SessionId, SessionStatus: 3 })
    expect(preparing.payload).toEqual({ ReqId: reqId, SessionStatus: 3, IsSessionStarted: false, ErrorCode: 0 })
    expect(started).toEqual({ code: 0, message: '', payload: { ReqId: reqId } })
    expect(ready.payload).toEqual({
      ReqId: reqId,
      SessionStatus: 1,
      PlayStreamAddr: `webrtc://live.qq.com/live/${SessionId}?min_delay_ms=100`,
      IsSessionStarted: true,
      ErrorCode: 0,
    })
    expect(closed.payload).toMatchObject({ SessionStatus: 2, IsSessionStarted: true, ErrorCode: 0 })
  })

  test('statsession knows why a session ended until retention is over, then 110018', async () => {
    const bench = await serve({ retentionSeconds: 60 })
    const id = create(bench, 'ann')
    create(bench, 'ann')

    const known = await bench.ask('statsession', { SessionId: id })
    bench.pass(60)
    const forgotten = await bench.ask('statsession', { SessionId: id })

    expect(known.payload).toMatchObject({ SessionStatus: 2, ErrorCode: 110022 })
    expect(known.payload?.['ErrorMessage']).toMatch(/^SessionReplaced: /)
    expect(forgotten.code).toBe(110018)
  })

  test('lists by project and by asset hold their own sessions only', async () => {
    const bench = await serve()
    create(bench, 'ann', { projectId: 'p1' })
    const created = await bench.ask('createsessionbyasset', { AssetVirtualmanKey: 'k1', UserId: 'bob' })

    const users = async (endpoint: string, payload: object) =>
      (await bench.ask(endpoint, payload)).payload?.Sessions?.map((session) => session['UserId'])

    expect(created.code).toBe(0)
    expect(await users('listsessionofuin', {})).toEqual(['ann', 'bob'])
    expect(await users('listsessionofprojectid', { VirtualmanProjectId: 'p1' })).toEqual(['ann'])
    expect(await users('listsessionofassetvk', { AssetVirtualmanKey: 'k1' })).toEqual(['bob'])
    expect(await users('listsessionofassetvk', { AssetVirtualmanKey: 'k2' })).toEqual([])
  })

  test.each([
    ['a body that is not JSON', 'x'],
    ['no Header', `{"Payload":{"ReqId":"${reqId}"}}`],
    ['no Payload', '{"Header":{}}'],
    ['a ReqId with dashes', '{"Header":{},"Payload":{"ReqId":"01234567-89ab-cdef-0123-456789abcdef"}}'],
  ])('%s is a bad parameter, 100001', async (_, body) => {
    const { simulator, server } = await serve()

    const response = await fetch(`${server.url}${basePath}listsessionofuin?${query(simulator)}`, {
      method: 'POST',
      body,
    })

    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ Header: { Code: 100001 } })
  })

  test('a failure carries a Payload or none, as set', async () => {
    const bench = await serve()

    const having = await bench.ask('startsession', { SessionId: 'm1' })
    bench.simulator.settings.payloadOnFailure = false
    const lacking = await bench.ask('startsession', { SessionId: 'm1' })

    expect(having).toMatchObject({ code: 110018, payload: { ReqId: reqId } })
    expect(lacking).toMatchObject({ code: 110018, payload: undefined })
  })

  test('calls are counted by endpoint, and an unknown path is 404', async () => {
    const bench = await serve()

    await bench.ask('listsessionofuin')
    await bench.ask('listsessionofuin')
    const unknown = await bench.post('nosuch')

    expect(unknown.status).toBe(404)
    expect([...bench.simulator.calls]).toEqual([
      ['listsessionofuin', 2],
      ['other', 1],
    ])
  })
})

describe('a list', () => {
  test('shows 1 and 3 in the short form, with an address only once the stream is ready', async () => {
    const bench = await serve()
    const ready = create(bench, 'ann')
    bench.pass(10)
    startSession(bench.simulator, ready)
    const preparing = create(bench, 'bob', { projectId: 'p', driverType: 3 })
    closeSession(bench.simulator, create(bench, 'cid'))

    expect(await listed(bench)).toEqual([
      {
        UserId: 'ann',
        SessionId: ready,
        SessionStatus: 1,
        PlayStreamAddr: `rtmp://live.qq.com/live/${ready}`,
        DriverType: 1,
        IsSessionStarted: true,
      },
      { UserId: 'bob', SessionId: preparing, SessionStatus: 3, DriverType: 3, IsSessionStarted: false },
    ])
  })

  test('has 11 fields and DriverType as text, as set', async () => {
    const bench = await serve({ fields: 11, driverTypeAs: 'string', cachedShare: 1 })
    create(bench, 'ann', { assetKey: 'k' })

    const [session] = await listed(bench)

    expect(Object.keys(session ?? {})).toHaveLength(11)
    expect(session).toMatchObject({ DriverType: '1', CreateType: 1, AssetVirtualmanKey: 'k', VirtualmanProjectId: '' })
  })

  test('lets ended sessions linger for the seconds set, also when statsession has forgotten them', async () => {
    const bench = await serve({ lingerSeconds: 5, retentionSeconds: 0 })
    const id = create(bench, 'ann')
    closeSession(bench.simulator, id)

    const [ended] = await listed(bench)
    const { code } = await bench.ask('statsession', { SessionId: id })
    bench.pass(5)

    expect(ended).toMatchObject({ SessionId: id, SessionStatus: 2 })
    expect(code).toBe(110018)
    expect(await listed(bench)).toEqual([])
  })

  test.each([
    ['[]', { ReqId: reqId, Sessions: [] }],
    ['null', { ReqId: reqId, Sessions: null }],
    ['missing', { ReqId: reqId }],
  ] as const)('is %s when empty, as set', async (emptyAs, expected) => {
    const { ask } = await serve({ emptyAs })

    expect((await ask('listsessionofuin')).payload).toEqual(expected)
  })

  test('comes in random order, the same for the same seed', async () => {
    const orders = []
    for (const shuffle of [false, true, true]) {
      const bench = await serve({ shuffle })
      for (let i = 0; i < 20; i += 1) create(bench, `user-${i}`)
      orders.push((await listed(bench)).map((session) => session['UserId']))
    }

    const [inOrder, first, second] = orders
    expect(inOrder).toEqual(Array.from({ length: 20 }, (_, i) => `user-${i}`))
    expect(first).not.toEqual(inOrder)
    expect(first).toEqual(second)
    expect(first?.toString().split(',').sort()).toEqual(inOrder?.toString().split(',').sort())
  })

  test('shows the share of the sessions that is set with status 5, always the same ones', async () => {
    const bench = await serve({ unknownStatusShare: 0.5 })
    for (let i = 0; i < 40; i += 1) create(bench, `user-${i}`)

    const [first, second] = [await listed(bench), await listed(bench)]

    const odd = first.filter((session) => session['SessionStatus'] === 5)
    expect(odd.length).toBeGreaterThan(8)
    expect(odd.length).toBeLessThan(32)
    expect(second).toEqual(first)
  })

  test('repeats, drops and adds items, and may be empty although sessions live', async () => {
    const bench = await serve()
    for (let i = 0; i < 40; i += 1) create(bench, `user-${i}`)
    const count = async (settings: Partial<Settings>) => {
      const before = { ...bench.simulator.settings }
      Object.assign(bench.simulator.settings, settings)
      const found = await listed(bench)
      Object.assign(bench.simulator.settings, before)
      return found.length
    }

    expect(await count({ duplicateShare: 1 })).toBe(80)
    expect(await count({ extraItems: [null, 7, { SessionId: 'm\u0000' }] })).toBe(43)
    expect(await count({ emptyListShare: 1 })).toBe(0)
    const kept = await count({ droppedShare: 0.5 })
    expect(kept).toBeGreaterThan(8)
    expect(kept).toBeLessThan(32)
    expect(await count({})).toBe(40)
  })

  test('has trailing commas that are its only offence', async () => {
    const bench = await serve({ trailingCommas: true, extraItems: ['a,}', { b: [] }] })
    create(bench, 'ann')

    const text = await (await bench.post('listsessionofuin')).text()

    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError)
    expect(text).toMatch(/,"IsSessionStarted":false,\},"a,\}",\{"b":\[\],\},\],\},\}$/)
    expect(JSON.parse(text.replaceAll(/,(?=[\]}](?!"))/g, ''))).toMatchObject({
      Payload: { Sessions: [{}, 'a,}', {}] },
    })
  })

  test('does not change what happens: a watched run and an unwatched one are the same', async () => {
    const runs = []
    for (const watched of [true, false]) {
      const bench = await serve({ shuffle: true, droppedShare: 0.5, failedShare: 0.5, preparingSeconds: [1, 60] })
      for (let i = 0; i < 10; i += 1) {
        create(bench, `user-${i}`)
        if (watched) await listed(bench)
        bench.pass(5)
      }
      runs.push(bench.simulator.truth)
    }

    expect(runs[0]).toEqual(runs[1])
  })
})

test('statsession is unavailable as set, while lists go on', async () => {
  const bench = await serve({ statUnavailable: true })
  const id = create(bench, 'ann')

  expect((await bench.ask('statsession', { SessionId: id })).code).toBe(-101000)
  expect(await listed(bench)).toHaveLength(1)
})

describe('a fault', () => {
  async function struck(fault: Fault): Promise<{ status: number; type: string | null; text: string }> {
    const bench = await serve()
    create(bench, 'ann')
    bench.simulator.faults.push(fault)
    const response = await bench.post('listsessionofuin')
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
  }

  test('is queued for the next calls of some endpoints, and is then over', async () => {
    const bench = await serve()
    bench.simulator.faults.push({ kind: 'code', code: 100012, times: 2, path: 'list' })

    const codes = []
    for (const endpoint of ['statsession', 'listsessionofuin', 'listsessionofuin', 'listsessionofuin']) {
      codes.push((await bench.ask(endpoint, { SessionId: 'm1' })).code)
    }

    expect(codes).toEqual([110018, 100012, 100012, 0])
    expect(bench.simulator.faults).toEqual([])
  })

  test('strikes a share of the calls for as long as it stands', async () => {
    const bench = await serve()
    bench.simulator.faults.push({ kind: 'code', share: 0.5 })

    const codes = []
    for (let i = 0; i < 60; i += 1) codes.push((await bench.ask('listsessionofuin')).code)

    expect(new Set(codes)).toEqual(new Set([0, -101000]))
    expect(codes.filter((code) => code === 0).length).toBeGreaterThan(15)
    expect(codes.filter((code) => code === 0).length).toBeLessThan(45)
  })

  test('delays the answer, which is as of before the delay', async () => {
    const bench = await serve()
    bench.simulator.faults.push({ kind: 'slow', delayMs: 100 })

    const began = performance.now()
    const answer = bench.ask('listsessionofuin')
    await expect.poll(() => bench.simulator.calls.size, { interval: 5 }).toBe(1)
    create(bench, 'ann')

    expect((await answer).payload?.Sessions).toEqual([])
    expect(performance.now() - began).toBeGreaterThan(95)
  })

  test.each(['cut', 'cutBody'] as const)('%s breaks the connection, but the call took effect', async (kind) => {
    const bench = await serve()
    bench.simulator.faults.push({ kind })

    const text = bench.post('createsession', { VirtualmanProjectId: 'p', UserId: 'ann' }).then((it) => it.text())

    await expect(text).rejects.toThrow(TypeError)
    expect(await listed(bench)).toHaveLength(1)
  })

  test('sends an HTML page, with HTTP 200 or another status', async () => {
    const page = { type: 'text/html', text: expect.stringContaining('<html>') }

    expect(await struck({ kind: 'html' })).toEqual({ status: 200, ...page })
    expect(await struck({ kind: 'html', status: 502 })).toEqual({ status: 502, ...page })
  })

  test('sends an HTTP status', async () => {
    expect((await struck({ kind: 'status' })).status).toBe(500)
    expect((await struck({ kind: 'status', status: 429 })).status).toBe(429)
  })

  test.each(['invalidJson', 'truncatedJson'] as const)('%s cannot be parsed', async (kind) => {
    const { status, text } = await struck({ kind })

    expect(status).toBe(200)
    expect(text).toMatch(/^\{"Header":\{"Code":0,/)
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError)
  })

  test.each(['[]', 'null', '"x"'])('sends %s where an object is expected', async (body) => {
    expect((await struck({ kind: 'body', body })).text).toBe(body)
  })

  test('sends a huge body, which is a valid list of the size asked for', async () => {
    const { text } = await struck({ kind: 'huge', bytes: 3_000_000 })

    expect(text).toHaveLength(3_000_000)
    expect(JSON.parse(text)).toEqual({ Header: { Code: 0, Message: '' }, Payload: { Sessions: [] } })
  })

  test('stops sending a huge body when the caller hangs up', async () => {
    const bench = await serve()
    bench.simulator.faults.push({ kind: 'huge', bytes: Number.MAX_SAFE_INTEGER })

    const response = await bench.post('listsessionofuin')
    await response.body?.cancel()

    expect(await listed(bench)).toEqual([])
  })

  test('never answers, and closing the server ends the wait at once', async () => {
    const bench = await serve()
    bench.simulator.faults.push({ kind: 'never' })

    const outcome = bench.post('listsessionofuin').catch((error: unknown) => error)
    await expect.poll(() => bench.simulator.calls.size, { interval: 5 }).toBe(1)
    await open.pop()?.close()

    expect(await outcome).toBeInstanceOf(TypeError)
  })

  test('answers as to a bad signature, with the HTTP status set for it', async () => {
    const bench = await serve({ unauthorizedStatus: 401 })
    bench.simulator.faults.push({ kind: 'badSignature' })

    const response = await bench.post('listsessionofuin')

    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ Header: { Code: 100005 } })
  })

  test('redirects', async () => {
    const bench = await serve()
    bench.simulator.faults.push({ kind: 'redirect', location: 'http://169.254.169.254/' })

    const response = await bench.post('listsessionofuin')

    expect([response.status, response.headers.get('location')]).toEqual([302, 'http://169.254.169.254/'])
  })
})

describe('the control side', () => {
  async function send(url: string, method: string, value?: unknown): Promise<[number, unknown]> {
    const response = await fetch(url, { method, ...(value !== undefined && { body: JSON.stringify(value) }) })
    return [response.status, await response.json()]
  }

  test('GET /truth gives every transition up to now', async () => {
    const bench = await serve()
    create(bench, 'ann')
    bench.pass(11)

    const [status, body] = await send(bench.server.truthUrl, 'GET')

    expect(status).toBe(200)
    expect(body).toEqual({ now: 11_000, transitions: bench.simulator.truth })
    expect(bench.simulator.truth.map(({ cause }) => cause)).toEqual(['create', 'ready'])
  })

  test('PATCH /settings changes what it names; a wrong patch changes nothing and says why', async () => {
    const { server, simulator } = await serve()
    const url = `${server.url}/settings`

    const [good] = await send(url, 'PATCH', { failedShare: 0.5 })
    const [bad, { error }] = (await send(url, 'PATCH', { capacity: 3, emptyAs: 'none' })) as [number, { error: string }]
    const [, unknown] = await send(url, 'PATCH', { hasOwnProperty: 1 })

    expect([good, bad]).toEqual([200, 400])
    expect(error).toBe('emptyAs: expected one of ["[]","null","missing"], got "none"')
    expect(unknown).toEqual({ error: expect.stringMatching(/^hasOwnProperty: not a setting/) })
    expect(await send(url, 'GET')).toEqual([200, { ...simulator.settings, failedShare: 0.5, capacity: 1000 }])
  })

  test('POST /faults queues one or several, DELETE empties the queue', async () => {
    const { server, simulator } = await serve()
    const url = `${server.url}/faults`

    await send(url, 'POST', { kind: 'cut', path: 'list' })
    await send(url, 'POST', [{ kind: 'never' }, { kind: 'code', code: 100012, times: 3 }])
    const refused = await send(url, 'POST', { kind: 'cut', times: '2' })
    const queued = [...simulator.faults]
    await send(url, 'DELETE')

    expect(queued.map(({ kind }) => kind)).toEqual(['cut', 'never', 'code'])
    expect(refused).toEqual([400, { error: 'times: expected a number, got "2"' }])
    expect(simulator.faults).toEqual([])
  })
})
