import { describe, expect, it } from 'vitest'
import type { ActualFunction } from '../../lib/deploy/actual.ts'
import { ownerOf } from '../../lib/deploy/mark.ts'
import { readService, type Service } from '../../lib/deploy/service.ts'
import type { Inside } from '../../lib/ops/inside.ts'
import { oldAfterSeconds, problemsOf, span, type Tolerance } from '../../lib/ops/problems.ts'

const serviceOf = (...timers: object[]): Service =>
  readService({
    service: 'rollcall',
    provider: { stage: 'prod', region: 'ap-guangzhou', settingsFile: '.env.prod', runtime: 'Nodejs18.15' },
    functions: {
      reconcile: { handler: 'functions/reconcile.main_handler', events: timers.map((timer) => ({ timer })) },
      console: { handler: 'functions/console.main_handler', events: [{ url: { auth: 'CAM' } }] },
      status: { handler: 'functions/status.main_handler' },
    },
  })
const service = serviceOf({ every: '10s' })

const older = { id: 'aa', time: '20261126T000000Z' }
const newer = { id: 'bb', time: '20261127T000000Z' }
const version = (number: string, release = older) => ({ version: number, release, fingerprint: number })

/** As a deployment leaves them. */
const deployed = (): ActualFunction[] =>
  service.functions.map(({ name, triggers }) => ({
    name,
    status: 'Active',
    owner: ownerOf('rollcall', 'prod'),
    codeSha256: 'a'.repeat(64),
    codeBytes: 1,
    configuration: { 'Environment.DATABASE_URL': 'hush' },
    versions: [version('1')],
    live: '1',
    triggers: triggers.map((one) => ({
      type: one.type,
      // SCF may choose the name of a URL.
      name: one.type === 'http' ? 'f3a9' : one.name,
      qualifier: '$DEFAULT',
      isOpen: true,
      cron: one.type === 'timer' ? one.cron : null,
      auth: one.type === 'http' ? one.auth : null,
      url: null,
    })),
    reservedMemoryMb: null,
    asynchronous: null,
  }))

const good = (): Inside => ({
  migrated: true,
  missing: [],
  accounts: [
    { account: 'default', listedAt: 'then', outcome: 'unchanged', error: null, ageSeconds: 60, goodAt: 'then' },
  ],
  backlog: { countedUpTo: 100, pending: 0, oldestDue: null, deadOfLastDay: 3, disabled: [] },
})
const due = (more: Partial<NonNullable<NonNullable<Inside['backlog']>['oldestDue']>>) => ({
  ...good(),
  backlog: {
    ...good().backlog!,
    oldestDue: {
      endpoint: 'ep_1',
      dueAt: 'then',
      ageSeconds: 600.5,
      failingSince: null,
      holdUntil: null,
      ...more,
    },
  },
})

const found = (
  {
    functions = deployed(),
    inside = good(),
  }: { functions?: ActualFunction[]; inside?: Inside | { fault: string } | null },
  tolerance: Partial<Tolerance> = {},
  of = service,
) => problemsOf({ service: of, functions, inside }, { backlogMinutes: 10, ignore: [], ...tolerance })

/** With one function changed. */
const but = (key: string, more: Partial<ActualFunction>): ActualFunction[] =>
  deployed().map((one) => (one.name === `rollcall-prod-${key}` ? { ...one, ...more } : one))
const triggerBut = (key: string, more: Partial<ActualFunction['triggers'][number]>) => {
  const [trigger] = deployed().find(({ name }) => name === `rollcall-prod-${key}`)!.triggers
  return but(key, { triggers: [{ ...trigger!, ...more }] })
}
const DEPLOY = 'npx serverless deploy --stage prod'

describe('of functions', () => {
  it('nothing is told when all is as deployed', () => {
    expect(found({})).toEqual([])
  })

  it('their settings are never told', () => {
    expect(found({ functions: but('console', { status: 'UpdateFailed' }) }).join()).not.toContain('hush')
  })

  it.each<[string, ActualFunction[], string]>([
    ['nothing at all', [], `nothing is deployed in ap-guangzhou: check the stage and the region, or ${DEPLOY}`],
    [
      'one that is missing',
      deployed().filter(({ name }) => !name.endsWith('console')),
      `function rollcall-prod-console is not deployed: ${DEPLOY}`,
    ],
    [
      'one whose update failed',
      but('console', { status: 'UpdateFailed' }),
      `function rollcall-prod-console is UpdateFailed instead of Active: ${DEPLOY}`,
    ],
    [
      'one that is being changed',
      but('console', { status: 'Updating' }),
      'function rollcall-prod-console is Updating instead of Active: wait until the deployment is done, and look again',
    ],
    [
      'one of another hand',
      but('console', { owner: undefined }),
      'function rollcall-prod-console was not deployed from this service and stage: remove it, or choose another name',
    ],
    [
      'one whose alias never moved',
      but('console', { live: '$LATEST' }),
      `function rollcall-prod-console: no version is live: ${DEPLOY}`,
    ],
    [
      'one whose alias somebody moved',
      but('console', { live: '7' }),
      `function rollcall-prod-console: version 7 is live, which no deployment published: ${DEPLOY}`,
    ],
  ])('%s is told', (_, functions, expected) => {
    expect(found({ functions })).toEqual([expected])
  })

  it('versions of several releases beside each other are told, and a whole release that is not the newest is not', () => {
    const all = deployed().map((one) => ({ ...one, versions: [version('1'), version('2', newer)] }))
    const mixed = all.map((one, i) => ({ ...one, live: i === 0 ? '2' : '1' }))

    expect(found({ functions: mixed })).toEqual([
      `what is live is of several releases: ${DEPLOY}, or go back by npx serverless rollback --stage prod --timestamp RELEASE`,
    ])
    expect(found({ functions: all })).toEqual([])
  })
})

describe('of triggers', () => {
  it.each<[string, ActualFunction[], string]>([
    ['a timer that is missing', but('reconcile', { triggers: [] }), 'timer of rollcall-prod-reconcile is missing'],
    ['a closed one', triggerBut('reconcile', { isOpen: false }), 'timer of rollcall-prod-reconcile is closed'],
    [
      'another one by that name',
      triggerBut('reconcile', { type: 'cls' }),
      'timer of rollcall-prod-reconcile is missing',
    ],
    [
      'one of another version',
      triggerBut('reconcile', { qualifier: '$LATEST' }),
      'timer of rollcall-prod-reconcile starts $LATEST instead of what is live',
    ],
    [
      'another interval',
      triggerBut('reconcile', { cron: '0 * * * * * *' }),
      'timer of rollcall-prod-reconcile is set to 0 * * * * * * instead of */10 * * * * * *',
    ],
    [
      'an open URL',
      triggerBut('console', { auth: 'NONE' }),
      'url of rollcall-prod-console is set to NONE instead of CAM',
    ],
    ['no URL', but('console', { triggers: [] }), 'url of rollcall-prod-console is missing'],
  ])('%s is told', (_, functions, expected) => {
    expect(found({ functions })).toEqual([`trigger ${expected}: ${DEPLOY}`])
  })
})

describe('of the database', () => {
  it('why it could not be asked is told', () => {
    expect(found({ inside: { fault: 'function rollcall-prod-status failed: why' } })).toEqual([
      'the database could not be asked: function rollcall-prod-status failed: why',
    ])
  })

  it('migrations that it lacks are told, and nothing else of it', () => {
    const inside = { migrated: false, missing: ['0004_report', '0005_usage'], accounts: [], backlog: null }

    expect(found({ inside })).toEqual([
      'the database lacks migrations (0004_report, 0005_usage): npx serverless invoke --function migrate --stage prod',
    ])
  })
})

describe('of ticks', () => {
  const account = (more: Partial<Inside['accounts'][number]>): Inside => ({
    ...good(),
    accounts: [...good().accounts, { ...good().accounts[0]!, account: 'second', ...more }],
  })

  it('that there never was one is told', () => {
    expect(found({ inside: { ...good(), accounts: [] } })).toEqual([
      'no account was ever listed: npm run ops -- smoke --stage prod',
    ])
    expect(found({ inside: account({ listedAt: null, outcome: null, ageSeconds: null, goodAt: null }) })).toEqual([
      'account second had no tick yet: npm run ops -- smoke --stage prod',
    ])
  })

  it('one that failed is told with its code and the time of the last list', () => {
    const failed = { outcome: 'failed', error: 'api_refused' }

    expect(found({ inside: account(failed) })).toEqual([
      'the last tick of account second failed (api_refused); its last list is of then: npm run ops -- smoke --stage prod says why',
    ])
    expect(found({ inside: account({ ...failed, goodAt: null }) })[0]).toContain('; it never had a list: ')
  })

  it('one that listed only a part is none of them', () => {
    expect(found({ inside: account({ outcome: 'incomplete' }) })).toEqual([])
  })

  it('one that is too old is told, unless its account is watched no more', () => {
    const inside = account({ ageSeconds: 60.1 })

    expect(found({ inside })).toEqual([
      'account second had its last tick 60 s ago, more than 60 s: npm run ops -- logs --stage prod --function reconcile; ' +
        'or, if it is watched no more, --ignore second',
    ])
    expect(found({ inside }, { ignore: ['second'] })).toEqual([])
  })

  it.each<[object[], number | undefined]>([
    [[{ every: '1s' }], 60],
    [[{ every: '30s' }], 90],
    [[{ every: '1h' }], 10_800],
    [[{ every: '1h' }, { every: '30m' }, { cron: '0 0 0 * * MON-FRI *' }], 5_400],
    [[], undefined],
    [[{ cron: '*/10 * 9-17 * * * *' }], 162_030],
    [[{ cron: '*/10 * * * * MON-FRI *' }], undefined],
  ])('by timers of %j is too old after %s s', (timers, seconds) => {
    expect(oldAfterSeconds(serviceOf(...timers))).toBe(seconds)
  })

  it('no age is too old where days are left out', () => {
    const [timer, cron] = [{ cron: '*/10 * * * * MON-FRI *' }, '*/10 * * * * MON-FRI *']
    const functions = triggerBut('reconcile', { cron })

    expect(found({ functions, inside: account({ ageSeconds: 200_000 }) }, {}, serviceOf(timer))).toEqual([])
  })
})

describe('of the backlog', () => {
  it('a delivery that waits for too long is told', () => {
    expect(found({ inside: due({}) })).toEqual([
      'endpoint ep_1 has waited 10 min for a delivery that is due; it does not fail: npm run ops -- logs --stage prod --function webhook',
    ])
    expect(found({ inside: due({ failingSince: 'then', holdUntil: 'later' }) })[0]).toMatch(
      /; it fails since then: npx rollcall endpoint show ep_1, and ask its owner$/,
    )
    expect(found({ inside: due({ holdUntil: 'later' }) })[0]).toMatch(
      /; it asked for a pause until later: ask its owner$/,
    )
  })

  it('one that does not is not', () => {
    expect(found({ inside: due({ ageSeconds: 600 }) })).toEqual([])
    expect(found({ inside: due({}) }, { backlogMinutes: 11 })).toEqual([])
  })
})

it.each([
  [0.4, '0 s'],
  [119, '119 s'],
  [120, '2 min'],
  [7_200, '2 h'],
  [172_800, '2 days'],
])('%s seconds are said as %s', (seconds, expected) => {
  expect(span(seconds)).toBe(expected)
})
