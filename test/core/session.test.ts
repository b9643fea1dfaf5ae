import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digest, type Look, makeListing, statusName } from '../../lib/core/session.ts'
import { item, listing, look, looks } from './build.ts'

// No doubles: pure functions.
const full: Look = {
  userId: 'abc',
  status: 1,
  started: true,
  driverType: 1,
  playStreamAddr: 'rtmp://live.qq.com/live/m1',
  extra: { VirtualmanType: 1, nested: { b: [1, { y: 2, x: 3 }], a: null } },
}

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
  test('puts sessions in the order of ids and keeps what is said of the rest', () => {
    const made = makeListing([item('m2', 1), item('m10', 3), item('m1', 2)], 4, ['status 5'])

    const sessions = [item('m1', 2), item('m10', 3), item('m2', 1)]
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

  test('gives one listing for the same items in whatever order, each id once and sorted', () => {
    fc.assert(
      fc.property(shuffledTwins, ([list, shuffled]) => {
        const made = makeListing(list, 0)

        const ids = made.sessions.map(({ id }) => id)
        expect(makeListing(shuffled, 0)).toEqual(made)
        expect(ids).toEqual([...new Set(list.map(({ id }) => id))].sort())
        for (const session of made.sessions) expect(list).toContainEqual(session)
      }),
    )
  })
})

describe('digest', () => {
  const of = (change: Partial<Look> = {}, id = 'm1') => digest(listing([{ id, look: { ...full, ...change } }]))

  test('is a SHA-256 in hex', () => {
    expect(digest(listing())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(of()).toMatch(/^[0-9a-f]{64}$/)
  })

  test('is equal for the same items in whatever order', () => {
    fc.assert(
      fc.property(shuffledTwins, ([list, shuffled]) => {
        expect(digest(listing(shuffled))).toBe(digest(listing(list)))
      }),
    )
  })

  test('differs when any field of any session differs', () => {
    const variants = [
      of(),
      of({}, 'm2'),
      of({ userId: 'abd' }),
      of({ userId: null }),
      of({ userId: 'null' }),
      of({ status: 3 }),
      of({ started: false }),
      of({ driverType: 3 }),
      of({ driverType: null }),
      of({ playStreamAddr: null }),
      of({ playStreamAddr: 'rtmp://live.qq.com/live/m2' }),
      of({ extra: null }),
      of({ extra: {} }),
      of({ extra: { VirtualmanType: 2, nested: full.extra?.['nested'] } }),
      of({ extra: { VirtualmanType: '1', nested: full.extra?.['nested'] } }),
      of({ extra: { VirtualmanType: 1 } }),
      of({ extra: { list: ['a'] } }),
      of({ extra: { list: { 0: 'a' } } }),
      of({ extra: { VirtualmanType: 1, nested: { b: [{ y: 2, x: 3 }, 1], a: null } } }),
      of({ extra: { VirtualmanType: 1, nested: { b: [1, { y: 2, x: 3 }] } } }),
      of({
        extra: {
          VirtualmanType: 1,
          nested: {
            b: [
              1,
              [
                ['x', 3],
                ['y', 2],
              ],
            ],
            a: null,
          },
        },
      }),
      digest(listing([{ id: 'm1', look: full }, item('m2', 1)])),
      digest(listing()),
    ]

    expect(new Set(variants).size).toBe(variants.length)
  })

  test('does not mind the order of keys in extra, at any depth', () => {
    const turned = { nested: { a: null, b: [1, { x: 3, y: 2 }] }, VirtualmanType: 1 }

    expect(of({ extra: turned })).toBe(of())
  })

  test('survives the way of extra through JSON, however odd its keys', () => {
    const extras = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'toJSON', '1')), fc.jsonValue())

    fc.assert(
      fc.property(extras, (extra) => {
        const stored = JSON.parse(JSON.stringify(extra)) as Record<string, unknown>
        const reversed = Object.fromEntries(Object.entries(stored).reverse())

        expect(of({ extra: reversed })).toBe(of({ extra }))
      }),
    )
  })

  test('tells apart listings of which one has sessions whose texts run into each other', () => {
    const one = digest(listing([item('m1', 1, { userId: 'a","b' })]))
    const two = digest(listing([item('m1', 1, { userId: 'a' }), item('m1","b', 1)]))

    expect(one).not.toBe(two)
  })
})
