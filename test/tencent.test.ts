// The double stands where Tencent Cloud's API is, on a real socket. It checks signatures by the published algorithm, from
// cloud/tc3.ts. The whole double of the cloud is cloud/cloud.ts.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../lib/config.ts'
import { AppError, describe as tell } from '../lib/errors.ts'
import { cloudOf } from '../lib/scf.ts'
import { type Cloud, invokeFunction } from '../lib/tencent.ts'
import { authorization } from './cloud/tc3.ts'

const SECRET_ID = 'AKIDtestsecretid'
const SECRET_KEY = 'hush-the-secret-key'
const TOKEN = 'hush-the-session-token'

interface Call {
  url: string
  headers: IncomingHttpHeaders
  body: string
}

const undo: (() => void)[] = []
afterEach(() => {
  vi.unstubAllEnvs()
  for (const step of undo.splice(0)) step()
})

const success = (response: ServerResponse) => void response.end(JSON.stringify({ Response: { RequestId: 'r-1' } }))

/** Serves the API at http://*.localhost:PORT, and gives what it was asked. */
async function serveApi(answer: (response: ServerResponse) => void = success): Promise<{ url: string; calls: Call[] }> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      calls.push({ url: `${request.method} ${request.url}`, headers: request.headers, body })
      answer(response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  undo.push(() => (server.close(), server.closeAllConnections()))
  return { url: `http://localhost:${(server.address() as AddressInfo).port}`, calls }
}

function cloudAt(url: string, credential: Record<string, string> = {}): Cloud {
  const role = {
    TENCENTCLOUD_SECRETID: SECRET_ID,
    TENCENTCLOUD_SECRETKEY: SECRET_KEY,
    TENCENTCLOUD_SESSIONTOKEN: TOKEN,
    ...credential,
  }
  const { cloud } = readConfig({ TENCENT_API_URL: url, TENCENTCLOUD_REGION: 'ap-shanghai' }, ['cloud'])
  return cloudOf(cloud, role)
}

async function faultOf(invoked: Promise<void>): Promise<AppError> {
  const error: unknown = await invoked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AppError)
  return error as AppError
}

/** The header that this key would have signed the call with. */
function signed(call: Call, secretKey: string): string {
  return authorization(call, 'scf', { secretId: SECRET_ID, secretKey })
}

describe('invokeFunction', () => {
  it('asks SCF to run the function asynchronously, signed so that the API can verify it', async () => {
    const api = await serveApi()

    await invokeFunction(cloudAt(api.url), 'rollcall-webhook')

    const [call] = api.calls
    expect(api.calls).toHaveLength(1)
    expect(call?.url).toBe('POST /')
    expect(JSON.parse(call?.body ?? '')).toEqual({
      FunctionName: 'rollcall-webhook',
      InvocationType: 'Event',
      ClientContext: '{}',
    })
    expect(call?.headers).toMatchObject({
      host: new URL(api.url).host.replace('localhost', 'scf.localhost'),
      'x-tc-action': 'Invoke',
      'x-tc-version': '2018-04-16',
      'x-tc-region': 'ap-shanghai',
      'x-tc-token': TOKEN,
    })
    expect(Math.abs(Date.now() / 1_000 - Number(call?.headers['x-tc-timestamp']))).toBeLessThan(30)
    expect(call?.headers.authorization).toBe(signed(call as Call, SECRET_KEY))
    expect(call?.headers.authorization).not.toBe(signed(call as Call, 'another key'))
  })

  it('sends no token when the credential has none, as that of a person', async () => {
    const api = await serveApi()

    await invokeFunction(cloudAt(api.url, { TENCENTCLOUD_SESSIONTOKEN: '' }), 'rollcall-webhook')

    expect(api.calls[0]?.headers).not.toHaveProperty('x-tc-token')
  })

  it('takes the credential that is valid at each call, since that of a role is temporary', async () => {
    const api = await serveApi()
    const role = { TENCENTCLOUD_SECRETID: SECRET_ID, TENCENTCLOUD_SECRETKEY: 'first', TENCENTCLOUD_SESSIONTOKEN: 'a' }
    const cloud = cloudOf({ url: new URL(api.url), region: 'ap-guangzhou' }, role)

    await invokeFunction(cloud, 'rollcall-webhook')
    Object.assign(role, { TENCENTCLOUD_SECRETKEY: 'second', TENCENTCLOUD_SESSIONTOKEN: 'b' })
    await invokeFunction(cloud, 'rollcall-webhook')

    expect(api.calls.map(({ headers }) => headers['x-tc-token'])).toEqual(['a', 'b'])
    expect(api.calls.map(({ headers }) => headers.authorization)).toEqual(
      api.calls.map((call, i) => signed(call, i === 0 ? 'first' : 'second')),
    )
  })

  it('goes to the API although the environment names a proxy', async () => {
    const proxy = await serveApi()
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY']) vi.stubEnv(name, proxy.url)
    const api = await serveApi()

    await invokeFunction(cloudAt(api.url), 'rollcall-webhook')

    expect([api.calls.length, proxy.calls.length]).toEqual([1, 0])
  })

  const apiError = JSON.stringify({
    Response: { Error: { Code: 'ResourceNotFound.FunctionName', Message: 'no such function' }, RequestId: 'r-2' },
  })
  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['an error of the API', (response) => response.end(apiError), /no such function/],
    ['the code of an error of the API', (response) => response.end(apiError), /ResourceNotFound\.FunctionName/],
    ['HTTP 500', (response) => response.writeHead(500).end('oops'), /Internal Server Error|500/],
    ['HTML', (response) => response.setHeader('content-type', 'text/html').end('<html>\nlogin</html>'), /json/i],
    ['an empty object', (response) => response.end('{}'), /was not invoked/],
    ['an empty body', (response) => response.end(), /was not invoked/],
    ['a hang-up', (response) => response.destroy(), /socket hang up|ECONNRESET/],
  ])('tells of %s as invoke_failed, in one line without a secret', async (_, answer, expected) => {
    const api = await serveApi(answer)

    const fault = await faultOf(invokeFunction(cloudAt(api.url), 'rollcall-webhook'))

    expect(fault.code).toBe('invoke_failed')
    expect(fault.message).toMatch(/^function rollcall-webhook was not invoked: .*; its timer will deliver$/)
    expect(fault.message).toMatch(expected)
    expect(tell(fault)).not.toMatch(/hush|AKID|\n/)
  })

  it('tells of an API that nobody serves as invoke_failed', async () => {
    const api = await serveApi()
    for (const step of undo.splice(0)) step()

    const fault = await faultOf(invokeFunction(cloudAt(api.url), 'rollcall-webhook'))

    expect(fault.code).toBe('invoke_failed')
    expect(fault.message).toMatch(/ECONNREFUSED/)
    expect(tell(fault)).not.toMatch(/hush|AKID/)
  })

  it('gives up on an API that does not answer, after some 5 s', async () => {
    const api = await serveApi(() => undefined)
    const startedAt = performance.now()

    const fault = await faultOf(invokeFunction(cloudAt(api.url), 'rollcall-webhook'))

    expect(fault.code).toBe('invoke_failed')
    expect(fault.message).toMatch(/timeout/)
    expect(performance.now() - startedAt).toBeLessThan(9_000)
  })

  it.each(['TENCENTCLOUD_SECRETID', 'TENCENTCLOUD_SECRETKEY'])(
    'without %s asks for a running role, and sends nothing',
    async (name) => {
      const api = await serveApi()

      const fault = await faultOf(invokeFunction(cloudAt(api.url, { [name]: '' }), 'rollcall-webhook'))

      expect(fault.code).toBe('config_invalid')
      expect(fault.message).toMatch(/running role.*TENCENTCLOUD_SECRETID.*TENCENTCLOUD_SECRETKEY/)
      expect(fault.message).not.toMatch(/hush|AKID/)
      expect(api.calls).toEqual([])
    },
  )
})
