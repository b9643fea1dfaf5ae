import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bar, layOut, neighbour, partsOf } from '../../lib/console/page/timeline/layout.ts'
import {
  LONGEST_MS,
  marksOf,
  moved,
  SHORTEST_MS,
  spanned,
  timeAt,
  viewportOf,
  xOf,
  zoomed,
  zoomedBy,
} from '../../lib/console/page/timeline/viewport.ts'

const bar = (key: string, given: Partial<Bar> = {}): Bar => ({
  key,
  firstSeenAt: 0,
  readyAt: null,
  startedAt: null,
  endedAt: null,
  endedAfter: null,
  isGone: false,
  ...given,
})

describe('the parts of a bar', () => {
  it('are preparing, ready and started, and a live session reaches to now', () => {
    const parts = partsOf(bar('a', { readyAt: 5_000, startedAt: 9_000 }), 20_000)

    expect(parts).toEqual([
      { phase: 'preparing', from: 0, to: 5_000 },
      { phase: 'ready', from: 5_000, to: 9_000 },
      { phase: 'started', from: 9_000, to: 20_000 },
    ])
  })

  it('end unsure where the session was last seen, since nobody knows when it ended after that', () => {
    const parts = partsOf(bar('a', { readyAt: 5_000, startedAt: 9_000, endedAfter: 30_000, endedAt: 90_000 }), 100_000)

    expect(parts).toEqual([
      { phase: 'preparing', from: 0, to: 5_000 },
      { phase: 'ready', from: 5_000, to: 9_000 },
      { phase: 'started', from: 9_000, to: 30_000 },
      { phase: 'unsure', from: 30_000, to: 90_000 },
    ])
  })

  it('end for sure where the end was told within half a minute of the last sight, but not where it was worked out', () => {
    const told = bar('a', { startedAt: 0, readyAt: 0, endedAfter: 20_000, endedAt: 30_000 })

    expect(partsOf(told, 100_000)).toEqual([{ phase: 'started', from: 0, to: 30_000 }])
    expect(partsOf({ ...told, isGone: true }, 100_000)).toEqual([
      { phase: 'started', from: 0, to: 20_000 },
      { phase: 'unsure', from: 20_000, to: 30_000 },
    ])
  })

  it('are unseen since nobody watches, as long as it is not known to have ended', () => {
    const live = bar('a', { readyAt: 1_000, startedAt: 2_000 })

    expect(partsOf(live, 60_000, 20_000).at(-1)).toEqual({ phase: 'unseen', from: 20_000, to: 60_000 })
    expect(partsOf({ ...live, endedAt: 30_000 }, 60_000, 20_000).at(-1)?.phase).toBe('started')
  })

  it('of one that ended as it was first seen are one without length, so that it is seen', () => {
    const one = bar('a', { endedAt: 0 })

    expect(partsOf(one, 9_000)).toEqual([{ phase: 'preparing', from: 0, to: 0 }])
    expect(partsOf({ ...one, readyAt: 0, startedAt: 0 }, 9_000)).toEqual([{ phase: 'started', from: 0, to: 0 }])
  })

  it('of one that was never ready are all preparing', () => {
    expect(partsOf(bar('a', { endedAfter: 7_500, endedAt: 8_000 }), 9_000)).toEqual([
      { phase: 'preparing', from: 0, to: 8_000 },
    ])
  })

  it('follow each other without gaps from the first sight to the end, whatever the times', () => {
    const time = fc.option(fc.integer({ min: -1_000, max: 100_000 }))
    fc.assert(
      fc.property(time, time, time, time, fc.integer({ min: 0, max: 200_000 }), (ready, started, after, ended, now) => {
        const endedAt = ended === null ? null : Math.max(0, ended)
        const one = bar('a', { readyAt: ready, startedAt: started, endedAfter: after, endedAt })

        const parts = partsOf(one, now)

        const end = endedAt ?? now
        expect(parts.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(end)
        expect(parts.every(({ from, to }) => to > from) || (end === 0 && parts.length === 1)).toBe(true)
        expect(parts.slice(1).every(({ from }, index) => from === parts[index]?.to)).toBe(true)
      }),
    )
  })
})

describe('the rows', () => {
  it('are taken again once they are free', () => {
    const { rows, count } = layOut([
      bar('a', { firstSeenAt: 0, endedAt: 10 }),
      bar('b', { firstSeenAt: 5 }),
      bar('c', { firstSeenAt: 10, endedAt: 20 }),
    ])

    expect(Object.fromEntries(rows)).toEqual({ a: 0, b: 1, c: 0 })
    expect(count).toBe(2)
  })

  it('stay those of the sessions that had them, when older ones are gone', () => {
    const before = layOut([bar('a', { endedAt: 10 }), bar('b', { firstSeenAt: 5 })]).rows

    const { rows } = layOut([bar('b', { firstSeenAt: 5 }), bar('c', { firstSeenAt: 12 })], before)

    expect(Object.fromEntries(rows)).toEqual({ b: 1, c: 0 })
  })

  it('are given up where a session turns out to have ended later than the next one there began', () => {
    const before = new Map([
      ['a', 0],
      ['b', 0],
    ])

    const { rows } = layOut([bar('a', { endedAt: 50 }), bar('b', { firstSeenAt: 20 })], before)

    expect(rows.get('a')).not.toBe(rows.get('b'))
  })

  it('never hold two sessions at once, and are no more than sessions at once where none was placed before', () => {
    const span = fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 200 }))
    fc.assert(
      fc.property(fc.array(span, { maxLength: 60 }), (spans) => {
        const bars = spans.map(([from, length], at) => bar(String(at), { firstSeenAt: from, endedAt: from + length }))

        const { rows, count } = layOut(bars)

        const liveAt = (time: number) => bars.filter((one) => one.firstSeenAt <= time && (one.endedAt ?? 0) > time)
        for (const { firstSeenAt } of bars) {
          const taken = liveAt(firstSeenAt).map(({ key }) => rows.get(key))
          expect(new Set(taken).size).toBe(taken.length)
        }
        expect(count).toBe(Math.max(0, ...bars.map(({ firstSeenAt }) => liveAt(firstSeenAt).length)))
      }),
    )
  })

  it('of 5,000 sessions are found within a quarter of a second', { retry: 2 }, () => {
    const bars = Array.from({ length: 5_000 }, (_, at) =>
      bar(String(at), { firstSeenAt: at * 700, endedAt: at * 700 + (at % 90) * 10_000 + 1 }),
    )

    // The best of some, since the machine may have other work.
    const took = [1, 2, 3, 4, 5].map(() => {
      const startedAt = performance.now()
      layOut(bars)
      return performance.now() - startedAt
    })

    expect(Math.min(...took)).toBeLessThan(250)
  })
})

describe('the viewport', () => {
  const viewport = { from: 0, to: 60_000, width: 600 }

  it('draws a moment where that moment is found again', () => {
    expect(xOf(viewport, 15_000)).toBe(150)
    expect(timeAt(viewport, 150)).toBe(15_000)
  })

  it('zooms around a moment, which stays in its place', () => {
    expect(zoomed(viewport, 0.5, 15_000)).toEqual({ from: 7_500, to: 37_500, width: 600 })
  })

  it('shows neither less than half a minute nor more than a month', () => {
    const least = zoomed(viewport, 0.000_1, 0)
    const most = zoomed(viewport, 1e9, 0)

    expect(least.to - least.from).toBe(SHORTEST_MS)
    expect(most.to - most.from).toBe(LONGEST_MS)
  })

  it('has its marks at round moments of the local time, far enough from each other', () => {
    const day = Date.parse('2026-11-22T00:00:00Z')

    const marks = marksOf({ from: day, to: day + 86_400_000, width: 800 }, 90, () => 8 * 60)

    expect(marks.map((mark) => new Date(mark).toISOString().slice(11, 16))).toEqual([
      '01:00',
      '04:00',
      '07:00',
      '10:00',
      '13:00',
      '16:00',
      '19:00',
      '22:00',
    ])
  })

  it('has its marks at midnight, also of the days after the clocks were changed', () => {
    const changedAt = Date.parse('2026-11-01T06:00:00Z')
    const days = { from: Date.parse('2026-10-30T00:00:00Z'), to: Date.parse('2026-11-04T00:00:00Z'), width: 800 }

    const marks = marksOf(days, 90, (time) => (time < changedAt ? -240 : -300))

    expect(marks.map((mark) => new Date(mark).toISOString().slice(5, 16))).toEqual([
      '10-30T04:00',
      '10-31T04:00',
      '11-01T04:00',
      '11-02T05:00',
      '11-03T05:00',
    ])
  })
})

describe('what is seen', () => {
  const now = 1_000_000
  const following = { spanMs: 100_000, to: null }
  const past = { spanMs: 100_000, to: 600_000 }

  it('reaches a little beyond now while it follows the clock, and to its right edge otherwise', () => {
    expect(viewportOf(following, now, 800)).toEqual({ from: 902_000, to: 1_002_000, width: 800 })
    expect(viewportOf(past, now, 800)).toEqual({ from: 500_000, to: 600_000, width: 800 })
  })

  it('is moved into the past, and follows the clock again once its right edge is now', () => {
    expect(moved(following, 900_000, now)).toEqual({ spanMs: 100_000, to: 900_000 })
    expect(moved(past, 999_999, now)).toEqual({ spanMs: 100_000, to: 999_999 })
    expect(moved(past, 1_000_000, now)).toEqual(following)
  })

  it('is zoomed around its middle, or around the place that is pointed at', () => {
    expect(zoomedBy(past, 0.5, now)).toEqual({ spanMs: 50_000, to: 575_000 })
    expect(zoomedBy(past, 2, now)).toEqual({ spanMs: 200_000, to: 650_000 })
    expect(zoomedBy(past, 0.5, now, 0)).toEqual({ spanMs: 50_000, to: 550_000 })
    expect(zoomedBy(past, 0.5, now, 1)).toEqual({ spanMs: 50_000, to: 600_000 })
  })

  it('goes on following the clock when it is zoomed, wherever that is', () => {
    expect(zoomedBy(following, 2, now, 0.1)).toEqual({ spanMs: 200_000, to: null })
  })

  it('has another span around the same middle, or up to the same now', () => {
    expect(spanned(past, 300_000)).toEqual({ spanMs: 300_000, to: 700_000 })
    expect(spanned(following, 300_000)).toEqual({ spanMs: 300_000, to: null })
  })
})

describe('the focus', () => {
  const placed = [
    { bar: bar('a', { firstSeenAt: 0 }), row: 0 },
    { bar: bar('b', { firstSeenAt: 50 }), row: 0 },
    { bar: bar('c', { firstSeenAt: 10 }), row: 2 },
    { bar: bar('d', { firstSeenAt: 48 }), row: 2 },
  ]
  const [a, b, c, d] = placed

  it.each([
    ['right along the row', a, 'right', b],
    ['nowhere from the end of the row', b, 'right', b],
    ['left along the row', d, 'left', c],
    ['down to the nearest in time, over rows without a bar', b, 'down', d],
    ['up to the nearest in time', c, 'up', a],
    ['to the first of all', d, 'first', a],
    ['to the last of all', a, 'last', b],
    ['from nowhere to the newest', undefined, 'left', b],
  ] as const)('goes %s', (_, from, move, to) => {
    expect(neighbour(placed, from, move)?.bar.key).toBe(to?.bar.key)
  })

  it('stays nowhere where there is no bar', () => {
    expect(neighbour([], undefined, 'right')).toBeUndefined()
  })
})
