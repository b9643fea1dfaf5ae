// The cron expressions of SCF's timers: second minute hour day month week year (Tencent 583/9708). Lists, ranges, `*` and
// steps; names of months and weekdays; 0 is Sunday; day and week, when both are given, are alternatives.
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

interface Field {
  from: number
  to: number
  /** Of the values, beginning with `from`. */
  names?: string[]
}

const FIELDS: Field[] = [
  { from: 0, to: 59 },
  { from: 0, to: 59 },
  { from: 0, to: 23 },
  { from: 1, to: 31 },
  { from: 1, to: 12, names: MONTHS },
  { from: 0, to: 6, names: DAYS },
  { from: 1970, to: 2099 },
]

/** The values of each field, null for `*`; or null when it is no such expression. */
export function parseCron(expression: string): (Set<number> | null)[] | null {
  const texts = expression.split(' ')
  if (texts.length !== FIELDS.length) return null
  const fields = texts.map((text, i) => (text === '*' ? null : valuesOf(text, FIELDS[i] as Field)))
  return fields.some((values) => values?.size === 0) ? null : fields
}

/** Whether it fires at this second, in a zone that is so many hours ahead of UTC. */
export function isDue(expression: string, at: Date, offsetHours: number): boolean {
  const fields = parseCron(expression)
  if (!fields) return false
  const local = new Date(at.getTime() + offsetHours * 3_600_000)
  const now = [
    local.getUTCSeconds(),
    local.getUTCMinutes(),
    local.getUTCHours(),
    local.getUTCDate(),
    local.getUTCMonth() + 1,
    local.getUTCDay(),
    local.getUTCFullYear(),
  ]
  const fits = fields.map((values, i) => values === null || values.has(now[i] as number))
  const isDay = fields[3] && fields[5] ? fits[3] || fits[5] : fits[3] && fits[5]
  return Boolean(isDay) && [0, 1, 2, 4, 6].every((i) => fits[i])
}

/** Empty when a part is not of the field. */
function valuesOf(text: string, { from, to, names = [] }: Field): Set<number> {
  const values = new Set<number>()
  const numberOf = (word: string) =>
    names.includes(word) ? names.indexOf(word) + from : /^\d+$/.test(word) ? +word : NaN
  for (const part of text.split(',')) {
    const [, first = '', last, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(part) ?? []
    const start = first === '*' ? from : numberOf(first)
    const end = last !== undefined ? numberOf(last) : first === '*' || step !== undefined ? to : start
    if (!(start >= from && end <= to && start <= end && Number(step ?? 1) > 0)) return new Set()
    for (let value = start; value <= end; value += Number(step ?? 1)) values.add(value)
  }
  return values
}
