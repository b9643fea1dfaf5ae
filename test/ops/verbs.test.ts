// `status` and `smoke` against a double of Tencent Cloud, with functions that answer what a test says; `ops.test.ts` has the
// real ones.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { functionMark, versionMark } from '../../lib/deploy/mark.ts'
import { ownerOf } from '../../lib/deploy/mark.ts'
import { readService } from '../../lib/deploy/service.ts'
import { smoke } from '../../lib/ops/smoke.ts'
import { status } from '../../lib/ops/status.ts'
import { cloudOf } from '../../lib/scf.ts'
import type { Cloud as Api } from '../../lib/tencent.ts'
import { ask, zip } from '../cloud/client.ts'
import { type Cloud, openCloud } from '../cloud/cloud.ts'

let cloud: Cloud
let api: Api

beforeEach(async () => {
  cloud = await openCloud({ busyMs: 1 })
  api = as()
})
afterEach(() => cloud.close())

/** Access as the person, or with something wrong about it. */
const as = (more: Record<string, string> = {}): Api =>
  cloudOf(
    { url: new URL(cloud.url), region: 'ap-guangzhou' },
    { TENCENTCLOUD_SECRET_ID: cloud.person.secretId, TENCENTCLOUD_SECRET_KEY: cloud.person.secretKey, ...more },
  )

const service = readService({
  service: 'rollcall',
  provider: { stage: 'prod', region: 'ap-guangzhou', settingsFile: '.env.prod', runtime: 'Nodejs20.19' },
  functions: {
    reconcile: { handler: 'functions/reconcile.main_handler' },
    status: { handler: 'functions/status.main_handler' },
  },
})
/** All that a look at functions takes. */
const READS = [
  'GetFunction',
  'GetAlias',
  'ListVersionByFunction',
  'ListTriggers',
  'GetReservedConcurrencyConfig',
  'GetFunctionEventInvokeConfig',
]
const tolerance = { backlogMinutes: 10, ignore: [] }

/** Deploys a function that gives what an expression comes to. */
async function deploy(key: string, expression: string): Promise<void> {
  const FunctionName = `rollcall-prod-${key}`
  const code = { 'index.js': `exports.main_handler = async () => (${expression})` }
  await ask(cloud, 'CreateFunction', {
    FunctionName,
    Runtime: 'Nodejs20.19',
    Handler: 'index.main_handler',
    Timeout: 10,
    Description: functionMark(ownerOf('rollcall', 'prod'), 'a'.repeat(64)),
    Environment: { Variables: [{ Key: 'DATABASE_URL', Value: 'hush' }] },
    Code: { ZipFile: zip(code) },
  })
  const isActive = async (Qualifier: string) => {
    await expect
      .poll(() => ask(cloud, 'GetFunction', { FunctionName, Qualifier }), { interval: 5 })
      .toMatchObject({ Status: 'Active' })
  }
  await isActive('$LATEST')
  await publish(FunctionName, '20261126T000000Z')
  await isActive('1')
  await ask(cloud, 'UpdateAlias', { FunctionName, Name: '$DEFAULT', FunctionVersion: '1' })
}
const publish = (FunctionName: string, time: string) =>
  ask(cloud, 'PublishVersion', {
    FunctionName,
    Description: versionMark({ release: { id: 'aa', time }, fingerprint: 'bb' }),
  })

const result = (account: string, more: object) =>
  JSON.stringify({ account, outcome: 'unchanged', listed: 3, events: 0, deliveries: 0, reason: null, ...more })
const accounts = (...results: string[]) => `{ accounts: [${results.join()}] }`
const busy = result('default', { outcome: 'skipped', reason: 'busy' })
const inside = (more: object = {}) =>
  JSON.stringify({
    migrated: true,
    missing: [],
    accounts: [
      { account: 'default', listedAt: 'then', outcome: 'unchanged', error: null, ageSeconds: 4, goodAt: 'then' },
    ],
    backlog: { countedUpTo: 100, pending: 100, oldestDue: null, deadOfLastDay: 2, disabled: [] },
    ...more,
  })

test('a tick that another one kept from its work is fine', async () => {
  await deploy('reconcile', accounts(result('default', {}), busy))

  expect(await smoke(api, service)).toEqual({
    isWell: true,
    json: { ok: true, accounts: [JSON.parse(result('default', {})), JSON.parse(busy)] },
    lines: [
      'default: unchanged, 3 live, 0 events, 0 deliveries',
      'default: skipped (busy), 3 live, 0 events, 0 deliveries',
    ],
    problems: [],
  })
  // What is live is asked, not what is being deployed.
  expect(cloud.invocations).toMatchObject([{ qualifier: '$DEFAULT', version: '1' }])
})

test('one account that failed is told beside those that did not', async () => {
  const failed = result('second', { outcome: 'failed', listed: null, reason: 'api_refused: 100005' })
  await deploy('reconcile', accounts(result('default', {}), failed))

  expect(await smoke(api, service)).toMatchObject({
    isWell: false,
    json: { ok: false },
    lines: ['default: unchanged, 3 live, 0 events, 0 deliveries', 'second: failed'],
    problems: ['account second failed: api_refused: 100005'],
  })
})

test('while a timer’s tick is under way, and there is room for no other, it is waited for', async () => {
  const slow = `new Promise((resolve) => setTimeout(() => resolve(${accounts(result('default', {}))}), 3_000))`
  await deploy('reconcile', slow)
  await ask(cloud, 'PutReservedConcurrencyConfig', {
    FunctionName: 'rollcall-prod-reconcile',
    ReservedConcurrencyMem: 128,
  })
  await ask(cloud, 'Invoke', {
    FunctionName: 'rollcall-prod-reconcile',
    InvocationType: 'Event',
    Qualifier: '$DEFAULT',
  })

  const { isWell } = await smoke(api, service)

  expect(isWell).toBe(true)
  const statuses = cloud.invocations.map((one) => one.status)
  expect([statuses[0], statuses.filter((one) => one === 200)]).toEqual([432, [200, 200]])
})

test('an answer of another version is not taken for one', async () => {
  await deploy('reconcile', '{ accounts: "none" }')

  await expect(smoke(api, service)).rejects.toThrow(
    'function rollcall-prod-reconcile answers what this version does not know: deploy, or use the version that was deployed',
  )
})

test('status tells what is there, and no setting of it', async () => {
  await deploy('reconcile', 'null')
  await deploy('status', inside())

  const told = await status(api, service, tolerance)

  expect(told).toMatchObject({
    isWell: true,
    json: { ok: true, release: '20261126T000000Z', newest: '20261126T000000Z', migrated: true },
  })
  expect(told.lines.slice(-2)).toEqual([
    'account default: unchanged, 4 s ago',
    'deliveries: 100 or more pending, none due; 2 given up within a day',
  ])
  expect(JSON.stringify(told)).not.toContain('hush')
})

test('a newer release than the live one is mentioned, and no problem: it may have been rolled back', async () => {
  await deploy('reconcile', 'null')
  await deploy('status', inside())
  await publish('rollcall-prod-reconcile', '20261127T000000Z')

  const told = await status(api, service, tolerance)

  expect(told).toMatchObject({ isWell: true, json: { release: '20261126T000000Z', newest: '20261127T000000Z' } })
  expect(told.lines).toContain('release 20261127T000000Z is newer than what is live')
})

test('disabled endpoints are told, and why they are', async () => {
  await deploy('reconcile', 'null')
  const disabled = [{ endpoint: 'ep_1', reason: 'failing' }]
  await deploy(
    'status',
    inside({ backlog: { countedUpTo: 9, pending: 1, oldestDue: null, deadOfLastDay: 0, disabled } }),
  )

  const { lines } = await status(api, service, tolerance)

  expect(lines.at(-1)).toBe('endpoint ep_1: disabled (failing)')
})

test('a function that is missing is told, and nothing is invoked in its place', async () => {
  await deploy('reconcile', 'null')

  expect(await status(api, service, tolerance)).toMatchObject({
    isWell: false,
    json: { ok: false, migrated: null, accounts: [], backlog: null },
    problems: ['function rollcall-prod-status is not deployed: npx serverless deploy --stage prod'],
  })
  expect(cloud.calls.map(({ action }) => action)).not.toContain('Invoke')
})

test('a status function that fails, or may not be invoked, is one problem among others', async () => {
  await deploy('reconcile', 'null')
  await deploy('status', '(() => { throw new Error("no way to the database") })()')

  const failed = await status(api, service, tolerance)
  cloud.policy.person = READS.map((action) => `scf:${action}`)
  const refused = await status(api, service, tolerance)

  expect(failed.problems).toEqual([
    expect.stringMatching(
      /^the database could not be asked: function rollcall-prod-status failed: .*no way to the database/,
    ),
  ])
  expect(refused.problems).toEqual([
    expect.stringMatching(
      /^the database could not be asked: Invoke of rollcall-prod-status: UnauthorizedOperation.*policy/,
    ),
  ])
})

test('a credential that has expired is told as that', async () => {
  await deploy('reconcile', 'null')

  await expect(status(as({ TENCENTCLOUD_TOKEN: 'of-yesterday' }), service, tolerance)).rejects.toThrow(
    /TokenFailure: .*The temporary credential has expired: get a new one/,
  )
})
