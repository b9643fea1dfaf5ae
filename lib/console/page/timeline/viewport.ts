// What part of time the timeline shows, where a moment is drawn in it, and how it is moved and zoomed.

/** What part of time is seen, and how wide it is drawn. */
export interface Viewport {
  from: number
  to: number
  width: number
}

/** Where a moment is drawn, from the left edge. */
export const xOf = ({ from, to, width }: Viewport, time: number): number => ((time - from) / (to - from)) * width

/** The moment at a place. */
export const timeAt = ({ from, to, width }: Viewport, x: number): number => from + (x / width) * (to - from)

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS = [1, 2, 5, 10, 15, 30]
  .map((n) => n * SECOND)
  .concat(
    [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
    [1, 2, 3, 6, 12].map((n) => n * HOUR),
    [1, 2, 7, 14].map((n) => n * DAY),
  )

/** How far the local time is ahead of UTC at a moment, in minutes. */
type Offset = (time: number) => number

/** That of the browser. */
export const localOffset: Offset = (time) => -new Date(time).getTimezoneOffset()

/** Moments to write below the timeline: round ones of the local time, at least `apart` pixels from each other. */
export function marksOf(viewport: Viewport, apart: number, offsetAt: Offset): number[] {
  const least = (apart / viewport.width) * (viewport.to - viewport.from)
  const step = STEPS.find((one) => one >= least) ?? Math.ceil(least / DAY) * DAY
  const offset = offsetAt(viewport.from) * MINUTE
  const first = Math.ceil((viewport.from + offset) / step) * step - offset
  const count = Math.max(0, Math.floor((viewport.to - first) / step) + 1)
  const marks = Array.from({ length: count }, (_, index) => first + index * step)
  // Where the clocks change, midnight and noon move with them; of shorter steps one would be there twice.
  return step < 12 * HOUR ? marks : marks.map((mark) => mark + offset - offsetAt(mark) * MINUTE)
}

/** The longest time that a timeline shows: with what is asked for beside it, the API gives 31 days at most. The shortest. */
export const LONGEST_MS = 13 * DAY
export const SHORTEST_MS = 30 * SECOND

/** The viewport after zooming by `factor` (below 1: nearer) around a moment, within what may be shown. */
export function zoomed(viewport: Viewport, factor: number, around: number): Viewport {
  const span = viewport.to - viewport.from
  const next = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, span * factor))
  const from = around - ((around - viewport.from) / span) * next
  return { ...viewport, from, to: from + next }
}

/** What part of time is seen: up to now and going on with it, or a part of the past. */
export interface Seen {
  spanMs: number
  /** The right edge in milliseconds; null: it follows the clock. */
  to: number | null
}

/** Free room right of now, so that what lives is seen to. */
const AHEAD = 0.02

/** From where to where the timeline shows, `width` pixels wide. */
export function viewportOf({ spanMs, to }: Seen, now: number, width: number): Viewport {
  const right = to ?? now + spanMs * AHEAD
  return { from: right - spanMs, to: right, width }
}

/** The same span with its right edge at `to`; once that is now, it follows the clock again. */
export const moved = (seen: Seen, to: number, now: number): Seen => ({ ...seen, to: to >= now ? null : to })

/** Zoomed by `factor` (below 1: nearer) around a place from 0, the left edge, to 1; what follows the clock, around now. */
export function zoomedBy(seen: Seen, factor: number, now: number, place = 0.5): Seen {
  const viewport = viewportOf(seen, now, 1)
  const { from, to } = zoomed(viewport, factor, seen.to === null ? now : timeAt(viewport, place))
  return { spanMs: to - from, to: seen.to === null ? null : to }
}

/** The same middle, or the same now, at another span. */
export const spanned = (seen: Seen, spanMs: number): Seen => ({
  spanMs,
  to: seen.to === null ? null : seen.to + (spanMs - seen.spanMs) / 2,
})
