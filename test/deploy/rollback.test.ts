import { describe, expect, it } from 'vitest'
import type { ActualFunction } from '../../lib/deploy/actual.ts'
import { planRollback, releasesOf } from '../../lib/deploy/rollback.ts'

const at = (hour: number) => `20261126T0${hour}0000Z`
/** A function with versions of the releases of those hours, of which one is live. */
function having(name: string, hours: number[], live: string): ActualFunction {
  return {
    name,
    status: 'Active',
    owner: 'o',
    codeSha256: 'c',
    codeBytes: 1,
    configuration: {},
    versions: hours.map((hour, i) => ({
      version: String(i + 1),
      release: { id: `r${hour}`, time: at(hour) },
      fingerprint: `${name} ${hour}`,
    })),
    live,
    triggers: [],
    reservedMemoryMb: null,
    asynchronous: null,
  }
}

describe('releases', () => {
  it('are told with the version each function had, also one that a release did not change', () => {
    const functions = [having('reconcile', [1, 3], '2'), having('webhook', [1, 2], '2')]

    expect(releasesOf(functions).map(({ release, versions, isLive }) => [release.time, versions, isLive])).toEqual([
      [at(1), { reconcile: '1', webhook: '1' }, false],
      [at(2), { reconcile: '1', webhook: '2' }, false],
      [at(3), { reconcile: '2', webhook: '2' }, true],
    ])
  })
})

describe('a rollback', () => {
  it('goes to the release before the live one, and moves only what it changed', () => {
    const functions = [having('reconcile', [1, 3], '2'), having('webhook', [1, 2], '2')]

    expect(planRollback(functions, undefined)).toMatchObject({
      release: { time: at(2) },
      moves: [{ name: 'reconcile', from: '2', to: '1' }],
    })
  })

  it('done again goes one further back', () => {
    const functions = [having('reconcile', [1, 3], '1'), having('webhook', [1, 2], '2')]

    expect(planRollback(functions, undefined)).toMatchObject({
      release: { time: at(1) },
      moves: [{ name: 'webhook', from: '2', to: '1' }],
    })
  })

  it('goes to any release that is named, forward too', () => {
    const functions = [having('reconcile', [1, 3], '1'), having('webhook', [1, 2], '1')]

    expect(planRollback(functions, at(3)).moves).toMatchObject([
      { name: 'reconcile', from: '1', to: '2' },
      { name: 'webhook', from: '1', to: '2' },
    ])
  })

  it('leaves a function alone that the release did not have', () => {
    const functions = [having('reconcile', [1, 2], '2'), having('console', [2], '1')]

    expect(planRollback(functions, undefined).moves).toMatchObject([{ name: 'reconcile', from: '2', to: '1' }])
  })

  it.each([
    [
      'where there is none before',
      [having('reconcile', [1], '1')],
      undefined,
      /no release before the one that is live; releases: 20261126T010000Z/,
    ],
    ['to a release that was never', [having('reconcile', [1], '1')], at(7), /there is no release 20261126T070000Z/],
    ['of nothing', [], undefined, /releases: none/],
    [
      'from a mixture, without being told whereto',
      [having('reconcile', [1, 2, 3], '1'), having('webhook', [1, 2, 3], '3')],
      undefined,
      /of several releases: say which/,
    ],
  ])('is refused %s', (_, functions, time, expected) => {
    expect(() => planRollback(functions, time)).toThrow(expected)
  })
})
