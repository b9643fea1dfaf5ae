// `serverless` as a person runs it, against a double of Tencent Cloud that really runs what is uploaded: the deployed system does
// its whole job, with a real Postgres and real receivers. Doubles at the network's rim: Tencent Cloud, the Digital Human API.
// The tests are one story: each goes on with what the one before left in the cloud.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { closeSession, createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { migrations } from '../../migrations/index.ts'
import { ask } from '../cloud/client.ts'
import { type Cloud, openCloud } from '../cloud/cloud.ts'
import { openWorld, type SimulatedAccount, type World } from '../support/world.ts'
import { openServiceFolder, type ServiceFolder } from './service-folder.ts'

let folder: ServiceFolder
let world: World
let api: SimulatedAccount
let cloud: Cloud
let settings: Record<string, string>

beforeAll(async () => {
  folder = openServiceFolder()
  world = await openWorld()
  // An empty database, as a newcomer has it.
  await sql`drop schema report cascade; drop schema public cascade; create schema public`.execute(world.db)
  api = await world.simulate('default', { cachedShare: 1 })
  // With the policies that docs/deploying.md tells to give, and no more.
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'deploying.md'), 'utf8')
  const [roleMay, personMay] = [...page.matchAll(/"statement": (\[[\s\S]*?\n {2}\])/g)].map(([, text = '']) =>
    (JSON.parse(text) as { action: string[] }[]).flatMap(({ action }) => action),
  )
  cloud = await openCloud({ roles: ['runs'], roleMay: roleMay ?? [], personMay: personMay ?? [] })
  const { DATABASE_URL = '', IVH_ACCESS_TOKEN = '', ...open } = api.env
  cloud.secrets.set('rollcall-database', DATABASE_URL).set('rollcall-access-token', IVH_ACCESS_TOKEN)
  settings = {
    ...open,
    DATABASE_URL: 'ssm:rollcall-database',
    IVH_ACCESS_TOKEN: 'ssm:rollcall-access-token',
    TENCENT_API_URL: cloud.url,
  }
  folder.settings('prod', settings)
})
afterAll(async () => {
  await cloud.close()
  await world.close()
  folder.remove()
})
beforeEach(() => void (cloud.calls.length = 0))

const STAGE = ['--stage', 'prod', '--param', 'role=runs', '--param', 'logsetId=set', '--param', 'topicId=topic']
const serverless = (...args: string[]) => folder.serverless([...args, ...STAGE], cloud)
/** Values in place of the secrets, which who deploys may not read. */
const own = () =>
  ['DATABASE_URL', 'IVH_ACCESS_TOKEN', 'WEBHOOK_FUNCTION'].flatMap((name) => [
    '--env',
    `${name}=${api.env[name] ?? ''}`,
  ])
/** The calls that changed something, as `Action of FUNCTION`. */
const changes = () =>
  cloud.calls
    .filter(({ action }) => !/^(Get|List|Search)/.test(action))
    .map(({ action, params }) => `${action} of ${String(params.FunctionName).replace('rollcall-prod-', '')}`)
const triggers = () =>
  cloud
    .functions()
    .flatMap(({ name, triggers }) =>
      triggers.map(({ type, qualifier, desc }) => `${name} ${type} ${qualifier} ${desc}`),
    )
/** The version that the default alias of each function points to. */
const live = () =>
  Object.fromEntries(
    cloud.functions().map(({ name, aliases }) => [name, aliases.find((one) => one.name === '$DEFAULT')?.version]),
  )
const lastDrain = () => cloud.invocations.filter((one) => one.function === 'rollcall-prod-webhook').at(-1)
/** Makes the timers fire as if these seconds passed, and waits for what they started. */
async function pass(seconds: number): Promise<void> {
  const start = Math.floor(Date.now() / 60_000) * 60_000
  for (let i = 0; i < seconds; i += 1) {
    cloud.tickTimers(new Date(start + i * 1_000))
    await cloud.idle()
  }
}

const hashes = (path: string) =>
  readdirSync(join(path, '.serverless'))
    .filter((name) => name.endsWith('.zip'))
    .map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(path, '.serverless', name)))
        .digest('hex'),
    ])

test('a deployment makes everything, and what it makes does the whole job', async () => {
  const { stdout, stderr, code } = await serverless('deploy')

  expect(stdout).toContain('+ rollcall-prod-reconcile\n')
  expect(stdout).toMatch(/deployed: release \d{8}T\d{6}Z\n$/)
  expect(stderr).toContain(`rollcall-prod-migrate: invoked: ${JSON.stringify({ applied: Object.keys(migrations) })}`)
  expect(code).toBe(0)
  expect(stdout + stderr).not.toContain(api.env.IVH_ACCESS_TOKEN)
  expect(stdout + stderr).not.toContain('postgresql://')
  const order = changes()
  expect(order.slice(0, 4).map((change) => change.split(' ')[0])).toEqual([
    'CreateFunction',
    'PutReservedConcurrencyConfig',
    'Invoke',
    'PublishVersion',
  ])
  expect(order.slice(-3)).toEqual([
    'CreateTrigger of webhook',
    'CreateTrigger of reconcile',
    'CreateTrigger of console',
  ])

  const receiver = await world.subscribe({ events: ['session.started', 'session.closed'] })
  const created = createSession(api.simulator, { userId: 'abc', projectId: 'p' })
  const id = 'ok' in created ? created.ok.id : ''
  startSession(api.simulator, id)
  await pass(1)
  closeSession(api.simulator, id)
  await pass(11)

  expect(receiver.received.map(({ event }) => event.type)).toEqual(['session.started', 'session.closed'])
  expect(receiver.unverified).toBe(0)
  expect(cloud.invocations.filter(({ error }) => error !== '')).toEqual([])
  const environments = cloud.functions().map(({ latest }) => JSON.stringify(latest.settings.Environment))
  expect(environments.join()).not.toMatch(/postgresql:/)
  // Reconcile's role invokes the webhook function; nobody waits for its timer.
  expect(cloud.invocations.filter(({ source }) => source === 'event')).not.toEqual([])
})

test('a second one changes nothing', async () => {
  const { stdout, code } = await serverless('deploy')

  expect([stdout.split('\n').at(-2), code]).toEqual(['nothing to change', 0])
  expect(changes()).toEqual([])
})

test('a changed function alone is updated', async () => {
  folder.edit('functions/webhook.ts', "'drained'", "'drained, as changed'")

  const planned = await serverless('plan')
  expect(changes()).toEqual([])
  const { code } = await serverless('deploy')

  expect(planned.stdout).toMatch(/~ rollcall-prod-webhook\n {4}~ code, [\d.]+ kB\n {4}~ live: 1 → a new version/)
  expect(code).toBe(0)
  expect(changes()).toEqual(
    [
      'UpdateFunctionConfiguration',
      'UpdateFunctionCode',
      'UpdateFunctionConfiguration',
      'PublishVersion',
      'UpdateAlias',
    ].map((one) => `${one} of webhook`),
  )
  expect(live()['rollcall-prod-webhook']).toBe('2')
  await pass(1)
  expect(lastDrain()?.log.join()).toContain('drained, as changed')
})

test('an interval that changes changes its trigger, and one that is declared no more is removed', async () => {
  folder.edit('serverless.yml', 'every: ${param:sweep}', 'every: 30s')
  folder.edit('serverless.yml', '    events:\n      - url:\n          auth: ${param:consoleAuth}\n', '')

  const { code } = await serverless('deploy')

  expect([code, changes()]).toEqual([0, ['UpdateTrigger of webhook', 'DeleteTrigger of console']])
  expect(triggers()).toEqual([
    expect.stringContaining('rollcall-prod-webhook timer $DEFAULT */30 * * * * * *'),
    expect.stringContaining('rollcall-prod-reconcile timer $DEFAULT */10 * * * * * *'),
  ])
})

test('a setting that changes goes to the functions that have it, and nobody sees its value', async () => {
  folder.settings('prod', { ...settings, SECRET_KEY: 'ab'.repeat(32) })

  const { stdout, stderr } = await serverless('deploy')

  expect(stdout).toContain('    + environment SECRET_KEY\n')
  expect(stdout + stderr).not.toContain('abab')
  expect(changes()[0]).toBe('UpdateFunctionConfiguration of webhook')
  expect(new Set(changes().map((change) => change.split(' of ')[1]))).toEqual(new Set(['webhook', 'console']))
})

test('a migration that fails leaves the old version running with its timers', async () => {
  const before = [live(), triggers()]
  folder.edit(
    'functions/migrate.ts',
    'const applied = await',
    "if (db) throw new Error('no room left')\n    const applied = await",
  )
  folder.edit('functions/webhook.ts', "'drained, as changed'", "'drained, as changed again'")

  const { stdout, stderr, code } = await serverless('deploy')

  expect(code).toBe(1)
  expect(stdout + stderr).toMatch(
    /function rollcall-prod-migrate failed: .*no room left.* The version before stays live/,
  )
  expect([live(), triggers()]).toEqual(before)
  await pass(1)
  expect(lastDrain()).toMatchObject({ error: '', version: '3' })
})

test('and is repeated when what was wrong is mended', async () => {
  folder.edit(
    'functions/migrate.ts',
    "if (db) throw new Error('no room left')\n    const applied = await",
    'const applied = await',
  )

  const { stdout, stderr, code } = await serverless('deploy')

  expect([code, stdout]).toEqual([0, expect.stringMatching(/deployed: release/)])
  expect(stderr).not.toContain('rollcall-prod-migrate: invoked')
  expect(live()['rollcall-prod-webhook']).toBe('4')
})

test('a rollback makes the version before live again at once, and a deployment the newest', async () => {
  const back = await serverless('rollback')
  const listed = await serverless('deploy', 'list')
  const rolledBack = [back.code, changes(), live()['rollcall-prod-webhook']]
  const forth = await serverless('deploy')

  expect(rolledBack).toEqual([0, ['UpdateAlias of webhook'], '3'])
  expect(listed.stdout).toMatch(/ \(live\): .*rollcall-prod-webhook 3/)
  expect([forth.code, live()['rollcall-prod-webhook']]).toEqual([0, '5'])
})

test('a function alone can be deployed, and one that does not exist cannot', async () => {
  folder.edit('functions/webhook.ts', "'drained, as changed again'", "'drained'")
  folder.edit('functions/reconcile.ts', "'reconciled'", "'reconciled, as changed'")

  const { code, stderr } = await serverless('deploy', 'function', '--function', 'webhook')
  folder.edit('functions/migrate.ts', "'migrated'", "'migrated, as changed'")
  const warned = await serverless('deploy', 'function', '--function', 'webhook')
  const unknown = await serverless('deploy', 'function', '--function', 'webhok')

  expect([code, new Set(changes().map((change) => change.split(' of ')[1]))]).toEqual([0, new Set(['webhook'])])
  expect([stderr.includes('is not deployed as it is here'), warned.code, warned.stderr]).toEqual([
    false,
    0,
    expect.stringContaining('migrate is not deployed as it is here'),
  ])
  expect([unknown.code, unknown.stdout]).toEqual([
    1,
    expect.stringContaining('there is no function webhok: serverless.yml has'),
  ])
})

test('it can be looked at, invoked and read', async () => {
  const info = await serverless('info')
  const invoked = await serverless('invoke', '--function', 'reconcile')
  const event = JSON.stringify({ Type: 'Timer' })
  const local = await serverless('invoke', 'local', '--function', 'reconcile', '--data', event, ...own())
  const logs = await serverless('logs', '--function', 'reconcile')
  const none = await serverless('logs', '--function', 'reconcile', '--filter', 'SCF_Level:ERROR')

  expect(info.stdout).toMatch(
    /rollcall-prod-reconcile: Active, version 1, of release \d{8}T\d{6}Z, 128 MB, 60 s\n {2}timer timer: \*\/10/,
  )
  expect([invoked.code, JSON.parse(invoked.stdout)]).toMatchObject([
    0,
    { accounts: [{ account: 'default', outcome: 'unchanged' }] },
  ])
  expect([local.code, JSON.parse(local.stdout)]).toMatchObject([
    0,
    { accounts: [{ account: 'default', outcome: 'unchanged' }] },
  ])
  expect(local.stderr).toContain('reconciled, as changed')
  expect([logs.code, logs.stdout]).toEqual([0, expect.stringMatching(/^2\S+Z [\w-]+ .*"reconciled"/m)])
  expect([none.code, none.stdout]).toEqual([0, ''])
})

test('what fails is told, with exit code 1', async () => {
  folder.settings('prod', { ...settings, IVH_ACCESS_TOKEN: 'wrong' })
  await serverless('deploy', 'function', '--function', 'reconcile')

  const invoked = await serverless('invoke', '--function', 'reconcile')
  const unread = await serverless('invoke', 'local', '--function', 'reconcile')
  const local = await serverless('invoke', 'local', '--function', 'reconcile', ...own(), '--env', 'IVH_ACCESS_TOKEN=no')
  const event = await serverless('invoke', '--function', 'reconcile', '--data', '{')
  const option = await serverless('deploy', '--force')
  const param = await serverless('plan', '--param', 'tik=1s')

  expect([invoked.code, invoked.stdout]).toEqual([
    1,
    expect.stringMatching(/function rollcall-prod-reconcile failed: .*100005/),
  ])
  expect([local.code, local.stdout]).toEqual([1, expect.stringMatching(/reconcile failed: .*100005/)])
  expect([unread.code, unread.stdout]).toEqual([
    1,
    expect.stringMatching(/DATABASE_URL .* could not be read: UnauthorizedOperation/),
  ])
  expect([event.code, event.stdout]).toEqual([1, expect.stringContaining('the event is no JSON')])
  expect([option.code, option.stdout]).toEqual([1, expect.stringContaining('--force is not for SCF')])
  expect([param.code, param.stdout]).toEqual([
    1,
    expect.stringContaining('--param has no tik: serverless.yml has region, tick'),
  ])
})

test('the functions of another stage, and of other hands, are nobody’s business', async () => {
  const other = await folder.serverless(['remove', '--stage', 'pro'], cloud)
  const kept = cloud.functions().length

  expect([other.code, other.stdout, kept]).toEqual([0, 'nothing to remove\n', 5])
})

test('a function whose description another hand changed is left at a removal, and told', async () => {
  const mine = { FunctionName: 'rollcall-prod-console', Description: 'mine now' }
  await ask(cloud, 'UpdateFunctionConfiguration', mine)

  const { code, stderr } = await serverless('remove')
  const left = cloud.functions().map(({ name }) => name)
  await ask(cloud, 'DeleteFunction', { FunctionName: 'rollcall-prod-console' })

  expect([code, left]).toEqual([0, ['rollcall-prod-console']])
  expect(stderr).toContain('rollcall-prod-console is left')
})

test('a removal leaves nothing', async () => {
  await serverless('deploy')
  const { code, stdout } = await serverless('remove')
  const again = await serverless('remove')
  const info = await serverless('info')
  const functions = cloud.functions()

  expect([code, stdout]).toEqual([0, 'removed; the database is untouched\n'])
  expect(functions).toEqual([])
  expect([again.code, again.stdout]).toEqual([0, 'nothing to remove\n'])
  expect(info.stdout).toContain('rollcall-prod-reconcile: not deployed')
})

describe('without credentials and network', () => {
  test('the service is packaged, twice with the same bytes, wherever it lies', async () => {
    const offline = {
      TENCENT_API_URL: 'http://127.0.0.1:9',
      http_proxy: 'http://127.0.0.1:9',
      https_proxy: 'http://127.0.0.1:9',
    }
    const another = openServiceFolder()
    const pristine = openServiceFolder()
    const packed = await Promise.all([
      pristine.serverless(['package'], undefined, { ...offline, TZ: 'Asia/Shanghai' }),
      another.serverless(['package'], undefined, { ...offline, TZ: 'America/New_York' }),
    ])
    const printed = await pristine.serverless(['print', '--format', 'json'], undefined, offline)

    expect(packed.map(({ code }) => code)).toEqual([0, 0])
    expect(packed[0].stderr).toMatch(/reconcile: [\d.]+ kB minified, [\d.]+ kB gzipped, [\d.]+ kB as zip/)
    expect(hashes(pristine.path)).toEqual(hashes(another.path))
    expect(readdirSync(join(pristine.path, '.serverless', 'maps'))).toContain('reconcile.js.map')
    expect(JSON.parse(printed.stdout)).toMatchObject({ service: 'rollcall', provider: { name: 'tencent' } })
    for (const one of [another, pristine]) one.remove()
  })
})
