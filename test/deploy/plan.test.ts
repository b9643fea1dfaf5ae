import { describe, expect, it } from 'vitest'
import type { ActualFunction } from '../../lib/deploy/actual.ts'
import { type DesiredFunction, desiredOf } from '../../lib/deploy/desired.ts'
import { ownerOf } from '../../lib/deploy/mark.ts'
import { planFunction, releaseOf } from '../../lib/deploy/plan.ts'
import type { DeclaredFunction } from '../../lib/deploy/service.ts'
import { showPlan } from '../../lib/deploy/show.ts'
import { declare } from './declared.ts'

const owner = ownerOf('rollcall', 'prod')
const declared = declare('reconcile', {
  role: 'runs',
  vpc: { vpcId: 'vpc-1', subnetId: 'subnet-1' },
  triggers: [{ type: 'timer', name: 'timer', cron: '*/10 * * * * * *' }],
})
const desired = (
  more: Partial<DeclaredFunction> = {},
  code = 'a',
  environment = { DATABASE_URL: 'hush' },
): DesiredFunction =>
  desiredOf({ ...declared, ...more }, owner, { zip: Buffer.from(code), sha256: code.repeat(64) }, environment)

const release = { id: 'aa', time: '20261126T000000Z' }
/** As a deployment leaves it. */
function actual(of: DesiredFunction, more: Partial<ActualFunction> = {}): ActualFunction {
  return {
    name: of.name,
    status: 'Active',
    owner,
    codeSha256: of.codeSha256,
    codeBytes: of.zip.length,
    configuration: { ...of.configuration, ClsTopicId: 'chosen-by-scf' },
    versions: [{ version: '1', release, fingerprint: of.fingerprint }],
    live: '1',
    triggers: of.triggers.map((one) => ({
      type: one.type,
      name: one.name,
      qualifier: '$DEFAULT',
      isOpen: true,
      cron: one.type === 'timer' ? one.cron : null,
      auth: null,
      url: null,
    })),
    reservedMemoryMb: of.reservedMemoryMb,
    asynchronous: of.asynchronous,
    ...more,
  }
}
const plan = (of: DesiredFunction, is: ActualFunction | undefined) => planFunction(of, is).changes
const types = (...given: Parameters<typeof plan>) => plan(...given).map(({ type }) => type)

describe('the plan of a function', () => {
  it('is empty for what is deployed', () => {
    expect(plan(desired(), actual(desired()))).toEqual([])
  })

  it('makes one that is not there, and its triggers last', () => {
    expect(types(desired(), undefined)).toEqual(['create', 'reserve', 'publish', 'asynchronous', 'addTrigger'])
  })

  it('invokes one that is to be invoked before it goes live, and only when it changes', () => {
    expect(types(desired({ isInvokedFirst: true }), undefined)).toEqual([
      'create',
      'reserve',
      'invoke',
      'publish',
      'asynchronous',
      'addTrigger',
    ])
    expect(types(desired({ isInvokedFirst: true }), actual(desired()))).toEqual([])
  })

  it('begins anew where a creation failed', () => {
    expect(types(desired(), actual(desired(), { status: 'CreateFailed' })).slice(0, 3)).toEqual([
      'delete',
      'create',
      'reserve',
    ])
  })

  it('sends code that differs, then the configuration that says which code it is', () => {
    expect(types(desired({}, 'b'), actual(desired()))).toEqual(['code', 'configuration', 'publish'])
  })

  it('sends the fields that differ and no others', () => {
    const changes = plan(desired({ memoryMb: 256, instances: 2 }), actual(desired()))

    expect(changes).toEqual([
      { type: 'configuration', differences: [{ field: 'MemorySize', from: 128, to: 256 }] },
      { type: 'reserve', from: 128, to: 512 },
      { type: 'publish', from: '1' },
    ])
  })

  it.each([
    ['more is kept before the new version needs it', 1, 256, ['configuration', 'reserve', 'publish']],
    ['less only when the old one is gone', 1, 64, ['configuration', 'publish', 'reserve']],
    ['nothing is kept before the new version needs more', undefined, 256, ['configuration', 'reserve', 'publish']],
  ] as const)(
    'reserves so that both versions fit while one follows the other: %s',
    (_, instances, memoryMb, expected) => {
      expect(types(desired({ memoryMb, instances }), actual(desired()))).toEqual(expected)
    },
  )

  it('sees variables that come, go and change', () => {
    const before = desired({}, 'a', { DATABASE_URL: 'hush', IVH_APPKEY: 'x' } as never)
    const after = desired({}, 'a', { DATABASE_URL: 'other', LOG_LEVEL: 'debug' } as never)

    const [first] = plan(after, actual(before))

    expect(first).toMatchObject({
      differences: [
        { field: 'Environment.DATABASE_URL', from: 'hush', to: 'other' },
        { field: 'Environment.LOG_LEVEL', from: undefined, to: 'debug' },
        { field: 'Environment.IVH_APPKEY', from: 'x', to: undefined },
      ],
    })
  })

  it('finishes what was interrupted after each step', () => {
    const before = actual(desired())
    const after = desired({ memoryMb: 256 }, 'b')
    const coded = {
      ...before,
      codeSha256: after.codeSha256,
      configuration: { ...before.configuration, Description: after.configuration.Description! },
    }
    const configured = { ...coded, configuration: after.configuration }
    const published = {
      ...configured,
      versions: [...before.versions, { version: '2', release, fingerprint: after.fingerprint }],
    }
    const live = { ...published, live: '2' }

    expect(types(after, coded)).toEqual(['configuration', 'reserve', 'publish'])
    expect(types(after, configured)).toEqual(['reserve', 'publish'])
    expect(plan(after, published)[1]).toEqual({ type: 'publish', from: '1' })
    expect(types(after, live)).toEqual(['reserve'])
  })

  it('goes back to contents of before as a new version, since the newest is another', () => {
    const versions = [
      { version: '1', release, fingerprint: desired().fingerprint },
      { version: '2', release, fingerprint: 'other' },
    ]

    expect(plan(desired(), actual(desired(), { versions, live: '2' }))).toEqual([{ type: 'publish', from: '2' }])
  })

  it('changes a trigger in place, removes those that are declared no more, and opens one that was closed', () => {
    const is = actual(desired())
    const [timer] = is.triggers
    const hourly = desired({ triggers: [{ type: 'timer', name: 'timer', cron: '0 0 * * * * *' }] })
    const none = desired({ triggers: [] })
    const closed = actual(desired(), { triggers: [{ ...timer!, isOpen: false }] })
    const elsewhere = actual(desired(), { triggers: [{ ...timer!, qualifier: '$LATEST' }] })

    expect(plan(hourly, is)).toEqual([{ type: 'changeTrigger', trigger: hourly.triggers[0] }])
    expect(plan(none, is)).toEqual([{ type: 'removeTrigger', trigger: timer }])
    expect(types(desired(), closed)).toEqual(['changeTrigger'])
    expect(types(desired(), elsewhere)).toEqual(['removeTrigger', 'addTrigger'])
  })

  it.each<[string, Partial<ActualFunction>, RegExp]>([
    [
      'another runtime',
      { configuration: { ...desired().configuration, Runtime: 'Nodejs16.13' } },
      /has the runtime Nodejs16\.13, which SCF cannot change/,
    ],
    ['another owner', { owner: 'ffff' }, /belongs to another service or stage/],
    ['nobody we know as its owner', { owner: undefined }, /was not deployed by Rollcall/],
  ])('is refused for a function with %s', (_, more, expected) => {
    expect(() => plan(desired(), actual(desired(), more))).toThrow(expected)
  })
})

describe('a plan as text', () => {
  it('tells what changes, without the value of any variable', () => {
    const after = desired({ memoryMb: 256, triggers: [] }, 'b', { DATABASE_URL: 'hush-too' })

    const functions = [planFunction(after, actual(desired()))]
    const lines = showPlan({ functions, removed: ['rollcall-prod-old'], release }, [after]).join('\n')

    expect(lines).not.toContain('hush')
    expect(lines).toBe(
      [
        '~ rollcall-prod-reconcile',
        '    ~ code, 0.0 kB',
        '    ~ MemorySize: 128 → 256',
        '    ~ environment DATABASE_URL',
        '    ~ reserved concurrency: 128 → 256 MB',
        '    ~ live: 1 → a new version',
        '    - trigger timer (timer: */10 * * * * * *)',
        '- rollcall-prod-old: it is in serverless.yml no more',
      ].join('\n'),
    )
  })
})

describe('a deployment', () => {
  const newest = { id: 'bb', time: '20261126T010000Z' }
  const functions = [
    actual(desired(), { versions: [{ version: '1', release, fingerprint: 'x' }] }),
    actual(desired(), { versions: [{ version: '4', release: newest, fingerprint: 'y' }] }),
    undefined,
  ]

  it('goes on with the newest release when it is to bring the same', () => {
    expect(releaseOf(functions, 'bb', '20261126T020000Z')).toEqual(newest)
  })

  it('is a new one otherwise, also when an older one brought the same', () => {
    expect(releaseOf(functions, 'aa', '20261126T020000Z')).toEqual({ id: 'aa', time: '20261126T020000Z' })
    expect(releaseOf([], 'aa', '20261126T020000Z')).toEqual({ id: 'aa', time: '20261126T020000Z' })
  })

  it('comes after the newest, whatever the clock says', () => {
    expect(releaseOf(functions, 'aa', '20261126T003000Z')).toEqual({ id: 'aa', time: '20261126T010001Z' })
  })
})
