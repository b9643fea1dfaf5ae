// What part of time the timeline shows, and how it moves.
import { serverNow } from './state.ts'
import type { Viewport } from './timeline-layout.ts'

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
export function moved(seen: Seen, to: number): Seen {
  const isNow = to >= serverNow()
  return { ...seen, to: isNow ? null : to }
}

/** What stays in its place when it is zoomed. */
export const middle = (viewport: Viewport, { to }: Seen) =>
  to === null ? serverNow() : (viewport.from + viewport.to) / 2
/** As it is seen after zooming. */
export const near = (viewport: Viewport, { to }: Seen): Seen => ({
  spanMs: viewport.to - viewport.from,
  to: to === null ? null : viewport.to,
})

/** The same middle, or the same now, at another span. */
export const spanned = (seen: Seen, spanMs: number): Seen => ({
  spanMs,
  to: seen.to === null ? null : seen.to + (spanMs - seen.spanMs) / 2,
})
