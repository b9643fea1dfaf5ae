// How numbers, spans and moments are written, in both languages. Time and time zone are arguments or those of the browser.
import type { Language } from './dictionary.ts'

const LOCALES = { en: 'en-GB', zh: 'zh-CN' } as const satisfies Record<Language, string>

const UNITS = {
  en: { day: ' d', hour: ' h', minute: ' min', second: ' s', millisecond: ' ms', between: ' ' },
  zh: { day: ' 天', hour: ' 小时', minute: ' 分', second: ' 秒', millisecond: ' ms', between: ' ' },
} as const satisfies Record<Language, object>

/** A span of time in its two largest units: `4 min 12 s`. Below a second `0 s`; what is negative is nothing. */
export function formatSpan(ms: number, language: Language): string {
  const { day, hour, minute, second, between } = UNITS[language]
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), day],
    [Math.floor(seconds / 3_600) % 24, hour],
    [Math.floor(seconds / 60) % 60, minute],
    [seconds % 60, second],
  ]
  const first = parts.findIndex(([count]) => count > 0)
  if (first === -1) return `0${second}`
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0)
  return shown.map(([count, unit]) => `${count}${unit}`).join(between)
}

/** How long something took: `84 ms`, `1.2 s`, then as a span. */
export function formatLatency(ms: number, language: Language): string {
  const { millisecond, second } = UNITS[language]
  if (ms < 1_000) return `${Math.round(ms)}${millisecond}`
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)}${second}` : formatSpan(ms, language)
}

/** A whole number with separators of thousands. */
export const formatCount = (count: number, language: Language): string => format(LOCALES[language]).format(count)

/** The time of day, with the date where it is not that of `now`. */
export function formatMoment(at: Date, now: Date, language: Language): string {
  const isToday = at.toDateString() === now.toDateString()
  return clock(LOCALES[language], isToday ? 'time' : 'date').format(at)
}

/** Date, time with seconds, and time zone. */
export const formatExactly = (at: Date, language: Language): string => clock(LOCALES[language], 'exact').format(at)

/** A mark of the timeline: seconds where marks are less than a minute apart, dates at midnight. */
export function formatMark(at: Date, stepMs: number, language: Language): string {
  const isMidnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0
  return clock(LOCALES[language], isMidnight ? 'day' : stepMs < 60_000 ? 'time' : 'minute').format(at)
}

const OPTIONS = {
  time: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
  minute: { hour: '2-digit', minute: '2-digit' },
  date: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' },
  day: { month: 'short', day: 'numeric' },
  exact: {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>

// To make one takes longer than to use it, and a page has hundreds of moments.
const clocks = new Map<string, Intl.DateTimeFormat>()
function clock(locale: string, kind: keyof typeof OPTIONS): Intl.DateTimeFormat {
  const known = clocks.get(`${locale} ${kind}`)
  if (known) return known
  const made = new Intl.DateTimeFormat(locale, { ...OPTIONS[kind], hourCycle: 'h23' })
  clocks.set(`${locale} ${kind}`, made)
  return made
}

const formats = new Map<string, Intl.NumberFormat>()
function format(locale: string): Intl.NumberFormat {
  const known = formats.get(locale)
  if (known) return known
  const made = new Intl.NumberFormat(locale)
  formats.set(locale, made)
  return made
}

const LONGEST = 200
/** What hides, breaks the line, or turns the direction of the text around it. */
const UNSEEN =
  /[\p{Cc}\p{Zl}\p{Zp}\u00AD\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164\uFEFF\uFFA0]/gu
/** Blanks that nobody sees, since nothing stands beyond them. */
const EDGES = /^\s+|\s+$/gu

/**
 * At most 200 characters of a text that somebody else chose, since a megabyte of it would hold up the page, with a dot for each that
 * could deceive the eye.
 */
export function shown(text: string): string {
  const short = text.length <= LONGEST ? text : `${text.slice(0, LONGEST).replace(/[\uD800-\uDBFF]$/, '')}…`
  return short.replaceAll(UNSEEN, '·').replaceAll(EDGES, (blanks) => '·'.repeat(blanks.length))
}

/** Such a text for where there is no markup to isolate its direction: a label, a canvas. */
export const plain = (text: string): string => `\u2068${shown(text)}\u2069`

/** The value of a `datetime-local` field for a moment, in the browser's time zone; empty for none, and for what is none. */
export function toField(at: Date | null): string {
  const local = new Date(at === null ? NaN : at.getTime() - at.getTimezoneOffset() * 60_000)
  return Number.isNaN(local.getTime()) ? '' : local.toISOString().slice(0, 16)
}

/** The moment that such a field names; null for none. */
export function fromField(value: string): Date | null {
  const at = new Date(value)
  return value === '' || Number.isNaN(at.getTime()) ? null : at
}
