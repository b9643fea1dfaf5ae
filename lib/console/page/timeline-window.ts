// What part of time the timeline shows, and how it moves.
import { timeAt, type Viewport, zoomed } from './timeline-layout.ts'

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
