// The 7-field cron of SCF's timers: second minute hour day month week year (Tencent 583/9708). Pure.

const FIELDS = [
  { name: 'second', least: 0, most: 59 },
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12, words: 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC' },
  { name: 'weekday', least: 0, most: 6, words: 'SUN MON TUE WED THU FRI SAT' },
  { name: 'year', least: 1970, most: 2099 },
]

/**
 * The cron of an interval such as `10s`, `5m` or `1h`, or the fault as text. A cron starts anew with each minute, hour and
 * day, so an interval must go into the next unit without a remainder: 7s would mean 4 s once a minute.
 */
export function cronOf(interval: string): { cron: string } | { fault: string } {
  const [, digits = '', unit = ''] = /^([1-9]\d{0,3})([smh])$/.exec(interval) ?? []
  if (digits === '') return { fault: `is no interval, such as 10s, 5m or 1h: ${JSON.stringify(interval)}` }
  const count = Number(digits)
  const whole = unit === 'h' ? 24 : 60
  if (count > whole || whole % count !== 0) {
    const divisors = Array.from({ length: whole }, (_, i) => i + 1).filter((n) => whole % n === 0)
    const offered = divisors.map((n) => `${n}${unit}`).join(', ')
    return {
      fault: `of ${interval} does not divide its ${{ s: 'minute', m: 'hour', h: 'day' }[unit]}: choose one of ${offered}`,
    }
  }
  // 60 s are a minute, and a cron's field ends at 59.
  if (count === whole) return unit === 'h' ? { cron: '0 0 0 * * * *' } : cronOf(unit === 's' ? '1m' : '1h')
  const every = count === 1 ? '*' : `*/${count}`
  return { cron: { s: `${every} * * * * * *`, m: `0 ${every} * * * * *`, h: `0 0 ${every} * * * *` }[unit] as string }
}

/** What is wrong with a cron, or undefined. */
export function cronFault(cron: string): string | undefined {
  const fields = cron.trim().split(/\s+/)
  if (fields.length !== 7) {
    return `has ${fields.length} fields instead of 7 (second minute hour day month weekday year): ${JSON.stringify(cron)}`
  }
  for (const [i, { name, least, most, words }] of FIELDS.entries()) {
    for (const part of (fields[i] ?? '').split(',')) {
      if (!isPart(part, least, most, words?.split(' ') ?? [])) {
        return `has ${JSON.stringify(part)} as its ${name}: expected *, ${least} to ${most}, a range or a step of them`
      }
    }
  }
  return undefined
}

function isPart(part: string, least: number, most: number, words: string[]): boolean {
  const [range = '', step, ...rest] = part.split('/')
  if (rest.length > 0) return false
  if (step !== undefined && !(/^[1-9]\d*$/.test(step) && Number(step) <= most)) return false
  if (range === '*' || range === '?') return true
  const [first = '', last, ...more] = range.split('-')
  const numberOf = (text: string) =>
    /^\d+$/.test(text) ? Number(text) : words.includes(text) ? words.indexOf(text) + least : NaN
  const [from, to] = [numberOf(first), numberOf(last ?? first)]
  return more.length === 0 && from >= least && to <= most && from <= to
}

/**
 * The longest time between two firings of a good cron, in seconds; undefined for one that does not fire on every day, whose
 * pauses the calendar makes.
 */
export function longestGapSeconds(cron: string): number | undefined {
  const fields = cron.trim().split(/\s+/)
  if (fields.slice(3).some((field) => field !== '*' && field !== '?')) return undefined
  const [seconds = [], minutes = [], hours = []] = fields
    .slice(0, 3)
    .map((field, i) => valuesOf(field, FIELDS[i]!.most))
  const firings = hours.flatMap((hour) =>
    minutes.flatMap((minute) => seconds.map((second) => hour * 3_600 + minute * 60 + second)),
  )
  const [first = 0] = firings
  return [...firings.slice(1), first + 86_400].reduce((longest, at, i) => Math.max(longest, at - firings[i]!), 0)
}

/** The values of a field of numbers, in order. */
function valuesOf(field: string, most: number): number[] {
  const values = new Set<number>()
  for (const part of field.split(',')) {
    const [range = '', step] = part.split('/')
    const [first = '', last] = range === '*' || range === '?' ? ['0', String(most)] : range.split('-')
    const to = last ?? (step === undefined ? first : most)
    for (let value = Number(first); value <= Number(to); value += Number(step ?? 1)) values.add(value)
  }
  return [...values].sort((a, b) => a - b)
}
