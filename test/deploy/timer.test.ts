import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cronFault, cronOf, longestGapSeconds } from '../../lib/deploy/timer.ts'

describe('cronOf', () => {
  it.each([
    ['1s', '* * * * * * *'],
    ['10s', '*/10 * * * * * *'],
    ['60s', '0 * * * * * *'],
    ['1m', '0 * * * * * *'],
    ['5m', '0 */5 * * * * *'],
    ['60m', '0 0 * * * * *'],
    ['1h', '0 0 * * * * *'],
    ['6h', '0 0 */6 * * * *'],
    ['24h', '0 0 0 * * * *'],
  ])('%s is %s', (interval, cron) => {
    expect(cronOf(interval)).toEqual({ cron })
  })

  it.each([
    ['7s', /does not divide its minute: choose one of 1s, 2s, 3s, 4s, 5s, 6s, 10s/],
    ['45m', /does not divide its hour/],
    ['5h', /does not divide its day/],
    ['90s', /does not divide its minute/],
    ['0s', /is no interval, such as 10s, 5m or 1h: "0s"/],
    ['10', /is no interval/],
    ['-5s', /is no interval/],
    ['1.5m', /is no interval/],
    ['', /is no interval/],
    ['10s; drop', /is no interval/],
  ])('%j is refused with what to write instead', (interval, expected) => {
    expect(cronOf(interval)).toEqual({ fault: expect.stringMatching(expected) as string })
  })

  it('gives a cron that fires in equal intervals, for every interval it takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.constantFrom('s', 'm', 'h'), (count, unit) => {
        const found = cronOf(`${count}${unit}`)
        if ('fault' in found) return
        const fired = firings(found.cron)
        const seconds = count * { s: 1, m: 60, h: 3_600 }[unit]
        expect(fired.length).toBe(86_400 / seconds)
        expect(fired.every((at, i) => at === i * seconds)).toBe(true)
        expect(cronFault(found.cron)).toBeUndefined()
      }),
    )
  })
})

/** The seconds of a day at which a cron of plain and stepped fields fires, by counting them all. */
function firings(cron: string): number[] {
  const fields = cron.split(' ').slice(0, 3)
  const fits = (field: string, value: number) => {
    if (field === '*') return true
    return field.startsWith('*/') ? value % Number(field.slice(2)) === 0 : value === Number(field)
  }
  const [second = '', minute = '', hour = ''] = fields
  return Array.from({ length: 86_400 }, (_, at) => at).filter(
    (at) => fits(second, at % 60) && fits(minute, Math.floor(at / 60) % 60) && fits(hour, Math.floor(at / 3_600)),
  )
}

describe('cronFault', () => {
  it.each(['0 0 2 * * * *', '0,30 */5 8-18 ? JAN-MAR MON-FRI 2026-2030', '59 59 23 31 12 6 2099'])(
    '%s is well',
    (cron) => {
      expect(cronFault(cron)).toBeUndefined()
    },
  )

  it.each([
    ['*/5 * * * *', /has 5 fields instead of 7/],
    ['60 * * * * * *', /has "60" as its second: expected \*, 0 to 59/],
    ['0 0 24 * * * *', /"24" as its hour/],
    ['0 0 0 0 * * *', /"0" as its day/],
    ['0 0 0 * 13 * *', /"13" as its month/],
    ['0 0 0 * * 7 *', /"7" as its weekday/],
    ['0 0 0 * * FUN *', /"FUN" as its weekday/],
    ['0 0 9-8 * * * *', /"9-8" as its hour/],
    ['*/0 * * * * * *', /as its second/],
    ['*/5/2 * * * * * *', /as its second/],
    ['1,,2 * * * * * *', /as its second/],
    ['', /fields instead of 7/],
  ])('%j is refused', (cron, expected) => {
    expect(cronFault(cron)).toMatch(expected)
  })
})

describe('the longest gap', () => {
  it.each([
    ['* * * * * * *', 1],
    ['*/10 * * * * * *', 10],
    ['0 * * * * * *', 60],
    ['0 */5 * * * * *', 300],
    ['0 0 * * * * *', 3_600],
    ['0 0 0 * * * *', 86_400],
    ['*/7 * * * * ? *', 7],
    ['30 15 2 * * * *', 86_400],
    ['0 0 9-17 * * * *', 57_600],
    ['0 0,10 * * * * *', 3_000],
    ['5/20 0 * * * * *', 3_560],
  ])('of %s is %i s', (cron, seconds) => {
    expect(longestGapSeconds(cron)).toBe(seconds)
  })

  it.each(['0 0 0 * * MON-FRI *', '0 0 0 1 * * *', '0 0 0 * JAN * *', '* * * * * * 2027'])(
    'of %s, which leaves out days, is unknown',
    (cron) => {
      expect(longestGapSeconds(cron)).toBeUndefined()
    },
  )
})
