import { describe, expect, it } from 'vitest'
import { addressOf } from '../../lib/console/page/api.ts'
import { cell } from '../../lib/console/page/cell.ts'
import { chooseLanguage, dictionaries } from '../../lib/console/page/dictionary.ts'
import {
  formatCount,
  formatLatency,
  formatSpan,
  fromField,
  plain,
  shown,
  toField,
} from '../../lib/console/page/format.ts'
import { hashOf, parseRoute, type Route } from '../../lib/console/page/router.ts'
import { blindOf, blindSinceOf, warningsOf } from '../../lib/console/page/watch.ts'

describe('a span', () => {
  it.each([
    [-5_000, '0 s'],
    [999, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [252_000, '4 min 12 s'],
    [3_600_000, '1 h'],
    [3_605_000, '1 h'],
    [7_500_000, '2 h 5 min'],
    [90_000_000, '1 d 1 h'],
  ])('of %i ms is %s', (ms, expected) => {
    expect(formatSpan(ms, 'en')).toBe(expected)
  })

  it('has the units of its language', () => {
    expect(formatSpan(252_000, 'zh')).toBe('4 分 12 秒')
  })
})

describe('a latency', () => {
  it.each([
    [0, '0 ms'],
    [84.4, '84 ms'],
    [1_240, '1.2 s'],
    [15_000, '15 s'],
  ])('of %d ms is %s', (ms, expected) => {
    expect(formatLatency(ms, 'en')).toBe(expected)
  })
})

it('a count has separators', () => {
  expect(formatCount(1_234_567, 'zh')).toBe('1,234,567')
})

describe('a text that somebody else chose', () => {
  it('is cut at 200 characters, never within one', () => {
    expect(shown('x'.repeat(1_000_000))).toBe(`${'x'.repeat(200)}…`)
    expect(shown(`${'x'.repeat(199)}😀😀`)).toBe(`${'x'.repeat(199)}…`)
  })

  it('shows a dot for what turns the direction, hides or breaks the line', () => {
    expect(shown('a\u202Eb\u2066c\u0000d\ne\u200Bf\u2028g')).toBe('a·b·c·d·e·f·g')
  })

  it.each([
    ['   ', '···'],
    [' user-1 ', '·user-1·'],
    ['\u3164\u2800\u00AD', '···'],
    ['', ''],
  ])('%j is seen as %j', (text, expected) => {
    expect(shown(text)).toBe(expected)
  })

  it('keeps what letters and signs are made of', () => {
    expect(shown('👩‍💻 שלום 王小明')).toBe('👩‍💻 שלום 王小明')
  })

  it('is isolated where no markup does it', () => {
    expect(plain('שלום')).toBe('\u2068שלום\u2069')
  })
})

describe('a field for a moment', () => {
  it('has the moment that it was given', () => {
    expect(fromField(toField(new Date('2026-11-22T10:00:00Z')))).toEqual(new Date('2026-11-22T10:00:00Z'))
  })

  it.each([null, new Date('tomorrow'), new Date(8.64e15), new Date(-8.64e15)])('is empty or bounded for %s', (at) => {
    expect(() => toField(at)).not.toThrow()
  })
})

describe('the dictionary', () => {
  /** All texts with the path that leads to them; functions are asked with ones. */
  function textsOf(value: unknown, path = ''): [string, string][] {
    if (typeof value === 'string') return [[path, value]]
    if (typeof value === 'function') return [[path, (value as (...given: unknown[]) => string)('1', '1', '1')]]
    return Object.entries(value as object).flatMap(([name, one]) => textsOf(one, `${path}.${name}`))
  }

  it('leaves no text in the other language', () => {
    const same = ['.ago', '.endpoints.url']
    const left = textsOf(dictionaries.zh).filter(
      ([path, text]) => !/[\u4E00-\u9FFF]/.test(text) && !same.some((one) => path.startsWith(one)),
    )

    expect(left).toEqual([['.endpoints.id', 'ID']])
  })

  it.each([
    [['zh-TW', 'en'], 'zh'],
    [['fr', 'zh-CN'], 'zh'],
    [['', 'EN-us'], 'en'],
    [['fr'], 'en'],
    [[], 'en'],
  ] as const)('of %j is that of %s', (wanted, expected) => {
    expect(chooseLanguage(wanted)).toBe(expected)
  })
})

describe('a route', () => {
  it.each<Route>([
    { view: 'now' },
    { view: 'history', query: { user: 'a&b=c #?', from: '2026-11-22T10:00:00.000Z' } },
    { view: 'session', account: 'default', id: 'a/b?c#%😀', incarnation: 3 },
    { view: 'endpoints' },
    { view: 'endpoint', id: 'ep_1' },
    { view: 'watching' },
  ])('%j is what its hash leads to', (route) => {
    expect(parseRoute(hashOf(route))).toEqual(route)
  })

  it.each(['', '#', '#/nowhere', '#/session/default/m1/0', '#/session/default/m1/x', '#/session/default/m1'])(
    'of %j is the first view',
    (hash) => {
      expect(parseRoute(hash)).toEqual({ view: 'now' })
    },
  )

  it('takes a hash that is not encoded as it is', () => {
    expect(parseRoute('#/endpoints/100%')).toEqual({ view: 'endpoint', id: '100%' })
  })
})

it('an address leaves out what is not asked for', () => {
  expect(addressOf('/api/sessions', { user: 'a b&c', session: '', account: undefined })).toBe(
    '/api/sessions?user=a+b%26c',
  )
  expect(addressOf('/api/now', {})).toBe('/api/now')
})

describe('an account is not seen', () => {
  const now = Date.parse('2026-11-22T10:00:00Z')
  const seen = {
    account: 'default',
    listedAt: '2026-11-22T09:59:58.000Z',
    outcome: 'unchanged',
    error: null,
    apiCode: null,
    goodAt: '2026-11-22T09:59:58.000Z',
    lateAt: '2026-11-22T10:00:58.000Z',
  } as const
  const since = new Date('2026-11-22T09:59:58.000Z')

  it.each([
    ['never: it was never listed', { listedAt: null, outcome: null, goodAt: null, lateAt: null }, 'never', null],
    ['failed: its last tick failed', { outcome: 'failed', error: 'api_unreachable' }, 'failed', since],
    ['late: its time is over', { lateAt: '2026-11-22T09:59:59.999Z' }, 'late', since],
    ['late: of its ticks none is kept', { listedAt: null, outcome: null }, 'late', since],
    ['incomplete: its last list was not whole', { outcome: 'incomplete' }, 'incomplete', since],
  ] as const)('%s', (_, given, why, at) => {
    const [blind, ...more] = blindOf([{ ...seen, ...given }], now)

    expect(blind).toMatchObject({ account: 'default', why, since: at })
    expect(more).toEqual([])
  })

  it('only where there is a reason', () => {
    expect(blindOf([seen], now)).toEqual([])
  })
})

it('is blind since it was last seen, unless its list was merely incomplete', () => {
  const tick = {
    listedAt: '2026-11-22T09:59:58.000Z',
    goodAt: '2026-11-22T09:50:00.000Z',
    lateAt: null,
    error: null,
    apiCode: null,
  }

  const since = blindSinceOf(
    [
      { ...tick, account: 'a', outcome: 'failed' },
      { ...tick, account: 'b', outcome: 'incomplete' },
      { ...tick, account: 'c', outcome: 'committed' },
      { ...tick, account: 'd', outcome: 'failed', goodAt: null },
    ],
    Date.parse('2026-11-22T10:00:00Z'),
  )

  expect([...since]).toEqual([['a', Date.parse('2026-11-22T09:50:00Z')]])
})

it('warns of what is not seen, and of no account that nobody has listed for a week while others are seen', () => {
  const now = Date.parse('2026-11-22T10:00:00Z')
  const tick = { outcome: 'committed', error: null, apiCode: null } as const
  const at = (account: string, listedAt: string | null) => ({
    ...tick,
    account,
    listedAt,
    goodAt: listedAt,
    lateAt: listedAt,
  })
  const [old, late] = [at('old', '2026-11-15T09:59:59.000Z'), at('late', '2026-11-15T10:00:01.000Z')]
  const never = { ...at('never', null), outcome: null }
  const seen = { ...at('seen', '2026-11-22T09:59:59.000Z'), lateAt: null }
  const warned = (...ticks: Parameters<typeof warningsOf>[0][number][]) =>
    warningsOf(ticks, now).map(({ account }) => account)

  expect(warned(old, late, never, seen)).toEqual(['late', 'never'])
  expect(warned(old, late, never)).toEqual(['old', 'late', 'never'])
})

describe('a cell', () => {
  it('tells those who follow it of each change, and no others', () => {
    const one = cell(1)
    const heard: number[] = []
    const unfollow = one.follow(() => heard.push(one.get()))

    one.set(2)
    one.set(2)
    unfollow()
    one.set(3)

    expect(heard).toEqual([2])
  })
})
