// The verbs of `npm run ops`, run as a person does against a deployment on a double of Tencent Cloud that really runs what is
// uploaded. One story. Doubles at the network's rim: Tencent Cloud, the Digital Human API.
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { type Cloud, openCloud } from '../cloud/cloud.ts'
import { openServiceFolder, type ServiceFolder } from '../deploy/service-folder.ts'
import { openWorld, type SimulatedAccount, type World } from '../support/world.ts'

let folder: ServiceFolder
let world: World
let api: SimulatedAccount
let cloud: Cloud

const STAGE = ['--stage', 'prod', ...['role=runs', 'logsetId=set', 'topicId=topic'].flatMap((one) => ['--param', one])]
const ops = (...args: string[]) => folder.ops([...args, ...STAGE], cloud)
const npm = (...args: string[]) => {
  const env = { PATH: process.env.PATH, HOME: folder.path, npm_config_update_notifier: 'false' }
  return promisify(execFile)('npm', ['run', '--silent', 'ops', '--', ...args], { cwd: folder.path, env })
}
const deploy = () => folder.serverless(['deploy', ...STAGE], cloud)
const trigger = (key: string) => cloud.functions().find(({ name }) => name === `rollcall-prod-${key}`)?.triggers[0]

beforeAll(async () => {
  folder = openServiceFolder()
  world = await openWorld()
  await sql`drop schema report cascade; drop schema public cascade; create schema public`.execute(world.db)
  api = await world.simulate('default', { cachedShare: 1 })
  cloud = await openCloud({ roles: ['runs'] })
  folder.settings('prod', { ...api.env, TENCENT_API_URL: cloud.url })
})
afterAll(async () => {
  await cloud.close()
  await world.close()
  folder.remove()
})

test('where nothing is deployed, status says so', async () => {
  const { code, stderr } = await ops('status')

  expect([code, stderr]).toEqual([
    1,
    'nothing is deployed in ap-guangzhou: check the stage and the region, or npx serverless deploy --stage prod\n',
  ])
})

test('a smoke test makes a tick and tells what it saw; then all is well', async () => {
  await deploy()
  const created = createSession(api.simulator, { userId: 'abc', projectId: 'p' })
  startSession(api.simulator, 'ok' in created ? created.ok.id : '')
  const before = await ops('status')

  const smoke = await ops('smoke')
  const status = await ops('status')

  expect([before.code, before.stderr]).toEqual([
    1,
    expect.stringContaining('no account was ever listed: npm run ops -- smoke'),
  ])
  expect([smoke.code, smoke.stdout, smoke.stderr]).toEqual([
    0,
    'default: committed, 1 live, 3 events, 0 deliveries\n',
    '',
  ])
  expect([status.code, status.stderr]).toEqual([0, ''])
  expect(status.stdout).toMatch(/rollcall-prod-reconcile: Active, version 1/)
  expect(status.stdout).toMatch(/account default: committed, \d+ s ago/)
  expect(status.stdout).toMatch(/deliveries: 0 pending, none due; 0 given up within a day\n$/)
})

test('nobody but Tencent Cloud’s API is contacted, and nothing is left behind', async () => {
  const { contacts, code } = await ops('status')

  const { port } = new URL(cloud.url)
  expect([code, contacts]).toEqual([0, [`scf.localhost:${port}`]])
  expect(readdirSync(join(folder.path, 'dist', 'ops')).sort()).toEqual(['serverless.js', 'serverless.js.map'])
})

test('--json is one value, without a secret', async () => {
  const [status, smoke, logs] = await Promise.all([
    ops('status', '--json'),
    ops('smoke', '--json'),
    ops('logs', '--function', 'migrate', '--json'),
  ])

  expect(JSON.parse(status.stdout)).toMatchObject({
    ok: true,
    problems: [],
    migrated: true,
    accounts: [{ account: 'default' }],
  })
  expect(JSON.parse(smoke.stdout)).toMatchObject({ ok: true, accounts: [{ outcome: 'unchanged', listed: 1 }] })
  expect(JSON.parse(logs.stdout)).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('migrated') as string }),
  )
  for (const { stdout, stderr } of [status, smoke, logs]) {
    expect(stdout + stderr).not.toContain(api.env.IVH_ACCESS_TOKEN)
    expect(stdout + stderr).not.toContain('postgresql:')
  }
})

test('logs are told line by line', async () => {
  const { code, stdout } = await ops('logs', '--function', 'reconcile', '--since', '10m')

  expect([code, stdout]).toEqual([0, expect.stringMatching(/^2\S+Z [\w-]+ .*"reconciled"/m)])
})

test('what is wrong is told, each with what to do', async () => {
  const endpoint = await world.subscribe({ events: ['*'] }, () => 500)
  createSession(api.simulator, { userId: 'def', projectId: 'p' })
  await ops('smoke')
  await cloud.idle()
  await sql`update delivery set due_at = now() - interval '20 minutes'`.execute(world.db)
  await sql`update snapshot set listed_at = listed_at - interval '1 hour'`.execute(world.db)
  const timer = trigger('webhook')
  if (timer) timer.isOpen = false

  const { code, stderr } = await ops('status')
  const patient = await ops('status', '--backlog-minutes', '60', '--ignore', 'default')

  const lines = stderr.trim().split('\n')
  expect(code).toBe(1)
  expect(lines[0]).toBe('trigger timer of rollcall-prod-webhook is closed: npx serverless deploy --stage prod')
  expect(lines[1]).toMatch(/^account default had its last tick 60 min ago, more than 60 s: npm run ops -- logs/)
  expect(lines[2]).toMatch(
    new RegExp(`^endpoint ${endpoint.id} has waited 20 min for a delivery that is due; it fails since`),
  )
  expect(lines).toHaveLength(3)
  expect(patient.stderr).toBe(`${lines[0]}\n`)
})

test('a tick that fails makes smoke and status fail', async () => {
  folder.settings('prod', { ...api.env, IVH_ACCESS_TOKEN: 'wrong', TENCENT_API_URL: cloud.url })
  await deploy()

  const smoke = await ops('smoke')
  const status = await ops('status', '--backlog-minutes', '60')

  expect([smoke.code, smoke.stderr]).toEqual([
    1,
    expect.stringMatching(/^invoke_failed: function rollcall-prod-reconcile failed: .*100005/),
  ])
  expect([status.code, status.stderr]).toEqual([
    1,
    expect.stringMatching(/^the last tick of account default failed \(api_refused\)/),
  ])
})

test('neither a state nor a .env of the runner changes what a verb does', async () => {
  const own = join(folder.path, 'dist', 'ops')
  mkdirSync(join(own, '.serverless'))
  writeFileSync(join(own, '.serverless', '_.json'), 'broken')
  writeFileSync(join(own, '.env'), 'TENCENTCLOUD_SECRET_ID=of-another\nTENCENTCLOUD_SECRET_KEY=hush\n')

  const { code, stderr } = await folder.ops(['status', ...STAGE])
  for (const name of ['.serverless', '.env']) rmSync(join(own, name), { recursive: true })

  expect([code, stderr]).toEqual([1, expect.stringMatching(/^config_invalid: there is no Tencent Cloud credential/)])
})

test('--json is one value for what fails, too, with the exit code of the fault', async () => {
  folder.settings('prod', { ...api.env })

  const [refused, unknown] = await Promise.all([
    folder.ops(['status', '--json', ...STAGE], cloud, { TENCENTCLOUD_SECRET_KEY: 'hush' }),
    ops('logs', '--function', 'nope', '--json'),
  ])

  expect([refused.code, refused.stderr, unknown.code, unknown.stderr]).toEqual([1, '', 2, ''])
  expect(JSON.parse(refused.stdout)).toEqual({ ok: false, problems: [expect.stringMatching(/^cloud_refused: /)] })
  expect(JSON.parse(unknown.stdout)).toEqual({
    ok: false,
    problems: [expect.stringMatching(/^input_invalid: there is no function nope/)],
  })
})

test('npm run ops finds the verbs', async () => {
  expect((await npm('help')).stdout).toMatch(/^Usage: npm run ops -- .*\bstatus\b.*\bsmoke\b.*\blogs\b/s)
  await expect(npm('load')).rejects.toMatchObject({ code: 2, stdout: '' })
})

test.each([
  ['is not there', (file: string) => rmSync(file)],
  ['was cut off', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 100_000))],
])('a build that %s does not pass for a deployment that is well', async (_, spoil) => {
  const file = join(folder.path, 'dist', 'ops', 'serverless.js')
  const whole = readFileSync(file)
  spoil(file)

  // The runner alone would end with 0.
  const status = npm('status')

  await expect(status).rejects.toMatchObject({ code: 1, stdout: '' })
  writeFileSync(file, whole)
})

test.each([
  [
    'a credential that is refused',
    ['status'],
    { TENCENTCLOUD_SECRET_KEY: 'hush' },
    1,
    /^cloud_refused: .*check TENCENTCLOUD_SECRET_KEY/,
  ],
  [
    'no credential',
    ['status'],
    { TENCENTCLOUD_SECRET_ID: '' },
    1,
    /^config_invalid: there is no Tencent Cloud credential/,
  ],
  [
    'an API that is not there',
    ['smoke'],
    { TENCENT_API_URL: 'http://localhost:9' },
    1,
    /^cloud_unreachable: Invoke of/,
  ],
  [
    'an unknown function',
    ['logs', '--function', 'nope'],
    {},
    2,
    /^input_invalid: there is no function nope: serverless\.yml has migrate, webhook, reconcile, status, console/,
  ],
  ['an unknown parameter', ['status', '--param', 'tick=7s'], {}, 1, /^config_invalid: .*does not divide its minute/],
  ['a time that is none', ['logs', '--function', 'webhook', '--since', '10'], {}, 2, /Expected a span such as 10m/],
  ['an unknown verb', ['deploy'], {}, 2, /unknown command 'deploy'.*^Usage: npm run ops -- .*^ {2}smoke /ms],
  ['an unknown option', ['status', '--nope'], {}, 2, /unknown option '--nope'.*^Usage: npm run ops -- status /ms],
  ['no verb', [], {}, 2, /^Usage: npm run ops --/],
])('%s is told, with the right exit code', async (_, args, env, code, expected) => {
  folder.settings('prod', { ...api.env })

  const ended = await folder.ops(args.length > 0 ? [...args, ...STAGE] : [], cloud, env)

  expect([ended.code, ended.stdout]).toEqual([code, ''])
  expect(ended.stderr).toMatch(expected)
  // Without a verb the runner would send a metric.
  expect(ended.contacts.filter((one) => !one.startsWith('scf.localhost:'))).toEqual([])
  expect(ended.stderr).not.toContain('hush')
})
