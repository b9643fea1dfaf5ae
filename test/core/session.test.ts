import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeListing, statusName } from '../../lib/core/session.ts'
import { item, look, looks } from './build.ts'

// No doubles: pure functions.
const items = fc.array(fc.record({ id: fc.constantFrom('m1', 'm2', 'm10', 'M', 'é'), look: looks }), { maxLength: 12 })
const shuffledTwins = items.chain((list) =>
  fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
)

test.each([
  [1, 'in_progress'],
  [2, 'closed'],
  [3, 'preparing'],
  [4, 'failed'],
  [5, 'unknown'],
  [0, 'unknown'],
  [-1, 'unknown'],
])('status %i is called %s', (status, name) => {
  expect(statusName(status)).toBe(name)
})

describe('makeListing', () => {
  test('keeps what is said of the rest', () => {
    const sessions = [item('m2', 1), item('m10', 3), item('m1', 2)]
    const made = makeListing(sessions, 4, ['status 5'])

    expect(made).toEqual({ sessions, unreadable: 4, unknown: ['status 5'] })
  })

  test('of nothing is whole, and knows nothing strange', () => {
    expect(makeListing([], 0)).toEqual({ sessions: [], unreadable: 0, unknown: [] })
  })

  test.each([
    ['closed', 'failed', look(2), look(4)],
    ['an unknown status', 'closed', look(5), look(2)],
    ['preparing', 'an unknown status', look(3), look(5)],
    ['in progress', 'preparing', look(1), look(3)],
    ['in progress', 'closed, although that is started', look(1), look(2, { started: true })],
    ['started', 'not started', look(1, { started: true }), look(1)],
    ['started under one unknown status', 'not started under another', look(5, { started: true }), look(6)],
  ])('an id that comes twice counts once: %s wins over %s', (_, __, winner, loser) => {
    for (const pair of [
      [winner, loser],
      [loser, winner],
      [loser, winner, loser],
    ]) {
      expect(
        makeListing(
          pair.map((each) => ({ id: 'm1', look: each })),
          0,
        ).sessions,
      ).toEqual([{ id: 'm1', look: winner }])
    }
  })

  test('gives one listing for the same items in whatever order, each id once', () => {
    fc.assert(
      fc.property(shuffledTwins, ([list, shuffled]) => {
        const made = makeListing(list, 0)

        const ids = made.sessions.map(({ id }) => id)
        expect(new Map(makeListing(shuffled, 0).sessions.map(({ id, look }) => [id, look]))).toEqual(
          new Map(made.sessions.map(({ id, look }) => [id, look])),
        )
        expect(ids).toEqual([...new Set(list.map(({ id }) => id))])
        for (const session of made.sessions) expect(list).toContainEqual(session)
      }),
    )
  })
})
