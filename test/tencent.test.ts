// The double is Tencent Cloud's API (test/support/tencent-api.ts), which checks signatures by an implementation of its own.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AppError, describe as tell } from '../lib/errors.ts'
import { cloudOf } from '../lib/scf.ts'
import { type Cloud, invokeFunction } from '../lib/tencent.ts'
import {
  type Answer,
  authorization,
  type Call,
  refuse,
  role,
  serveTencent,
  type TencentApi,
} from './support/tencent-api.ts'

const SECRET_KEY = role.TENCENTCLOUD_SECRETKEY

const undo: (() => void)[] = []
afterEach(() => {
  vi.unstubAllEnvs()
  for (const step of undo.splice(0)) step()
})

async function serveApi(answer?: Answer): Promise<TencentApi> {
  const api = await serveTencent(answer)
  undo.push(() => api.close())
  return api
}

function cloudAt(url: string, credential: Record<string, string> = {}): Cloud {
  return cloudOf({ url: new URL(url), region: 'ap-shanghai' }, { ...role, ...credential })
}

async function faultOf(invoked: Promise<void>): Promise<AppError> {
  const error: unknown = await invoked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AppError)
  return error as AppError
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
      Qualifier: '$DEFAULT',
      InvocationType: 'Event',
      ClientContext: '{}',
    })
    expect(call?.headers).toMatchObject({
      host: new URL(api.url).host.replace('localhost', 'scf.localhost'),
      'x-tc-action': 'Invoke',
      'x-tc-version': '2018-04-16',
      'x-tc-region': 'ap-shanghai',
      'x-tc-token': role.TENCENTCLOUD_SESSIONTOKEN,
    })
    expect(Math.abs(Date.now() / 1_000 - Number(call?.headers['x-tc-timestamp']))).toBeLessThan(30)
    expect(call?.headers.authorization).toBe(authorization(call as Call, SECRET_KEY))
    expect(call?.headers.authorization).not.toBe(authorization(call as Call, 'another key'))
  })

  it('sends no token when the credential has none, as that of a person', async () => {
    const api = await serveApi()

    await invokeFunction(cloudAt(api.url, { TENCENTCLOUD_SESSIONTOKEN: '' }), 'rollcall-webhook')

    expect(api.calls[0]?.headers).not.toHaveProperty('x-tc-token')
  })

  it('takes the credential that is valid at each call, since that of a role is temporary', async () => {
    const api = await serveApi()
    const current = { ...role, TENCENTCLOUD_SECRETKEY: 'first', TENCENTCLOUD_SESSIONTOKEN: 'a' }
    const cloud = cloudOf({ url: new URL(api.url), region: 'ap-guangzhou' }, current)

    await invokeFunction(cloud, 'rollcall-webhook')
    Object.assign(current, { TENCENTCLOUD_SECRETKEY: 'second', TENCENTCLOUD_SESSIONTOKEN: 'b' })
    await invokeFunction(cloud, 'rollcall-webhook')

    expect(api.calls.map(({ headers }) => headers['x-tc-token'])).toEqual(['a', 'b'])
    expect(api.calls.map(({ headers }) => headers.authorization)).toEqual(
      api.calls.map((call, i) => authorization(call, i === 0 ? 'first' : 'second')),
    )
  })

  it('goes to the API although the environment names a proxy', async () => {
    const proxy = await serveApi()
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY']) vi.stubEnv(name, proxy.url)
    const api = await serveApi()

    await invokeFunction(cloudAt(api.url), 'rollcall-webhook')

    expect([api.calls.length, proxy.calls.length]).toEqual([1, 0])
  })

  const notFound: Answer = (response) => refuse(response, 'ResourceNotFound.FunctionName', 'no such function')
  it.each<[string, Answer, RegExp]>([
    ['an error of the API', notFound, /no such function/],
    ['the code of an error of the API', notFound, /ResourceNotFound\.FunctionName/],
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
