import { describe, expect, it } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { readService } from '../../lib/deploy/service.ts'

const provider = {
  name: 'tencent',
  stage: 'prod',
  region: 'ap-guangzhou',
  runtime: 'Nodejs18.15',
  memorySize: 128,
  role: 'rollcall-runs',
  vpc: { vpcId: 'vpc-1a2b', subnetId: 'subnet-3c4d' },
  log: { logsetId: '', topicId: '' },
  settingsFile: '.env.prod',
}
const reconcile = { handler: 'functions/reconcile.main_handler', events: [{ timer: { every: '10s' } }] }
const read = (more: object, of: object = {}) =>
  readService({
    service: 'rollcall',
    provider: { ...provider, ...of },
    functions: { reconcile: { ...reconcile, ...more } },
  })

const faultOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof AppError && error.code === 'config_invalid') return error.message
    throw error
  }
  throw new Error('no fault')
}

describe('readService', () => {
  it('gives a function what it declares, and else what the provider does', () => {
    const { functions, ...rest } = read({
      memorySize: '256',
      reservedConcurrency: 2,
      maximumEventAge: 120,
      environment: { WEBHOOK_FUNCTION: 'w', LIMIT: 5 },
      settings: ['DATABASE_URL'],
    })

    expect(rest).toEqual({ name: 'rollcall', stage: 'prod', region: 'ap-guangzhou', settingsFile: '.env.prod' })
    expect(functions).toEqual([
      {
        key: 'reconcile',
        name: 'rollcall-prod-reconcile',
        source: 'functions/reconcile.ts',
        runtime: 'Nodejs18.15',
        memoryMb: 256,
        timeoutSeconds: 60,
        role: 'rollcall-runs',
        vpc: { vpcId: 'vpc-1a2b', subnetId: 'subnet-3c4d' },
        log: undefined,
        instances: 2,
        retries: 0,
        maxAgeSeconds: 120,
        environment: { WEBHOOK_FUNCTION: 'w', LIMIT: '5' },
        settings: ['DATABASE_URL'],
        isInvokedFirst: false,
        triggers: [{ type: 'timer', name: 'timer', cron: '*/10 * * * * * *' }],
      },
    ])
  })

  it('names triggers by their kind, so that a timer whose interval changes stays the same trigger', () => {
    const events = [
      { timer: { every: '10s' } },
      { timer: { cron: '0 0 2 * * * *' } },
      { timer: { every: '1h', name: 'hourly' } },
      { url: { auth: 'NONE' } },
    ]

    const [found] = read({ events }).functions

    expect(found?.triggers.map(({ type, name }) => [type, name])).toEqual([
      ['timer', 'timer'],
      ['timer', 'timer-2'],
      ['timer', 'hourly'],
      ['http', 'url'],
    ])
  })

  it.each<[string, object, object, RegExp]>([
    [
      'memory between steps',
      { memorySize: 200 },
      {},
      /functions\.reconcile\.memorySize is 200: expected 64, or 128 to 3072/,
    ],
    ['too much memory', { memorySize: 3200 }, {}, /memorySize is 3200/],
    ['no time', { timeout: 0 }, {}, /timeout is 0: expected 1 to 900 \(seconds\)/],
    ['too much time', { timeout: '901' }, {}, /timeout is "901"/],
    ['half a second', { timeout: 1.5 }, {}, /timeout is 1\.5/],
    ['another language', {}, { runtime: 'Python3.9' }, /provider\.runtime is "Python3\.9": expected Nodejs18\.15/],
    ['a Node that is too old', { runtime: 'Nodejs16.13' }, {}, /runtime is "Nodejs16\.13"/],
    [
      'a VPC without its subnet',
      {},
      { vpc: { vpcId: 'vpc-1', subnetId: '' } },
      /provider\.vpc has one of vpcId and subnetId/,
    ],
    ['a topic without its logset', {}, { log: { logsetId: '', topicId: 't' } }, /provider\.log has one of/],
    ['no region', {}, { region: '' }, /provider\.region is ""/],
    [
      'an interval that does not divide',
      { events: [{ timer: { every: '7s' } }] },
      {},
      /events\.0\.timer every of 7s does not divide/,
    ],
    ['a bad cron', { events: [{ timer: { cron: '* * *' } }] }, {}, /events\.0\.timer cron has 3 fields/],
    [
      'both an interval and a cron',
      { events: [{ timer: { every: '1m', cron: '0 * * * * * *' } }] },
      {},
      /needs one of every/,
    ],
    ['two URLs', { events: [{ url: { auth: 'CAM' } }, { url: { auth: 'NONE' } }] }, {}, /events has more than one url/],
    [
      'two timers of one name',
      { events: [{ timer: { every: '1m', name: 'a' } }, { timer: { every: '2m', name: 'a' } }] },
      {},
      /events has two timers of one name/,
    ],
    [
      'a variable that has no name',
      { environment: { 'bad-name': 'x' } },
      {},
      /environment\.bad-name is no name of a variable/,
    ],
    ['a variable without a value', { environment: { N: null } }, {}, /environment\.N is no text/],
    ['neither of them', { events: [{ timer: {} }] }, {}, /needs one of every/],
    ['an unknown kind of access', { events: [{ url: { auth: 'none' } }] }, {}, /url\.auth is "none": expected NONE/],
    ['too many retries', { maximumRetryAttempts: 3 }, {}, /maximumRetryAttempts is 3: expected 0 to 2/],
    ['a name that is too long', { name: `r${'x'.repeat(60)}` }, {}, /functions\.reconcile\.name is/],
    [
      'a name by which it is not found again',
      { name: 'my-own' },
      {},
      /name is my-own: expected one that begins with rollcall-prod-/,
    ],
    [
      'a handler elsewhere',
      { handler: 'index.handler' },
      {},
      /handler is "index\.handler": expected functions\/NAME\.main_handler/,
    ],
  ])('refuses %s', (_, more, of, expected) => {
    expect(faultOf(() => read(more, of))).toMatch(expected)
  })

  it('refuses a generated name that SCF would refuse', () => {
    const service = 'r'.repeat(50)
    const input = { service, provider, functions: { reconcile } }

    expect(faultOf(() => readService(input))).toMatch(/functions\.reconcile\.name is .*60/)
  })

  it('tells every fault at once', () => {
    const fault = faultOf(() => read({ memorySize: 1, timeout: 0 }, { runtime: 'Go1' }))

    expect(fault.split('\n- ')).toHaveLength(4)
  })
})
