// The double of Tencent Cloud against Tencent's own SDK, and against code that it really runs. What it stands for is said
// in its files; here each rule is seen to hold and to be broken.
import http from 'node:http'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { InvokeResponse } from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { childrenOf } from '../support/processes.ts'
import { hasNodes } from '../support/nodes.ts'
import { ask, type Caller, zip } from './client.ts'
import { type Cloud, type CloudOptions, openCloud } from './cloud.ts'
import { isDue, parseCron } from './cron.ts'
import { authorization } from './tc3.ts'

let cloud: Cloud

async function open(options: CloudOptions = {}): Promise<void> {
  await cloud?.close()
  cloud = await openCloud({ busyMs: 5, retryMs: 5, ...options })
}

beforeEach(() => open())
afterEach(() => cloud.close())

const echo = `exports.main = async (event, context) => ({ event, context, env: process.env, node: process.version })`

const base = { FunctionName: 'first', Runtime: 'Nodejs20.19', Handler: 'index.main' }

async function active(name = 'first', qualifier = '$LATEST'): Promise<void> {
  await expect
    .poll(() => ask(cloud, 'GetFunction', { FunctionName: name, Qualifier: qualifier }), { interval: 5 })
    .toMatchObject({ Status: 'Active' })
}

async function create(source: string, more: object = {}): Promise<void> {
  const request = { ...base, Code: { ZipFile: zip({ 'index.js': source }) }, ...more }
  await ask(cloud, 'CreateFunction', request)
  await active(request.FunctionName)
}

async function invoke(more: object = {}): Promise<Required<NonNullable<InvokeResponse['Result']>>> {
  const { Result } = await ask<InvokeResponse>(cloud, 'Invoke', { FunctionName: 'first', ...more })
  return Result as Required<NonNullable<InvokeResponse['Result']>>
}

async function returned<Answer>(more?: object): Promise<Answer> {
  const { RetMsg, ErrMsg } = await invoke(more)
  expect(ErrMsg).toBe('')
  return JSON.parse(RetMsg) as Answer
}

async function codeOf(action: string, parameters: object, caller?: Caller): Promise<string | undefined> {
  return ask(cloud, action, parameters, caller).then(
    () => 'none',
    (error: { code?: string }) => error.code,
  )
}

describe('a caller', () => {
  const stranger = { secretId: 'AKIDstranger', secretKey: 'hush' }

  it('whose request the SDK signed is known', async () => {
    expect(await ask(cloud, 'ListFunctions', {})).toMatchObject({ Functions: [], TotalCount: 0 })
    expect(cloud.calls).toMatchObject([{ service: 'scf', action: 'ListFunctions', caller: 'person', error: null }])
  })

  it.each<[string, string, () => Caller]>([
    [
      'with a wrong key',
      'AuthFailure.SignatureFailure',
      () => ({ credential: { ...cloud.person, secretKey: 'hush' } }),
    ],
    ['nobody knows', 'AuthFailure.SecretIdNotFound', () => ({ credential: stranger })],
    ['with a token of nobody', 'AuthFailure.TokenFailure', () => ({ credential: { ...cloud.person, token: 'hush' } })],
    ['in another region', 'UnsupportedRegion', () => ({ region: 'ap-shanghai' })],
    ['of another version', 'NoSuchVersion', () => ({ version: '2017-03-12' })],
    ['of an action of another service', 'InvalidAction', () => ({ service: 'ssm' })],
  ])('%s is refused by %s', async (_, code, caller) => {
    expect(await codeOf('ListFunctions', {}, caller())).toBe(code)
    expect(cloud.calls.map(({ error }) => error)).toEqual([code])
  })

  it.each([
    [-298, undefined],
    [-302, 'AuthFailure.SignatureExpire'],
    [302, 'AuthFailure.SignatureExpire'],
  ])('whose clock is %d s off gets %s', async (seconds, code) => {
    const headers = {
      host: new URL(cloud.url).host.replace('localhost', 'scf.localhost'),
      'content-type': 'application/json',
      'x-tc-action': 'ListFunctions',
      'x-tc-version': '2018-04-16',
      'x-tc-region': 'ap-guangzhou',
      'x-tc-timestamp': String(Math.floor(Date.now() / 1_000) + seconds),
    }
    const signed = { ...headers, authorization: authorization({ headers, body: '{}' }, 'scf', cloud.person) }

    const { body } = await fetched('/', { method: 'POST', headers: signed, body: '{}' })

    expect((JSON.parse(body) as { Response: { Error?: { Code: string } } }).Response.Error?.Code).toBe(code)
  })

  it('without the permission is not authorized', async () => {
    await open({ personMay: ['scf:GetFunction'] })

    expect(await codeOf('ListFunctions', {})).toBe('UnauthorizedOperation')
    expect(await codeOf('GetFunction', { FunctionName: 'first' })).toBe('ResourceNotFound.Function')
  })

  it('that is a function has what its role may, until its credential expires; the next invocation has a fresh one', async () => {
    await create(echo, { Role: 'runner' })
    cloud.secrets.set('key', 'hush')
    const credential = async () => {
      const { env } = await returned<{ env: Record<string, string> }>()
      const [secretId = '', secretKey = '', token = ''] = ['SECRETID', 'SECRETKEY', 'SESSIONTOKEN'].map(
        (name) => env[`TENCENTCLOUD_${name}`],
      )
      return { credential: { secretId, secretKey, token } }
    }
    const first = await credential()
    const secret = { SecretName: 'key', VersionId: 'SSM_Current' }

    expect(await ask(cloud, 'GetSecretValue', secret, { ...first, service: 'ssm' })).toMatchObject({
      SecretString: 'hush',
    })
    expect(await ask(cloud, 'Invoke', { FunctionName: 'first' }, first)).toMatchObject({ Result: { InvokeResult: 0 } })
    expect(await codeOf('DeleteFunction', { FunctionName: 'first' }, first)).toBe('UnauthorizedOperation')
    cloud.expireCredentials()
    expect(await codeOf('Invoke', { FunctionName: 'first' }, first)).toBe('AuthFailure.TokenFailure')
    expect(await codeOf('Invoke', { FunctionName: 'first' }, await credential())).toBe('none')
  })

  it('that is a function invokes another as Rollcall does, on the Node of its runtime', async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `import { cloudOf } from './lib/scf.ts'
          import { invokeFunction } from './lib/tencent.ts'
          const config = { url: new URL(process.env.TENCENT_API_URL), region: process.env.TENCENTCLOUD_REGION }
          export const main = () => invokeFunction(cloudOf(config, process.env), 'second')`,
        resolveDir: join(import.meta.dirname, '../..'),
      },
      bundle: true,
      platform: 'node',
      target: 'node18.15',
      write: false,
      logLevel: 'error',
    })
    await create(outputFiles[0]?.text ?? '', {
      Runtime: hasNodes ? 'Nodejs18.15' : 'Nodejs20.19',
      Role: 'runner',
      Environment: { Variables: [{ Key: 'TENCENT_API_URL', Value: cloud.url }] },
    })
    await create(`exports.main = async () => 'done'`, { FunctionName: 'second' })

    await returned()
    await cloud.idle()

    expect(cloud.calls.filter(({ caller }) => caller === 'role')).toMatchObject([
      { service: 'scf', action: 'Invoke', params: { FunctionName: 'second', InvocationType: 'Event' }, error: null },
    ])
    expect(cloud.invocations.find((run) => run.function === 'second')).toMatchObject({
      source: 'event',
      result: 'done',
    })
  })

  it('that is a function without a role has no credential', async () => {
    await create(echo)

    const { env } = await returned<{ env: Record<string, string> }>()

    expect(Object.keys(env).filter((name) => name.startsWith('TENCENTCLOUD_SE'))).toEqual([])
  })
})

describe('a request', () => {
  const good = { ...base, Code: { ZipFile: zip({ 'index.js': echo }) } }
  const variables = (...pairs: [string, string][]) => ({
    Environment: { Variables: pairs.map(([Key, Value]) => ({ Key, Value })) },
  })

  it.each<[string, string, object]>([
    ['UnknownParameter', 'a misspelt name', { MemorySise: 128 }],
    ['UnknownParameter', 'a misspelt name inside', { VpcConfig: { VpcID: 'vpc-1' } }],
    ['MissingParameter', 'no code', { Code: undefined }],
    ['InvalidParameter', 'a text for a number', { MemorySize: '128' }],
    ['UnsupportedOperation', 'layers', { Layers: [] }],
    ['InvalidParameterValue.FunctionName', 'a hyphen at the end', { FunctionName: 'first-' }],
    ['InvalidParameterValue.FunctionName', '61 characters', { FunctionName: 'x'.repeat(61) }],
    ['InvalidParameterValue.Runtime', 'an unknown runtime', { Runtime: 'Nodejs22' }],
    ['InvalidParameterValue.Runtime', 'no runtime, which is Python', { Runtime: undefined }],
    ['InvalidParameterValue.Handler', 'a folder in the handler', { Handler: 'lib/index.main' }],
    ['InvalidParameterValue.Handler', 'a file that the code lacks', { Handler: 'other.main' }],
    ['InvalidParameterValue.MemorySize', 'memory between the steps', { MemorySize: 192 }],
    ['InvalidParameterValue.MemorySize', 'too much memory', { MemorySize: 3_200 }],
    ['LimitExceeded.Timeout', 'too much time', { Timeout: 901 }],
    ['InvalidParameterValue', 'no time', { Timeout: 0 }],
    ['InvalidParameterValue.Description', 'a colon in the description', { Description: 'made by: me' }],
    ['InvalidParameterValue.Environment', 'an empty value', variables(['A', ''])],
    ['InvalidParameterValue.Environment', 'a digit first', variables(['1A', 'x'])],
    ['InvalidParameterValue.EnvironmentSystemProtect', 'a reserved name', variables(['TENCENTCLOUD_REGION', 'x'])],
    ['InvalidParameterValue.EnvironmentExceededLimit', 'more than 4 KB', variables(['A', 'x'.repeat(4_096)])],
    ['InvalidParameterValue.ZipFileBase64BinasciiError', 'no Base64', { Code: { ZipFile: '%' } }],
    ['InvalidParameterValue.ZipFile', 'no zip', { Code: { ZipFile: 'aGVsbG8=' } }],
    ['InvalidParameterValue', 'a VPC without a subnet', { VpcConfig: { VpcId: 'vpc-1' } }],
    ['ResourceNotFound.Vpc', 'an unknown subnet', { VpcConfig: { VpcId: 'vpc-1', SubnetId: 'subnet-2' } }],
    ['ResourceNotFound.Role', 'an unknown role', { Role: 'nobody' }],
    ['ResourceNotFound.Namespace', 'another namespace', { Namespace: 'other' }],
    ['InvalidParameterValue.Cls', 'a topic without its set', { ClsTopicId: 'topic' }],
    [
      'none',
      'all that is allowed',
      {
        Description: 'Ticks every minute, and 记录.\nSee the docs.',
        MemorySize: 64,
        Timeout: 900,
        Role: 'runner',
        VpcConfig: { VpcId: 'vpc-1', SubnetId: 'subnet-1' },
        ...variables(['URL', 'postgresql://u:p@10.0.0.1/db'], ['B', 'x'.repeat(4_000)]),
      },
    ],
  ])('gets %s to create a function with %s', async (code, _, more) => {
    await open({ vpcs: { 'vpc-1': ['subnet-1'] }, roles: ['runner'] })

    expect(await codeOf('CreateFunction', { ...good, ...more })).toBe(code)
    expect(cloud.functions()).toHaveLength(code === 'none' ? 1 : 0)
  })

  it.each<[string, string, object]>([
    ['CreateFunction', 'ResourceInUse.FunctionName', { ...good }],
    ['UpdateFunctionConfiguration', 'InvalidParameterValue.Runtime', { Runtime: 'Nodejs18.15' }],
    ['UpdateFunctionConfiguration', 'InvalidParameterValue.Description', { Description: 'two\nlines' }],
    ['UpdateFunctionConfiguration', 'UnknownParameter', { Handler: 'index.main' }],
    ['UpdateFunctionCode', 'InvalidParameterValue.Handler', { Handler: 'other.main' }],
    ['UpdateFunctionCode', 'InvalidParameterValue.ZipFile', { ZipFile: 'A'.repeat(28_000_000) }],
    ['GetFunction', 'ResourceNotFound.FunctionVersion', { Qualifier: '7' }],
    ['GetFunction', 'ResourceNotFound.Alias', { Qualifier: 'live' }],
    ['Invoke', 'ResourceNotFound.Function', { FunctionName: 'other' }],
    ['PublishVersion', 'ResourceNotFound.FunctionName', { FunctionName: 'other' }],
    ['Invoke', 'InvalidParameterValue.Param', { ClientContext: 'no' }],
    ['Invoke', 'InvalidParameter.Payload', { InvocationType: 'Event', ClientContext: `"${'x'.repeat(131_071)}"` }],
    ['UpdateAlias', 'ResourceNotFound.FunctionVersion', { Name: '$DEFAULT', FunctionVersion: '1' }],
    ['DeleteAlias', 'FailedOperation.DeleteAlias', { Name: '$DEFAULT' }],
    ['DeleteFunction', 'InvalidParameterValue.Qualifier', { Qualifier: '$LATEST' }],
    [
      'PutReservedConcurrencyConfig',
      'LimitExceeded.FunctionReservedConcurrencyMemory',
      { ReservedConcurrencyMem: 115_201 },
    ],
    [
      'UpdateFunctionEventInvokeConfig',
      'LimitExceeded.RetryNum',
      { AsyncTriggerConfig: { RetryConfig: [{ RetryNum: 3 }], MsgTTL: 60 } },
    ],
  ])('of %s gets %s', async (action, code, request) => {
    await create(echo)

    expect(await codeOf(action, { FunctionName: 'first', ...request })).toBe(code)
  })

  it('of a list gets 20 by default, and the rest by its offset', async () => {
    for (let i = 0; i < 22; i++) await ask(cloud, 'CreateFunction', { ...good, FunctionName: `some-${10 + i}` })

    const first = await ask<{ Functions: { FunctionName: string }[] }>(cloud, 'ListFunctions', { SearchKey: 'some' })
    const rest = await ask(cloud, 'ListFunctions', { Offset: 20, Orderby: 'FunctionName', Order: 'ASC' })

    expect(first.Functions).toHaveLength(20)
    expect(rest).toMatchObject({
      TotalCount: 22,
      Functions: [{ FunctionName: 'some-30' }, { FunctionName: 'some-31' }],
    })
  })
})

describe('a change', () => {
  it('takes its time, in which the function can neither be changed nor invoked', async () => {
    await open({ busyMs: 3_000 })
    const request = { ...base, Code: { ZipFile: zip({ 'index.js': echo }) } }
    await ask(cloud, 'CreateFunction', request)

    expect(await ask(cloud, 'GetFunction', { FunctionName: 'first' })).toMatchObject({ Status: 'Creating' })
    const refused = [
      await codeOf('UpdateFunctionConfiguration', { FunctionName: 'first', Timeout: 5 }),
      await codeOf('UpdateFunctionCode', { FunctionName: 'first', ...request.Code }),
      await codeOf('PublishVersion', { FunctionName: 'first' }),
      await codeOf('CreateTrigger', {
        FunctionName: 'first',
        TriggerName: 'tick',
        Type: 'timer',
        TriggerDesc: '* * * * * * *',
      }),
      await codeOf('DeleteFunction', { FunctionName: 'first' }),
      await codeOf('Invoke', { FunctionName: 'first' }),
    ]
    await active()
    await ask(cloud, 'UpdateFunctionConfiguration', { FunctionName: 'first', Timeout: 5 })
    const updating = await ask(cloud, 'GetFunction', { FunctionName: 'first' })
    await active()

    expect(refused).toEqual([
      'FailedOperation.FunctionStatusError',
      'FailedOperation.UpdateFunctionCode',
      'FailedOperation.PublishVersion',
      'FailedOperation.CreateTrigger',
      'FailedOperation.DeleteFunction',
      'FailedOperation.FunctionStatusError',
    ])
    expect(updating).toMatchObject({ Status: 'Updating', Timeout: 3 })
    expect(await ask(cloud, 'GetFunction', { FunctionName: 'first' })).toMatchObject({ Timeout: 5 })
  })

  it('that fails leaves what was there; a creation that fails leaves something to delete', async () => {
    await create(`exports.main = async () => 'old'`)
    cloud.fault({
      action: 'UpdateFunctionCode',
      kind: 'badState',
      code: 'InvalidSubnetID',
      message: 'no address is left',
    })
    await ask(cloud, 'UpdateFunctionCode', {
      FunctionName: 'first',
      ZipFile: zip({ 'index.js': `exports.main = async () => 'new'` }),
    })
    await expect
      .poll(() => ask(cloud, 'GetFunction', { FunctionName: 'first' }))
      .toMatchObject({
        Status: 'UpdateFailed',
        StatusReasons: [{ ErrorCode: 'InvalidSubnetID', ErrorMessage: 'no address is left' }],
      })
    cloud.fault({ action: 'CreateFunction', kind: 'badState' })
    const request = { ...base, FunctionName: 'second', Code: { ZipFile: zip({ 'index.js': echo }) } }
    await ask(cloud, 'CreateFunction', request)
    await expect
      .poll(() => ask(cloud, 'GetFunction', { FunctionName: 'second' }))
      .toMatchObject({ Status: 'CreateFailed' })

    expect(await returned()).toBe('old')
    expect(await codeOf('CreateFunction', request)).toBe('ResourceInUse.FunctionName')
    expect(await codeOf('Invoke', { FunctionName: 'second' })).toBe('FailedOperation.FunctionStatusError')
    await ask(cloud, 'DeleteFunction', { FunctionName: 'second' })
    await expect.poll(() => codeOf('GetFunction', { FunctionName: 'second' })).toBe('ResourceNotFound.Function')
    expect(await codeOf('CreateFunction', request)).toBe('none')
  })

  it('of $LATEST changes no published version, and an alias goes where it is pointed', async () => {
    await create(`exports.main = async () => 'one ' + process.env.WORD`, {
      Environment: { Variables: [{ Key: 'WORD', Value: 'a' }] },
    })
    await ask(cloud, 'CreateAlias', { FunctionName: 'first', Name: 'live', FunctionVersion: '$LATEST' })
    const release = { FunctionName: 'first', Description: 'release 7' }
    expect(await ask(cloud, 'PublishVersion', release)).toMatchObject({ FunctionVersion: '1' })
    await active('first', '1')
    await active()
    await ask(cloud, 'UpdateFunctionConfiguration', {
      FunctionName: 'first',
      Environment: { Variables: [{ Key: 'WORD', Value: 'b' }] },
    })
    await active()

    const before = await returned({ Qualifier: 'live' })
    await ask(cloud, 'UpdateAlias', { FunctionName: 'first', Name: 'live', FunctionVersion: '1' })

    expect(before).toBe('one b')
    expect(await returned({ Qualifier: 'live' })).toBe('one a')
    expect(await returned({ Qualifier: '$DEFAULT' })).toBe('one b')
    expect(await ask(cloud, 'ListVersionByFunction', { FunctionName: 'first' })).toMatchObject({
      FunctionVersion: ['1', '$LATEST'],
      Versions: [{ Description: 'release 7' }, { Description: '' }],
      TotalCount: 2,
    })
    expect(await ask(cloud, 'ListAliases', { FunctionName: 'first', FunctionVersion: '1' })).toMatchObject({
      Aliases: [{ Name: 'live' }],
    })
    expect(await codeOf('DeleteFunction', { FunctionName: 'first', Qualifier: '1' })).toBe(
      'UnsupportedOperation.AliasBind',
    )
  })
})

describe('a fault', () => {
  const list = () => codeOf('ListFunctions', {})

  it('hits so many requests of its action, and no other', async () => {
    cloud.fault({ action: 'ListFunctions', kind: 'error', code: 'RequestLimitExceeded', times: 2 })

    expect([await list(), await codeOf('GetFunction', { FunctionName: 'x' }), await list(), await list()]).toEqual([
      'RequestLimitExceeded',
      'ResourceNotFound.Function',
      'RequestLimitExceeded',
      'none',
    ])
  })

  it.each<[Parameters<Cloud['fault']>[0]['kind'], RegExp]>([
    ['http500', /Internal Server Error/],
    ['html', /json/i],
    ['hangup', /socket hang up|ECONNRESET/],
  ])('%s before a request keeps it from taking effect, and after it only the answer is lost', async (kind, message) => {
    const request = { ...base, Code: { ZipFile: zip({ 'index.js': echo }) } }
    cloud.fault({ action: '*', kind })
    await expect(ask(cloud, 'CreateFunction', request)).rejects.toThrow(message)
    expect(cloud.functions()).toHaveLength(0)

    cloud.fault({ action: '*', kind, when: 'after' })
    await expect(ask(cloud, 'CreateFunction', request)).rejects.toThrow(message)
    expect(cloud.functions()).toHaveLength(1)
  })

  it('delay makes the answer late', async () => {
    cloud.fault({ action: '*', kind: 'delay', ms: 100 })
    const startedAt = performance.now()

    await list()

    expect(performance.now() - startedAt).toBeGreaterThan(95)
  })

  it.each(['given', 'lost'] as const)(
    'death comes after so many changes, the last answer %s, until the revival',
    async (last) => {
      const request = { ...base, Code: { ZipFile: zip({ 'index.js': echo }) } }
      cloud.dieAfter(2, last)

      const answers = [await list(), await codeOf('CreateFunction', request)]
      answers.push(await codeOf('CreateFunction', { ...request, FunctionName: 'second' }), await list())
      cloud.revive()

      expect(answers).toEqual(['none', 'none', last === 'given' ? 'none' : undefined, undefined])
      expect(await ask(cloud, 'ListFunctions', {})).toMatchObject({ TotalCount: 2 })
    },
  )
})

describe('an instance', () => {
  const counter = `let n = 0\nexports.main = async (event) => { console.log('run', ++n, event.word); return n }`

  it.each(
    (hasNodes
      ? [
          ['Nodejs20.19', 'v20.19.6'],
          ['Nodejs18.15', 'v18.15.0'],
        ]
      : [['Nodejs20.19', process.version]]) as [string, string][],
  )('of %s runs on %s, with the environment of SCF and nothing else', async (Runtime, version) => {
    vi.stubEnv('ROLLCALL_TEST_LEAK', 'yes')
    await create(echo, { Runtime, Environment: { Variables: [{ Key: 'WORD', Value: 'hello' }] }, MemorySize: 256 })

    const got = await returned<{ node: string; env: Record<string, string>; context: object; event: unknown }>({
      ClientContext: '{"a":[1]}',
    })

    vi.unstubAllEnvs()
    expect(got).toMatchObject({
      node: version,
      event: { a: [1] },
      env: { WORD: 'hello', TENCENTCLOUD_RUNENV: 'SCF', SCF_FUNCTIONNAME: 'first', SCF_FUNCTIONVERSION: '$LATEST' },
      context: {
        function_name: 'first',
        memory_limit_in_mb: 256,
        time_limit_in_ms: 3_000,
        tencentcloud_region: 'ap-guangzhou',
      },
    })
    expect(Object.keys(got.env).filter((name) => /LEAK|NODE_CHANNEL|VITEST|npm/.test(name))).toEqual([])
  })

  it('that is warm keeps its state, frozen or not, until it is recycled or the code changes', async () => {
    await open({ freezes: true })
    await create(counter)

    expect([await returned(), await returned(), await returned()]).toEqual([1, 2, 3])
    cloud.recycle()
    expect([await returned(), await returned()]).toEqual([1, 2])
    await ask(cloud, 'UpdateFunctionCode', { FunctionName: 'first', ZipFile: zip({ 'index.js': counter }) })
    await active()
    expect(await returned()).toBe(1)
  })

  it('logs what its code prints, run by run, and tells why it failed', async () => {
    await create(counter, { FunctionName: 'second', ClsLogsetId: 'set', ClsTopicId: 'topic-2' })
    await invoke({ FunctionName: 'second' })
    cloud.invocations.splice(0)
    await create(counter, { ClsLogsetId: 'set', ClsTopicId: 'topic' })
    await invoke({ ClientContext: '{"word":"one"}' })
    const { Log, FunctionRequestId } = await invoke({ ClientContext: '{"word":"two"}' })

    expect(Log.split('\n').slice(0, 2)).toEqual([`START RequestId: ${FunctionRequestId}`, 'run 2 two'])
    expect(cloud.invocations).toMatchObject([
      {
        function: 'first',
        qualifier: '$LATEST',
        source: 'invoke',
        event: { word: 'one' },
        status: 200,
        result: 1,
        log: ['run 1 one'],
      },
      { requestId: FunctionRequestId, result: 2, log: ['run 2 two'] },
    ])
    const search = { From: Date.now() - 60_000, To: Date.now() + 1_000, TopicId: 'topic', Sort: 'asc' }
    const found = async (more: object) => {
      const page = await ask<{ Results: { LogJson: string }[]; ListOver: boolean; Context: string }>(
        cloud,
        'SearchLog',
        { ...search, ...more },
        { service: 'cls' },
      )
      const lines = page.Results.map(({ LogJson }) => JSON.parse(LogJson) as Record<string, string>)
      return { ...page, words: lines.map(({ SCF_Message = '' }) => SCF_Message), lines }
    }
    const mine = `SCF_FunctionName:"first" AND SCF_RequestId:"${FunctionRequestId}"`
    expect((await found({ QueryString: `${mine} AND SCF_Type:Custom` })).lines).toMatchObject([
      {
        SCF_FunctionName: 'first',
        SCF_Message: 'run 2 two',
        SCF_Level: 'INFO',
        SCF_Qualifier: '$LATEST',
        SCF_StatusCode: '200',
      },
    ])
    const first = await found({ QueryString: mine, Limit: 3 })
    const rest = await found({ QueryString: mine, Limit: 3, Context: first.Context })
    expect([...first.words, ...rest.words].map((text) => text.split(' ')[0])).toEqual([
      'START',
      'run',
      'Response',
      'END',
      'Report',
    ])
    expect([first.ListOver, rest.ListOver]).toEqual([false, true])
    expect((await found({ QueryString: 'SCF_FunctionName:"second"' })).words).toEqual([])
    expect((await found({ QueryString: '*', TopicId: 'topic-2' })).words).toContain('run 1 undefined')
    expect(await codeOf('SearchLog', { ...search, QueryString: '*', TopicId: 'other' }, { service: 'cls' })).toBe(
      'ResourceNotFound.TopicNotExist',
    )
  })

  it('loses nothing of what its code prints, however much', async () => {
    await create(`exports.main = async () => { for (let i = 0; i < 3_000; i++) console.error('x'.repeat(500)) }`)

    await returned()

    expect(cloud.invocations[0]?.log).toHaveLength(3_000)
  })

  it.each([
    ['throws', `throw new Error('oh')`, 430, /^user code exception caught$/, /Error: oh\n/],
    ['exits', `process.exit(3)`, 439, /^User process exit when running$/, /^$/],
    ['rejects aside', `Promise.reject(new Error('oh')); await new Promise(() => {})`, 439, /^User process exit/, /^$/],
    ['answers too much', `return 'x'.repeat(6 * 1_048_576)`, 407, /^The size of response exceeds/, /^$/],
    [
      'takes too long',
      `await new Promise((r) => setTimeout(r, 9_000))`,
      433,
      /^Invoking task timed out after 1 seconds$/,
      /^$/,
    ],
  ])(
    'whose code %s answers what SCF does, and one whose process ended is replaced',
    async (_, body, statusCode, message, stack) => {
      await create(
        `let n = 0\nexports.main = async (event) => { console.log('begun'); n += 1; if (event.bad) { ${body} } return n }`,
        {
          Timeout: statusCode === 433 ? 1 : 30,
        },
      )

      const { InvokeResult, ErrMsg, RetMsg, Log } = await invoke({ ClientContext: '{"bad":true}' })

      const failure = JSON.parse(RetMsg) as { stackTrace?: string }
      expect(InvokeResult).toBe(-1)
      expect(ErrMsg).toMatch(message)
      expect(failure).toMatchObject({ errorCode: -1, errorMessage: ErrMsg, statusCode })
      expect(failure.stackTrace ?? '').toMatch(stack)
      expect(Log).toContain('begun')
      expect(await returned()).toBe([407, 430].includes(statusCode) ? 2 : 1)
    },
  )

  it.each([
    ['cannot be loaded', `require('./missing')`, 430],
    ['has no such method', `exports.other = 1`, 437],
  ])('whose code %s fails each time', async (_, source, statusCode) => {
    await create(source)

    const failures = [await invoke(), await invoke()].map(({ RetMsg }) => JSON.parse(RetMsg) as object)

    expect(failures).toMatchObject([{ statusCode }, { statusCode }])
  })

  it('is one of as many as the reserved memory allows: more are refused at once, or wait when asynchronous', async () => {
    await create(`exports.main = async () => { await new Promise((r) => setTimeout(r, 150)); return process.pid }`)
    await ask(cloud, 'PutReservedConcurrencyConfig', { FunctionName: 'first', ReservedConcurrencyMem: 256 })

    const results = await Promise.all([invoke(), invoke(), invoke()])
    await Promise.all([1, 2, 3].map(() => invoke({ InvocationType: 'Event' })))
    await cloud.idle()

    const texts = results.map(({ ErrMsg }) => ErrMsg).sort()
    expect(texts).toEqual(['', '', 'Function [ first ] concurrency exceeded reserved quota 256 MB'])
    expect(cloud.invocations.filter(({ source }) => source === 'event').map(({ status }) => status)).toEqual([
      200, 200, 200,
    ])
    expect(new Set(cloud.invocations.filter(({ status }) => status === 200).map(({ result }) => result)).size).toBe(2)
  })

  it('ends with the cloud', async () => {
    await create(echo)
    await returned()
    const before = childrenOf(process.pid).length

    await cloud.close()

    expect(childrenOf(process.pid).length).toBe(before - 1)
  })
})

describe('an asynchronous invocation', () => {
  const failing = `let n = 0\nexports.main = async () => { n += 1; throw new Error('try ' + n) }`

  it.each([
    [undefined, ['try 1', 'try 2', 'try 3']],
    [0, ['try 1']],
  ])('that fails is tried again, RetryNum being %s', async (RetryNum, tries) => {
    await create(failing)
    if (RetryNum !== undefined) {
      const AsyncTriggerConfig = { RetryConfig: [{ RetryNum }], MsgTTL: 60 }
      await ask(cloud, 'UpdateFunctionEventInvokeConfig', { FunctionName: 'first', AsyncTriggerConfig })
    }

    const receipt = await invoke({ InvocationType: 'Event' })
    await cloud.idle()

    expect(receipt).toMatchObject({ InvokeResult: 0, RetMsg: '', Log: '' })
    expect(cloud.invocations.map(({ error }) => /try \d/.exec(error)?.[0])).toEqual(tries)
    expect(cloud.invocations.map(({ retry }) => retry)).toEqual(tries.map((_, i) => i))
    expect(new Set(cloud.invocations.map(({ requestId }) => requestId))).toEqual(new Set([receipt.FunctionRequestId]))
  })
})

describe('a timer', () => {
  test.each([
    ['0 0 2 1 * * *', '2026-12-01T02:00:00Z', true],
    ['0 0 2 1 * * *', '2026-12-02T02:00:00Z', false],
    ['*/5 * * * * * *', '2026-12-01T02:00:55Z', true],
    ['*/5 * * * * * *', '2026-12-01T02:00:56Z', false],
    ['0 15 10 * * MON-FRI *', '2026-11-27T10:15:00Z', true],
    ['0 15 10 * * MON-FRI *', '2026-11-28T10:15:00Z', false],
    ['0 0 10,14,16 * * * *', '2026-11-28T14:00:00Z', true],
    ['0 1/10 * * * * *', '2026-11-28T14:31:00Z', true],
    ['0 1/10 * * * * *', '2026-11-28T14:30:00Z', false],
    // Day or weekday: the 1st, and Sundays.
    ['0 0 0 1 * 0 *', '2026-12-01T00:00:00Z', true],
    ['0 0 0 1 * 0 *', '2026-12-06T00:00:00Z', true],
    ['0 0 0 1 * 0 *', '2026-12-07T00:00:00Z', false],
    ['0 0 0 * DEC * 2027-2028', '2027-12-31T00:00:00Z', true],
    ['0 0 0 * DEC * 2027-2028', '2026-12-31T00:00:00Z', false],
  ])('%s at %s: %s', (expression, at, due) => {
    expect(isDue(expression, new Date(at), 0)).toBe(due)
  })

  test.each([
    '0 * * * *',
    '60 * * * * * *',
    '*/0 * * * * * *',
    '5-1 * * * * * *',
    '1-2-3 * * * * * *',
    'MON * * * * * *',
    '',
  ])('%s is no expression', (expression) => {
    expect(parseCron(expression)).toBeNull()
  })

  const trigger = { FunctionName: 'first', TriggerName: 'tick', Type: 'timer' }
  const minute = { ...trigger, TriggerDesc: '0 * * * * * *', Enable: 'OPEN', CustomArgument: 'hello' }

  it('invokes the version it is bound to, in its own words, when it is due and open', async () => {
    await create(`exports.main = async (event) => event`)
    const { TriggerInfo } = await ask(cloud, 'CreateTrigger', { ...minute, Qualifier: '$DEFAULT' })

    cloud.tickTimers(new Date('2026-11-26T10:00:01Z'))
    const [requestId] = cloud.tickTimers(new Date('2026-11-26T10:01:00.400Z'))
    await cloud.idle()
    await ask(cloud, 'UpdateTrigger', { ...trigger, Qualifier: '$DEFAULT', Enable: 'CLOSE' })
    const closed = cloud.tickTimers(new Date('2026-11-26T10:02:00Z'))

    expect(TriggerInfo).toMatchObject({ TriggerDesc: '{"cron":"0 * * * * * *"}', Enable: 1, Qualifier: '$DEFAULT' })
    const event = { Type: 'Timer', TriggerName: 'tick', Time: '2026-11-26T10:01:00Z', Message: 'hello' }
    expect(cloud.invocations).toMatchObject([
      { requestId, source: 'timer', qualifier: '$DEFAULT', event, result: event },
    ])
    expect(closed).toEqual([])
  })

  it('waits while the function is being changed', async () => {
    await open({ busyMs: 2_000 })
    await create(`exports.main = async () => process.env.WORD`)
    await ask(cloud, 'CreateTrigger', minute)
    await ask(cloud, 'UpdateFunctionConfiguration', {
      FunctionName: 'first',
      Environment: { Variables: [{ Key: 'WORD', Value: 'new' }] },
    })

    cloud.tickTimers(new Date('2026-11-26T10:01:00Z'))
    const refused = await codeOf('DeleteTrigger', trigger)
    await cloud.idle()

    expect(refused).toBe('FailedOperation.DeleteTrigger')
    expect(cloud.invocations).toMatchObject([{ result: 'new' }])
  })

  it('goes by the real clock, and by the zone it is given', async () => {
    await open({ timerOffsetHours: 8 })
    await create(`exports.main = async (event) => event.TriggerName`)
    await ask(cloud, 'CreateTrigger', { ...minute, TriggerName: 'morning', TriggerDesc: '0 0 8 * * * *' })
    await ask(cloud, 'CreateTrigger', { ...minute, TriggerDesc: '* * * * * * *' })

    const ids = cloud.tickTimers(new Date('2026-11-26T00:00:00Z'))
    await cloud.idle()
    cloud.startClock()
    await expect.poll(() => cloud.invocations.length, { timeout: 20_000 }).toBeGreaterThan(2)
    cloud.stopClock()

    expect(ids).toHaveLength(2)
    const fired = cloud.invocations.slice(0, 2).map(({ result }) => result)
    expect(new Set(fired)).toEqual(new Set(['morning', 'tick']))
  })

  it.each<[string, object]>([
    ['InvalidParameterValue.TriggerDesc', { TriggerDesc: '* * * * *' }],
    ['InvalidParameterValue.TriggerName', { TriggerName: '1tick' }],
    ['InvalidParameterValue.Enable', { Enable: '1' }],
    ['InvalidParameterValue.CustomArgument', { CustomArgument: 'x'.repeat(4_097) }],
    ['InvalidParameterValue.Type', { Type: 'clock' }],
    ['ResourceNotFound.Alias', { Qualifier: 'live' }],
    ['ResourceInUse.Trigger', { TriggerName: 'taken' }],
  ])('is refused by %s', async (code, more) => {
    await create(echo)
    await ask(cloud, 'CreateTrigger', { ...minute, TriggerName: 'taken' })

    expect(await codeOf('CreateTrigger', { ...minute, ...more })).toBe(code)
  })

  it('is one of ten at most, listed by pages, and gone when it is deleted', async () => {
    await create(echo)
    for (let i = 0; i < 10; i++) await ask(cloud, 'CreateTrigger', { ...minute, TriggerName: `t${i}` })
    const eleventh = await codeOf('CreateTrigger', minute)
    await ask(cloud, 'DeleteTrigger', { ...trigger, TriggerName: 't0' })
    const again = await codeOf('DeleteTrigger', { ...trigger, TriggerName: 't0' })

    const list = await ask(cloud, 'ListTriggers', { FunctionName: 'first', Order: 'ASC', Limit: 2, Offset: 8 })

    expect([eleventh, again]).toEqual(['LimitExceeded.Trigger', 'ResourceNotFound.Trigger'])
    expect(list).toMatchObject({ TotalCount: 9, Triggers: [{ TriggerName: 't9' }] })
  })
})

describe('a function URL', () => {
  const desc = (AuthType: string, EnableExtranet = true) =>
    JSON.stringify({ AuthType, NetConfig: { EnableIntranet: false, EnableExtranet } })
  const url = { FunctionName: 'first', TriggerName: 'web', Type: 'http', Enable: 'OPEN' }

  it('gives the request as an event, and the answer as HTTP', async () => {
    await create(`exports.main = async (event) => {
      if (event.path === '/throw') throw new Error('oh')
      if (event.path === '/plain') return { ok: true }
      return { statusCode: 201, headers: { 'x-word': 'hi' }, body: Buffer.from(JSON.stringify(event)).toString('base64'), isBase64Encoded: true }
    }`)
    const { TriggerInfo } = await ask<{ TriggerInfo: { TriggerDesc: string } }>(cloud, 'CreateTrigger', {
      ...url,
      TriggerDesc: desc('NONE'),
    })
    const { NetConfig } = JSON.parse(TriggerInfo.TriggerDesc) as { NetConfig: Record<string, string> }
    const path = new URL(cloud.functionUrl('first')).pathname

    const full = await fetched(`${path}a/b?x=1&y=2`, { method: 'POST', body: 'bödy', headers: { 'X-Word': 'ho' } })
    const plain = await fetched(`${new URL(NetConfig.ExtranetUrl ?? '').pathname}/plain`)
    const thrown = await fetched(`${path}throw`)
    const byHost = await fetched('/a?x=1', { headers: { host: `first.url.${new URL(cloud.url).host}` } })

    expect(full).toMatchObject({ status: 201, headers: { 'x-word': 'hi' } })
    expect(JSON.parse(full.body)).toMatchObject({
      body: 'bödy',
      httpMethod: 'POST',
      path: '/a/b',
      queryString: { x: '1', y: '2' },
      headers: { 'x-word': 'ho', 'x-scf-remote-addr': '127.0.0.1' },
    })
    expect(JSON.parse(full.body)).not.toHaveProperty('isBase64Encoded')
    expect(plain).toMatchObject({ status: 200, body: '{"ok":true}', headers: { 'content-type': 'application/json' } })
    expect(thrown.status).toBe(430)
    expect(JSON.parse(byHost.body)).toMatchObject({ path: '/a', queryString: { x: '1' }, httpMethod: 'GET', body: '' })
    expect(cloud.invocations.map(({ source }) => source)).toEqual(['url', 'url', 'url', 'url'])
  })

  it.each([
    ['NONE', false, {}, 404],
    ['CAM', true, {}, 401],
    ['CAM', true, { authorization: 'Bearer x' }, 403],
  ])('with %s, open %s, asked with %j, answers %d and invokes nothing', async (auth, isOpen, headers, status) => {
    await create(echo)
    await ask(cloud, 'CreateTrigger', { ...url, TriggerDesc: desc(auth, isOpen) })

    expect(await fetched('/url/first/', { headers })).toMatchObject({ status })
    expect(cloud.invocations).toEqual([])
  })

  it('answers 438 while the function is being changed', async () => {
    await open({ busyMs: 2_000 })
    await create(echo)
    await ask(cloud, 'CreateTrigger', { ...url, TriggerDesc: desc('NONE') })
    await ask(cloud, 'UpdateFunctionConfiguration', { FunctionName: 'first', Timeout: 5 })

    expect(await fetched('/url/first/')).toMatchObject({ status: 438 })
    await active()
    expect(await fetched('/url/first/')).toMatchObject({ status: 200 })
  })

  it('may get a name of its own', async () => {
    await open({ renamesUrls: true })
    await create(echo)
    const { TriggerInfo } = await ask(cloud, 'CreateTrigger', { ...url, TriggerDesc: desc('NONE') })

    expect(TriggerInfo).not.toMatchObject({ TriggerName: 'web' })
    const { Enable: _, ...named } = url
    expect(await codeOf('DeleteTrigger', named)).toBe('ResourceNotFound.Trigger')
  })

  it('is one for each version or alias, and says what it needs', async () => {
    await create(echo)
    await ask(cloud, 'CreateTrigger', { ...url, TriggerDesc: desc('NONE') })

    expect(await codeOf('CreateTrigger', { ...url, TriggerName: 'other', TriggerDesc: desc('NONE') })).toBe(
      'ResourceInUse.Trigger',
    )
    expect(
      await codeOf('CreateTrigger', { ...url, Qualifier: '$DEFAULT', TriggerName: 'other', TriggerDesc: '{}' }),
    ).toBe('InvalidParameterValue.TriggerDesc')
    expect(
      await codeOf('CreateTrigger', { ...url, Qualifier: '$DEFAULT', TriggerName: 'other', TriggerDesc: desc('NONE') }),
    ).toBe('none')
  })
})

test('a secret is read by its name and version', async () => {
  cloud.secrets.set('key', 'now').set('key/v1', 'before')
  const read = (parameters: object) =>
    ask(cloud, 'GetSecretValue', parameters, { service: 'ssm' }).catch((error: { code: string }) => error.code)

  expect(await read({ SecretName: 'key', VersionId: 'SSM_Current' })).toMatchObject({ SecretString: 'now' })
  expect(await read({ SecretName: 'key', VersionId: 'v1' })).toMatchObject({ SecretString: 'before' })
  expect(await read({ SecretName: 'key', VersionId: 'v2' })).toBe('ResourceNotFound')
  expect(await read({ SecretName: 'key' })).toBe('MissingParameter')
})

interface Fetched {
  status: number | undefined
  headers: http.IncomingHttpHeaders
  body: string
}

/** As fetch, but with any host header. */
function fetched(path: string, { method = 'GET', headers = {}, body = '' } = {}): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(cloud.url)
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      response.toArray().then((parts: Buffer[]) => {
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString() })
      }, reject)
    })
    request.on('error', reject).end(body)
  })
}
