// No doubles: pure functions.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { diff, toAsk } from '../../lib/core/diff.ts'
import { bucketOf, changedPart, digestOf, type Fingerprints, fingerprintsOf } from '../../lib/core/fingerprint.ts'
import { type Listing, type Look, lookKey } from '../../lib/core/session.ts'
import { histories, item, listing, looks, play } from './build.ts'

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

const digest = (of: Listing) => digestOf(fingerprintsOf(of, null))

describe('digest', () => {
  const of = (change: Partial<Look> = {}, id = 'm1') => digest(listing([{ id, look: { ...full, ...change } }]))

  test('is a SHA-256 in hex', () => {
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

  test('tells apart the looks that a diff tells apart, and no others', () => {
    const odd: fc.Arbitrary<Look> = fc.record({
      userId: fc.constantFrom(null, '', 'null', 'a', 'b'),
      status: fc.constantFrom(0, 1, -1, 2 ** 31 - 1, 1 - 2 ** 31),
      started: fc.boolean(),
      driverType: fc.constantFrom(null, 0, 1, -1, 2 ** 31 - 1),
      playStreamAddr: fc.constantFrom(null, '', 'a', 'b'),
      extra: fc.option(fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom(null, 'null', '', 0, 1, '1', [1], {}))),
    })

    fc.assert(
      fc.property(odd, odd, fc.constantFrom(...(Object.keys(full) as (keyof Look)[])), (one, other, field) => {
        const two = { ...one, [field]: other[field] }
        const isOne = lookKey(one) === lookKey(two)
        expect(digest(listing([{ id: 'm1', look: one }])) === digest(listing([{ id: 'm1', look: two }]))).toBe(isOne)
      }),
      { numRuns: 5_000 },
    )
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

describe('the part that changed', () => {
  const many = Array.from({ length: 64 }, (_, i) => item(`s${i}`, 1))
  const before = fingerprintsOf(listing(many), null)
  const partOf = (now: Listing, then: Fingerprints | null = before, of = then && digestOf(then)) =>
    changedPart(now, fingerprintsOf(now, before), then, of)

  test('has the sessions of the buckets that changed, whether one came, changed or went', () => {
    const [one, ...rest] = many
    const buckets = partOf(listing(rest)).buckets ?? []
    const part = partOf(listing([item('s0', 3), ...rest]))

    const [[first, last] = [0, 0], ...more] = buckets
    expect([bucketOf('s0') >= first, bucketOf('s0') <= last, last - first, more]).toEqual([
      true,
      true,
      2 ** 14 / 8 - 1,
      [],
    ])
    expect(part.buckets).toEqual(buckets)
    expect(part.listing.sessions).toContainEqual(item('s0', 3))
    expect(part.listing.sessions.length).toBeLessThan(24)
    expect(part.listing.sessions.filter(({ id }) => !part.has(id))).toEqual([])
    expect(partOf(listing([...many, item('new', 1)])).has('new')).toBe(true)
    expect(one && part.has(one.id)).toBe(true)
  })

  test.each([
    ['there was none before', null, null],
    ['they are of a listing before the last one', before, 'another'],
    ['how the last one was is not known', before, null],
    ['the buckets were dealt otherwise', fingerprintsOf(listing(), null), digestOf(fingerprintsOf(listing(), null))],
  ])('is all of it when %s', (_, then, of) => {
    expect(partOf(listing(many), then, of)).toMatchObject({ buckets: null, listing: listing(many) })
  })

  test('is all of it when most of it changed', () => {
    expect(partOf(listing(many.map(({ id }) => item(id, 3)))).buckets).toBeNull()
  })

  test('buckets are dealt anew when a list is of another size, not when it is on the verge', () => {
    const sizeOf = (sessions: number, then: Fingerprints | null) =>
      fingerprintsOf(listing(Array.from({ length: sessions }, (_, i) => item(`s${i}`, 1))), then).length / 8

    expect([0, 8, 9, 64, 65, 200_000].map((sessions) => sizeOf(sessions, null))).toEqual([1, 1, 2, 8, 16, 16_384])
    expect([65, 128, 129, 16, 8].map((sessions) => sizeOf(sessions, before))).toEqual([8, 8, 32, 8, 1])
  })

  test('buckets are as sessions were stored with them', () => {
    expect(['', 'm1', 'm2', 'é', 'm'.repeat(128)].map(bucketOf)).toEqual([10_959, 14_804, 2_837, 11_965, 12_094])
  })

  test('tells as much of any history as the whole list does', () => {
    fc.assert(
      fc.property(histories, (history) => {
        let [then, of]: [Fingerprints | null, string | null] = [null, null]
        const filled = history.map((tick) => ({ ...tick, items: [...many, ...tick.items] }))
        for (const { tick, known, listing: now, window, result } of play(filled)) {
          const fingerprints = fingerprintsOf(now, then)
          const part = changedPart(now, fingerprints, then, of)
          const within = {
            open: known.open.filter(({ id }) => part.has(id)),
            ended: new Map([...known.ended].filter(([id]) => part.has(id))),
          }

          expect(toAsk(within, part.listing)).toEqual(toAsk(known, now))
          expect(diff(within, part.listing, tick.evidence, window)).toEqual(result)
          if (result.settled) [then, of] = [fingerprints, digestOf(fingerprints)]
          else of = null
        }
      }),
    )
  })
})
