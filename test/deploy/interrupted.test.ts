// A deployment that ends anywhere, told of its end or not, and is run again: against a double of Tencent Cloud, at each of its
// calls. The functions are as small as can be.
import { createHash } from 'node:crypto'
import { zipSync } from 'fflate'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { applyDeployment, type Deployment, isEmpty, planDeployment } from '../../lib/deploy/deploy.ts'
import { readFunctions } from '../../lib/deploy/actual.ts'
import { desiredOf } from '../../lib/deploy/desired.ts'
import { functionMark, ownerOf } from '../../lib/deploy/mark.ts'
import { invoke } from '../../lib/deploy/invoke.ts'
import { move, planRollback, releasesOf } from '../../lib/deploy/rollback.ts'
import type { PatientCloud } from '../../lib/deploy/scf.ts'
import type { DeclaredFunction } from '../../lib/deploy/service.ts'
import { ask } from '../cloud/client.ts'
import { type Cloud, openCloud } from '../cloud/cloud.ts'
import { declare } from './declared.ts'

let cloud: Cloud
beforeEach(async () => void (cloud = await openCloud({ busyMs: 1 })))
afterEach(() => cloud.close())

/** Who deploys; without patience, so that what is down stays down. */
const deployer = (more: Partial<PatientCloud> = {}): PatientCloud => ({
  url: new URL(cloud.url),
  region: 'ap-guangzhou',
  credential: () => ({ ...cloud.person, token: undefined }),
  pausesMs: [],
  ...more,
})

function deployment(code: string, more: Partial<DeclaredFunction> = {}): Deployment {
  const zip = zipSync(
    { 'index.js': Buffer.from(`exports.main_handler = async () => '${code}'`) },
    { mtime: new Date(1980, 0, 1) },
  )
  const archive = { zip, sha256: createHash('sha256').update(zip).digest('hex') }
  const owner = ownerOf('rollcall', 'prod')
  const timer = { type: 'timer', name: 'timer', cron: '*/10 * * * * * *' } as const
  const desired = ['migrate', 'reconcile'].map((key) =>
    desiredOf(declare(key, { ...(key === 'reconcile' && { triggers: [timer] }), ...more }), owner, archive, {
      LOG_LEVEL: code,
    }),
  )
  return { service: { name: 'rollcall', stage: 'prod' }, desired }
}

async function deploy(what: Deployment, by = deployer()): Promise<void> {
  const plan = await planDeployment(by, what, new Date())
  await applyDeployment(by, what, plan, () => undefined)
}

/** What matters of the cloud; not how often something was published on the way. */
const state = () =>
  cloud.functions().map(({ name, latest, aliases, published, triggers, reservedMb, retryNum, ttlSeconds }) => {
    const version = aliases.find((one) => one.name === '$DEFAULT')?.version
    const live = published.find((one) => one.name === version)
    return {
      name,
      settings: latest.settings,
      live: live && [live.settings.Environment, live.code],
      triggers: triggers.map(({ type, qualifier, desc, isOpen }) => [type, qualifier, desc, isOpen]),
      reservedMb,
      retryNum,
      ttlSeconds,
    }
  })
const changed = () => cloud.calls.filter(({ action }) => !/^(Get|List)/.test(action)).length

const first = deployment('one')
const second = deployment('two', {
  memoryMb: 256,
  triggers: [{ type: 'timer', name: 'hourly', cron: '0 0 * * * * *' }],
})

describe.each([
  ['the first deployment', undefined, first],
  ['an update of everything', first, second],
])('%s', (_, before, after) => {
  test.each(['given', 'lost'] as const)(
    'cut off after any of its calls, whose last answer is %s, is finished by running it again',
    async (answer) => {
      const start = async () => {
        await cloud.close()
        cloud = await openCloud({ busyMs: 1 })
        if (before) await deploy(before)
        cloud.calls.length = 0
      }
      await start()
      await deploy(after)
      const [expected, calls] = [state(), changed()]

      for (let n = 1; n < calls; n += 1) {
        await start()
        cloud.dieAfter(n, answer)
        const interrupted = deploy(after).then(
          () => 'done',
          () => 'failed',
        )
        expect([n, await interrupted]).toEqual([n, 'failed'])
        cloud.revive()
        await deploy(after)

        expect([n, state()]).toEqual([n, expected])
        expect(isEmpty(await planDeployment(deployer(), after, new Date()))).toBe(true)
      }
      expect(calls).toBeGreaterThan(10)
    },
    120_000,
  )
})

test('cut off after any of its calls, it leaves nothing to a deployment of something else', async () => {
  const third = deployment('one', { memoryMb: 512 })
  await deploy(third)
  const [expected] = [state().map(({ live }) => live)]
  const start = async () => {
    await cloud.close()
    cloud = await openCloud({ busyMs: 1 })
    await deploy(first)
    cloud.calls.length = 0
  }
  await start()
  await deploy(second)
  const calls = changed()

  for (let n = 1; n < calls; n += 1) {
    await start()
    cloud.dieAfter(n, 'lost')
    await deploy(second).catch(() => undefined)
    cloud.revive()
    await deploy(third)

    expect([n, state().map(({ live }) => live)]).toEqual([n, expected])
  }
}, 120_000)

describe('one fault', () => {
  const actions = [
    'CreateFunction',
    'Invoke',
    'PublishVersion',
    'UpdateAlias',
    'PutReservedConcurrencyConfig',
    'CreateTrigger',
  ]

  test.each(
    actions.flatMap((action) =>
      (['hangup', 'http500', 'html'] as const).flatMap((kind) =>
        (['before', 'after'] as const).map((when) => ({ action, kind, when })),
      ),
    ),
  )('$kind $when $action is got over in the same run', async (fault) => {
    cloud.fault(fault)

    await deploy(first, deployer({ pausesMs: [1, 1] }))

    expect(isEmpty(await planDeployment(deployer(), first, new Date()))).toBe(true)
  })

  test.each(['RequestLimitExceeded', 'FailedOperation.FunctionStatusError', 'FailedOperation.OperationConflict'])(
    '%s is waited for',
    async (code) => {
      for (const action of actions) cloud.fault({ action, kind: 'error', code, times: 2 })

      await deploy(first, deployer({ pausesMs: [1, 1, 1] }))

      expect(isEmpty(await planDeployment(deployer(), first, new Date()))).toBe(true)
    },
  )

  test.each([
    ['AuthFailure.SecretIdNotFound', 'CreateFunction', /check TENCENTCLOUD_SECRET_ID/],
    ['UnauthorizedOperation.CAM', 'CreateFunction', /give its user the policy of docs\/deploying\.md/],
    ['LimitExceeded.Function', 'CreateFunction', /ask for a higher quota/],
    ['LimitExceeded.ReservedConcurrencyMemory', 'PutReservedConcurrencyConfig', /lower reservedConcurrency/],
    ['FailedOperation.InsufficientBalance', 'CreateFunction', /in arrears/],
    ['RequestLimitExceeded', 'CreateFunction', /run this again later/],
    ['SomethingNew.OfNobody', 'CreateFunction', /583\/17244 lists the codes/],
  ])('%s ends it with what to do', async (code, action, expected) => {
    cloud.fault({ action, kind: 'error', code, times: 99 })

    const fault = await deploy(first).catch((error: unknown) => error)

    expect(fault).toMatchObject({ code: 'cloud_refused', message: expect.stringMatching(expected) as string })
    expect(String(fault)).toContain(code)
  })

  test('a creation that fails is told with its reason, and made again by the next run', async () => {
    cloud.fault({
      action: 'CreateFunction',
      kind: 'badState',
      code: 'ResourceInsufficient',
      message: 'no address left in the subnet',
    })

    const fault = await deploy(first).catch((error: unknown) => error)
    await deploy(first)

    expect(String(fault)).toMatch(
      /rollcall-prod-migrate is CreateFailed instead of Active: .*no address left in the subnet/,
    )
    expect(isEmpty(await planDeployment(deployer(), first, new Date()))).toBe(true)
  })
})

test.each([
  [
    'repeats what it was sent',
    { code: 'InvalidParameterValue.Environment', message: 'The value hush-hush is not taken.' },
  ],
  ['is no JSON', { kind: 'html' as const }],
])('an answer of the API that %s takes no setting into a message', async (_, fault) => {
  const [migrate] = deployment('hush-hush').desired
  cloud.fault({ action: 'CreateFunction', kind: 'error', times: 9, ...fault })

  const error = await deploy({ ...first, desired: [migrate!] }).catch((thrown: unknown) => thrown)

  expect(String(error)).toMatch(/CreateFunction of rollcall-prod-migrate/)
  expect(String(error)).not.toContain('hush')
})

describe('what another hand did meanwhile', () => {
  const byHand = (action: string, params: object) =>
    ask(cloud, action, { FunctionName: 'rollcall-prod-reconcile', ...params })
  const answerOf = async (key: string) =>
    (await invoke(deployer(), `rollcall-prod-${key}`, { qualifier: '$DEFAULT', timeoutSeconds: 3 })).answer
  const more = deployment('one', { memoryMb: 256 })

  test('code that was changed in the console does not go live with the next change of a setting', async () => {
    await deploy(first)
    const ZipFile = Buffer.from(
      zipSync({ 'index.js': Buffer.from(`exports.main_handler = async () => 'by hand, and longer'`) }),
    )
    await byHand('UpdateFunctionCode', { ZipFile: ZipFile.toString('base64') })
    await expect.poll(() => byHand('GetFunction', {})).toMatchObject({ Status: 'Active' })

    await deploy(more)

    expect(await answerOf('reconcile')).toBe('"one"')
  })

  test('a plan that another deployment has overtaken brings all of its own', async () => {
    await deploy(first)
    const by = deployer()
    const plan = await planDeployment(by, more, new Date())
    await deploy(second)

    await applyDeployment(by, more, plan, () => undefined)

    expect([await answerOf('migrate'), await answerOf('reconcile')]).toEqual(['"one"', '"one"'])
    expect(isEmpty(await planDeployment(deployer(), more, new Date()))).toBe(true)
  })

  test('what is changed while it is published does not go live', async () => {
    await deploy(first)
    cloud.fault({ action: 'PublishVersion', kind: 'delay', ms: 2_000 })
    const meddle = (line: string) => {
      if (line.includes('migrate: invoked')) {
        void ask(cloud, 'UpdateFunctionConfiguration', { FunctionName: 'rollcall-prod-migrate', MemorySize: 64 })
      }
    }

    const by = deployer({ pausesMs: [20, 50, 100] })
    const plan = await planDeployment(by, second, new Date())
    const fault = await applyDeployment(by, second, plan, meddle).catch((error: unknown) => String(error))
    const between = [await answerOf('migrate'), await answerOf('reconcile')]
    await deploy(second)

    expect(fault).toMatch(/rollcall-prod-migrate was changed by somebody else meanwhile: what was live stays live/)
    expect(between).toEqual(['"one"', '"one"'])
    expect([await answerOf('migrate'), await answerOf('reconcile')]).toEqual(['"two"', '"two"'])
  })

  test.each(['before', 'after'])('a URL made by hand %s ours is removed', async (when) => {
    const TriggerDesc = JSON.stringify({ AuthType: 'NONE', NetConfig: { EnableIntranet: false, EnableExtranet: true } })
    const make = () =>
      byHand('CreateTrigger', { TriggerName: 'hand', Type: 'http', TriggerDesc, Enable: 'OPEN', Qualifier: '$LATEST' })
    const ours = deployment('one', { triggers: [{ type: 'http', name: 'url', auth: 'CAM' }] })
    await deploy(first)
    if (when === 'before') await make()
    await deploy(ours)
    if (when === 'after') await make()

    cloud.calls.length = 0
    await deploy(ours)

    // Made anew ours would have another address.
    const made = cloud.calls.filter(({ action }) => action === 'CreateTrigger')
    expect(made).toEqual([])
    const triggers = cloud.functions().flatMap((one) => one.triggers.filter(({ type }) => type === 'http'))
    expect(triggers.map(({ qualifier, desc }) => [qualifier, desc.includes('CAM')])).toEqual([
      ['$DEFAULT', true],
      ['$DEFAULT', true],
    ])
  })
})

describe('a rollback', () => {
  const functions = () => readFunctions(deployer(), { functions: first.desired } as never)
  const rollback = async () => {
    const { moves } = planRollback(await functions(), undefined)
    for (const one of moves) await move(deployer(), one)
  }

  test('is told apart from what follows: a release has the versions that were live with it', async () => {
    await deploy(first)
    await deploy(second)
    await rollback()
    const [migrate] = first.desired
    const [, reconcile] = deployment('three').desired
    const third = { ...first, desired: [migrate!, reconcile!] }

    await deploy(third)

    const live = (await functions()).map(({ live }) => live)
    const newest = releasesOf(await functions()).at(-1)
    expect([newest?.isLive, Object.values(newest?.versions ?? {})]).toEqual([true, live])
    expect(isEmpty(await planDeployment(deployer(), third, new Date()))).toBe(true)
  })

  test('knows more releases than SCF tells on one page', async () => {
    const alone = [first, second].map((one) => ({ ...one, desired: one.desired.slice(0, 1) }))
    for (let i = 0; i < 11; i += 1) for (const one of alone) await deploy(one)

    const releases = releasesOf(await functions())

    expect(releases.map(({ isLive }) => isLive)).toEqual([...Array<boolean>(21).fill(false), true])
    expect(isEmpty(await planDeployment(deployer(), alone[1]!, new Date()))).toBe(true)
  })

  test('to a version with more memory than is kept for it leaves it room to run', async () => {
    await deploy(deployment('one', { memoryMb: 256 }))
    await deploy(deployment('one', { memoryMb: 128 }))

    await rollback()

    const { fault } = await invoke(deployer(), 'rollcall-prod-reconcile', { qualifier: '$DEFAULT', timeoutSeconds: 3 })
    expect(fault).toBeUndefined()
  })
})

test('a publication that failed is made again by the next run', async () => {
  await deploy(first)
  cloud.fault({ action: 'PublishVersion', kind: 'badState', code: 'InternalError', message: 'no room' })

  const fault = await deploy(second).catch((error: unknown) => error)
  await deploy(second)

  expect(String(fault)).toMatch(/is PublishFailed instead of Active: .*no room/)
  expect(isEmpty(await planDeployment(deployer(), second, new Date()))).toBe(true)
})

test('who deploys with the wrong key learns which, and nothing was changed', async () => {
  const fault = await deploy(
    first,
    deployer({ credential: () => ({ ...cloud.person, secretKey: 'hush', token: undefined }) }),
  ).catch((error: unknown) => error)

  expect(String(fault)).toMatch(/AuthFailure\.SignatureFailure.*check TENCENTCLOUD_SECRET_KEY/)
  expect(String(fault)).not.toContain('hush')
  expect(changed()).toBe(0)
})

test('a function declared no more is removed, and one of another hand is not', async () => {
  await deploy(first)
  const [migrate, reconcile] = first.desired
  const fewer = { ...first, desired: [migrate!] }
  const elsewhere = { name: 'rollcall', stage: 'prod-eu' }
  const owner = ownerOf(elsewhere.name, elsewhere.stage)
  const Description = functionMark(owner, reconcile!.codeSha256)
  const configuration = { ...reconcile!.configuration, Description }
  const stranger = {
    service: elsewhere,
    desired: [{ ...reconcile!, name: 'rollcall-prod-eu-reconcile', owner, configuration }],
  }
  await deploy(stranger)

  await deploy(fewer)

  expect(cloud.functions().map(({ name }) => name)).toEqual(['rollcall-prod-migrate', 'rollcall-prod-eu-reconcile'])
})
