// The double is Tencent Cloud's API (test/support/tencent-api.ts), which checks signatures by an implementation of its own.
import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AppError, describe as tell } from '../lib/errors.ts'
import { cloudOf } from '../lib/scf.ts'
import { type Cloud, invokeFunction, readSecret } from '../lib/tencent.ts'
import {
  type Answer,
  authorization,
  type Call,
  holding,
  refuse,
  respond,
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

async function faultOf(invoked: Promise<unknown>): Promise<AppError> {
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
    expect(fault.message).toMatch(/^function rollcall-webhook was not invoked: .*; its timer makes up for it$/)
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
      expect(fault.message).toMatch(/running role.*TENCENTCLOUD_SECRET_ID.*TENCENTCLOUD_SECRET_KEY/)
      expect(fault.message).not.toMatch(/hush|AKID/)
      expect(api.calls).toEqual([])
    },
  )
})

describe('readSecret', () => {
  it('asks for the version in use, signed so that the API can verify it, and gives the text in it', async () => {
    const api = await serveApi(holding({ 'rollcall-db': 'hush hush' }))

    const content = await readSecret(cloudAt(api.url), 'rollcall-db')

    const [call] = api.calls
    expect(content).toBe('hush hush')
    expect(api.calls).toHaveLength(1)
    expect(JSON.parse(call?.body ?? '')).toEqual({ SecretName: 'rollcall-db', VersionId: 'SSM_Current' })
    expect(call?.headers).toMatchObject({
      host: new URL(api.url).host.replace('localhost', 'ssm.localhost'),
      'x-tc-action': 'GetSecretValue',
      'x-tc-version': '2019-09-23',
      'x-tc-region': 'ap-shanghai',
      'x-tc-token': role.TENCENTCLOUD_SESSIONTOKEN,
    })
  })

  it.each<[string, object, string]>([
    ["as Base64, in the documentation's own example", { SecretBinary: '5Yet5o2udmFsdWUyCg==' }, '凭据value2\n'],
    ['as text beside null', { SecretString: 'text', SecretBinary: null }, 'text'],
    ['as Base64 beside null', { SecretString: null, SecretBinary: 'dGV4dA==' }, 'text'],
  ])('reads what comes %s', async (_, fields, expected) => {
    const api = await serveApi((response) => respond(response, fields))

    expect(await readSecret(cloudAt(api.url), 'rollcall-db')).toBe(expected)
  })

  const cut: Answer = (response) =>
    response.writeHead(200, { 'content-length': 100 }).write('{"Resp', () => response.destroy())
  it.each<[string, Answer]>([
    ['throttling', (response) => refuse(response, 'RequestLimitExceeded')],
    ['throttling of the account', (response) => refuse(response, 'RequestLimitExceeded.UinLimitExceeded')],
    ['an error inside the API', (response) => refuse(response, 'InternalError')],
    ['HTTP 502', (response) => response.writeHead(502).end()],
    ['HTTP 429', (response) => response.writeHead(429).end()],
    ['a hang-up', (response) => response.destroy()],
    ['an answer that breaks off', cut],
  ])('asks again after %s', async (_, failing) => {
    const working = holding({ 'rollcall-db': 'hush' })
    const api = await serveApi((response, call) => (api.calls.length === 1 ? failing : working)(response, call))

    expect(await readSecret(cloudAt(api.url), 'rollcall-db')).toBe('hush')
    expect(api.calls).toHaveLength(2)
  })

  it('gives up after four tries, and says why the last one failed', async () => {
    const api = await serveApi((response) => refuse(response, 'InternalError'))

    const fault = await faultOf(readSecret(cloudAt(api.url), 'rollcall-db'))

    expect(tell(fault)).toBe('secret_unreadable: InternalError')
    expect(api.calls).toHaveLength(4)
  })

  it('gives up on an API that does not answer after some 5 s, all tries together', async () => {
    const api = await serveApi(() => undefined)
    const startedAt = performance.now()

    const fault = await faultOf(readSecret(cloudAt(api.url), 'rollcall-db'))

    expect(tell(fault)).toMatch(/^secret_unreadable: no answer in time; check/)
    expect(performance.now() - startedAt).toBeLessThan(6_500)
    expect(api.calls.length).toBeGreaterThan(1)
  })

  it.each<[string, RegExp]>([
    ['ResourceNotFound', /check the name, and that it is in ap-shanghai and has a version named SSM_Current/],
    ['ResourceNotFound.SecretNotExist', /check the name/],
    ['UnauthorizedOperation', /give the running role `ssm:GetSecretValue`/],
    ['AuthFailure.UnauthorizedOperation', /give the running role `ssm:GetSecretValue`/],
    ['AuthFailure.SignatureExpire', /check the credential, and that the clock/],
    ['ResourceUnavailable.ResourceDisabled', /enable or restore it/],
    ['ResourceUnavailable.ResourcePendingDeleted', /enable or restore it/],
    ['ResourceUnavailable.NotPurchased', /activate the Secrets Manager/],
    ['FailedOperation.AccessKmsError', /FailedOperation\.AccessKmsError$/],
  ])('tells of %s at once, with what to do about it', async (code, cure) => {
    const api = await serveApi((response) => refuse(response, code))

    const fault = await faultOf(readSecret(cloudAt(api.url), 'rollcall-db'))

    expect(fault.code).toBe('secret_unreadable')
    expect(fault.message.split(': ')[0]).toBe(code)
    expect(fault.message).toMatch(cure)
    expect(api.calls).toHaveLength(1)
  })

  const isNotTheApi = /not that of the API; check TENCENT_API_URL/
  it.each<[string, Answer, RegExp]>([
    ['JSON that ends early', (response) => response.end('{"Response":{"SecretString":"hush'), isNotTheApi],
    ['the secret alone', (response) => response.end('postgresql://u:hush@h/d'), isNotTheApi],
    ['other JSON', (response) => response.end('{"SecretString":"hush"}'), isNotTheApi],
    ['a secret that is an object', (response) => respond(response, { SecretString: { hush: 1 } }), isNotTheApi],
    ['an error without code', (response) => respond(response, { Error: { Message: 'hush' } }), isNotTheApi],
    ['an error that tells it', (response) => refuse(response, 'FailedOperation', 'hush'), /FailedOperation$/],
    ['an HTTP error that tells it', (response) => response.writeHead(403, 'hush').end('hush'), /HTTP 403$/],
    ['bytes that are no text', (response) => respond(response, { SecretBinary: '/2h1c2g=' }), /no text in UTF-8/],
    ['nothing in it', (response) => respond(response, { SecretString: '', SecretBinary: '' }), /it is empty/],
    ['nothing but spaces in it', (response) => respond(response, { SecretString: ' \n' }), /it is empty/],
    ['no fields at all', (response) => respond(response, {}), /it is empty/],
  ])('tells of %s once, and nothing of what it is', async (_, answer, expected) => {
    const api = await serveApi(answer)

    const fault = await faultOf(readSecret(cloudAt(api.url), 'rollcall-db'))

    expect(fault.code).toBe('secret_unreadable')
    expect(fault.message).toMatch(expected)
    expect(inspect(fault)).not.toMatch(/hush|AKID/)
    expect(api.calls).toHaveLength(1)
  })

  it('tells of an API that nobody serves', async () => {
    const api = await serveApi()
    for (const step of undo.splice(0)) step()

    const fault = await faultOf(readSecret(cloudAt(api.url), 'rollcall-db'))

    expect(tell(fault)).toMatch(/^secret_unreadable: .*ECONNREFUSED.*; check TENCENT_API_URL/)
    expect(inspect(fault)).not.toMatch(/hush|AKID/)
  })
})

describe('the credential', () => {
  const person = { TENCENTCLOUD_SECRET_ID: role.TENCENTCLOUD_SECRETID, TENCENTCLOUD_SECRET_KEY: SECRET_KEY }
  const read = (url: string, environment: Record<string, string>) =>
    readSecret(cloudOf({ url: new URL(url), region: 'ap-guangzhou' }, environment), 'rollcall-db')

  it("of a person is found by the names that Tencent's own tools read", async () => {
    const api = await serveApi(holding({ 'rollcall-db': 'hush' }))

    await read(api.url, person)
    await read(api.url, { ...person, TENCENTCLOUD_TOKEN: 'of-the-person' })

    expect(api.calls.map(({ headers }) => headers['x-tc-token'])).toEqual([undefined, 'of-the-person'])
  })

  it('of the running role goes first, and takes nothing from that of a person', async () => {
    const api = await serveApi(holding({ 'rollcall-db': 'hush' }))
    const { TENCENTCLOUD_SECRETID, TENCENTCLOUD_SECRETKEY } = role
    const others = { TENCENTCLOUD_SECRET_ID: 'x', TENCENTCLOUD_SECRET_KEY: 'y', TENCENTCLOUD_TOKEN: 'z' }

    await read(api.url, { TENCENTCLOUD_SECRETID, TENCENTCLOUD_SECRETKEY, ...others })

    expect(api.calls[0]?.headers).not.toHaveProperty('x-tc-token')
  })

  it.each(Object.keys(role))('that has a line break in %s is refused, not quoted', async (name) => {
    const api = await serveApi()

    const fault = await faultOf(read(api.url, { ...role, [name]: 'hush\n' }))

    expect(tell(fault)).toBe('config_invalid: the Tencent Cloud credential has a space or a line break in it')
    expect(api.calls).toEqual([])
  })
})
