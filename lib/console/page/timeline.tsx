// One bar a session, on one canvas: it is drawn at most once a frame, after a change, and never while nothing changes. What the
// canvas shows, a live region tells of the bar that has the focus, and a table tells of all.
import type { TargetedKeyboardEvent, TargetedPointerEvent } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Bar as ApiBar } from '../schemas.ts'
import { useCell } from './cell.ts'
import { useNow } from './clock.ts'
import { formatMoment, formatSpan, plain } from './format.ts'
import { followTheme, readPalette } from './palette.ts'
import { useText } from './parts.tsx'
import { go } from './router.ts'
import { language, now as lastNow, serverNow } from './state.ts'
import { blindSinceOf } from './watch.ts'
import {
  layOut,
  type Move,
  neighbour,
  partsOf,
  type Rows,
  timeAt,
  type Window,
  xOf,
  zoomed,
} from './timeline-layout.ts'
import { AXIS, type Drawn, makeHatch, paint, type Palette, ROW } from './timeline-paint.ts'
import type { Text } from './dictionary.ts'

/** What part of time is seen: up to now and going on with it, or a part of the past. */
export interface Seen {
  spanMs: number
  /** The right edge in milliseconds; null: it follows the clock. */
  to: number | null
}

/** Free room right of now, so that what lives is seen to. */
const AHEAD = 0.02
const FEWEST = 6
const MOST_EMPTY = 20
const KEYS: Readonly<Record<string, Move>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'first',
  End: 'last',
}

/** From where to where the timeline shows, `width` pixels wide. */
export function windowOf({ spanMs, to }: Seen, now: number, width: number): Window {
  const right = to ?? now + spanMs * AHEAD
  return { from: right - spanMs, to: right, width }
}

export function Timeline({
  bars,
  channels,
  seen,
  onSee,
}: {
  bars: readonly ApiBar[]
  channels: number | null
  seen: Seen
  onSee: (seen: Seen) => void
}) {
  const t = useText()
  const spoken = useCell(language)
  const second = useNow()
  const scroller = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [pointed, setPointed] = useState<{ key: string; x: number; y: number }>()
  const [focused, setFocused] = useState<{ key: string; x: number; y: number }>()
  const { drawn, rowCount, byKey } = useLaidOut(bars)
  const active = pointed?.key ?? focused?.key
  const redraw = useDrawing(scroller, canvas, { drawn, channels, seen, active, language: spoken })
  useEffect(redraw, [drawn, channels, seen, active, spoken, second])

  const at = (event: TargetedPointerEvent<HTMLDivElement>) => {
    const element = event.currentTarget
    const box = element.getBoundingClientRect()
    const x = event.clientX - box.left
    const y = event.clientY - box.top
    const window = windowOf(seen, serverNow(), element.clientWidth)
    const row = Math.floor((y - AXIS + element.scrollTop) / ROW)
    const slack = event.pointerType === 'touch' ? 12 : 3
    const hit = y < AXIS ? undefined : barAt(drawn, row, window, x, slack)
    return { x, y, window, hit }
  }
  const drag = useRef<{ x: number; to: number; isMoved: boolean } | undefined>(undefined)

  const onPointerDown = (event: TargetedPointerEvent<HTMLDivElement>) => {
    if (
      event.button !== 0 ||
      event.clientX - event.currentTarget.getBoundingClientRect().left > event.currentTarget.clientWidth
    )
      return
    const window = windowOf(seen, serverNow(), event.currentTarget.clientWidth)
    drag.current = { x: event.clientX, to: window.to, isMoved: false }
  }
  const onPointerMove = (event: TargetedPointerEvent<HTMLDivElement>) => {
    const dragged = drag.current
    if (dragged) {
      const by = event.clientX - dragged.x
      if (!dragged.isMoved && Math.abs(by) < 5) return
      if (!dragged.isMoved) event.currentTarget.setPointerCapture(event.pointerId)
      dragged.isMoved = true
      setPointed(undefined)
      onSee(moved(seen, dragged.to - (by / event.currentTarget.clientWidth) * seen.spanMs))
      return
    }
    const { hit, x, y } = at(event)
    setPointed(hit && { key: hit.bar.key, x, y })
  }
  const onPointerUp = (event: TargetedPointerEvent<HTMLDivElement>) => {
    const dragged = drag.current
    drag.current = undefined
    if (!dragged || dragged.isMoved) return
    const { hit, x, y } = at(event)
    if (!hit) return setPointed(undefined)
    // A finger cannot hover: its first touch tells, its second opens.
    if (event.pointerType === 'touch' && pointed?.key !== hit.bar.key) return setPointed({ key: hit.bar.key, x, y })
    open(byKey.get(hit.bar.key))
  }
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const element = event.currentTarget
    const window = windowOf(seen, serverNow(), element.clientWidth)
    const move = KEYS[event.key]
    if (event.key === '+' || event.key === '=') onSee(near(zoomed(window, 0.5, middle(window, seen)), seen))
    else if (event.key === '-') onSee(near(zoomed(window, 2, middle(window, seen)), seen))
    else if (event.key === 'Enter' && focused !== undefined) open(byKey.get(focused.key))
    else if (event.key === 'Escape') setFocused(undefined)
    else if (move && !event.altKey && !event.ctrlKey && !event.metaKey) {
      const current = drawn.find(({ bar }) => bar.key === focused?.key)
      const next = neighbour(inWindow(drawn, window), current, move)
      if (next) {
        reveal(element, next.row)
        const x = Math.max(0, xOf(window, next.bar.firstSeenAt))
        setFocused({ key: next.bar.key, x, y: AXIS + next.row * ROW - element.scrollTop })
        setPointed(undefined)
      }
    } else return
    event.preventDefault()
  }
  // Not by onWheel: what Preact listens to may not be prevented.
  const wheel = useRef<((event: WheelEvent) => void) | undefined>(undefined)
  wheel.current = (event) => {
    const element = scroller.current
    if (
      !element ||
      !(event.ctrlKey || event.metaKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
    )
      return
    event.preventDefault()
    const window = windowOf(seen, serverNow(), element.clientWidth)
    if (event.ctrlKey || event.metaKey) {
      const x = event.clientX - element.getBoundingClientRect().left
      const around = seen.to === null ? serverNow() : timeAt(window, x)
      onSee(near(zoomed(window, event.deltaY > 0 ? 1.25 : 0.8, around), seen))
    } else {
      const by = event.deltaX || event.deltaY
      onSee(moved(seen, window.to + (by / window.width) * seen.spanMs))
    }
  }
  useEffect(() => {
    const element = scroller.current
    const onWheel = (event: WheelEvent) => wheel.current?.(event)
    element?.addEventListener('wheel', onWheel, { passive: false })
    return () => element?.removeEventListener('wheel', onWheel)
  }, [])

  const place = pointed ?? focused
  const told = active === undefined ? undefined : byKey.get(active)
  const spokenOf = focused === undefined ? undefined : byKey.get(focused.key)
  // Free channels are seen as empty rows, as long as there are not many of them.
  const height = AXIS + Math.max(rowCount, Math.min(channels ?? 0, MOST_EMPTY), FEWEST) * ROW + 8
  return (
    <div class="timeline">
      <div
        class="rows"
        style={{ height: `${height + 2}px` }}
        ref={scroller}
        role="application"
        tabIndex={0}
        aria-label={t.timeline.label(bars.length)}
        aria-describedby="timeline-help"
        onScroll={redraw}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={() => (drag.current = undefined)}
        onPointerLeave={(event) => void (event.pointerType === 'touch' || setPointed(undefined))}
        onKeyDown={onKeyDown}
        onBlur={() => setFocused(undefined)}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <div class="height" style={{ height: `${height}px` }} />
      </div>
      {told && place && <Tip of={told} x={place.x} y={place.y} />}
      <p class="unseen" role="status">
        {spokenOf && describe(spokenOf, t, spoken)}
      </p>
      <p class="hint" id="timeline-help">
        {t.timeline.help}
      </p>
    </div>
  )
}

export const keyOf = ({ account, id, incarnation }: Pick<ApiBar, 'account' | 'id' | 'incarnation'>): string =>
  `${account}\n${id}\n${incarnation}`

function useLaidOut(bars: readonly ApiBar[]) {
  const rows = useRef<Rows>(new Map())
  return useMemo(() => {
    const byKey = new Map(bars.map((bar) => [keyOf(bar), bar]))
    const laid = bars.map((bar) => ({
      key: keyOf(bar),
      firstSeenAt: Date.parse(bar.firstSeenAt),
      firstSeenAfter: parsed(bar.firstSeenAfter),
      readyAt: parsed(bar.readyAt),
      startedAt: parsed(bar.startedAt),
      endedAt: parsed(bar.endedAt),
      endedAfter: parsed(bar.endedAfter),
      isGone: isGone(bar),
    }))
    const { rows: placed, count } = layOut(laid, rows.current)
    rows.current = placed
    const drawn: Drawn[] = laid.map((bar) => {
      const { account = '', failed = false, userId = null, id = '' } = byKey.get(bar.key) ?? {}
      return { bar, row: placed.get(bar.key) ?? 0, account, failed, name: userId ?? id }
    })
    return { drawn, rowCount: count, byKey }
  }, [bars])
}

/** Its end is worked out, not told. */
export const isGone = ({ endReason }: Pick<ApiBar, 'endReason'>): boolean =>
  endReason === 'gone' || endReason === 'absent'

const parsed = (at: string | null) => (at === null ? null : Date.parse(at))

/** Gives what asks for a frame; however often it is asked before that frame, it draws once. */
function useDrawing(
  scroller: { current: HTMLDivElement | null },
  canvas: { current: HTMLCanvasElement | null },
  view: {
    drawn: readonly Drawn[]
    channels: number | null
    seen: Seen
    active: string | undefined
    language: 'en' | 'zh'
  },
): () => void {
  const latest = useRef(view)
  latest.current = view
  const asked = useRef(0)
  const colours = useRef<{ palette: Palette; hatch: CanvasPattern | null } | undefined>(undefined)
  const draw = () => {
    asked.current = 0
    const element = scroller.current
    const context = canvas.current?.getContext('2d')
    if (!element || !canvas.current || !context) return
    const { clientWidth: width, clientHeight: height } = element
    const scale = devicePixelRatio || 1
    if (canvas.current.width !== Math.round(width * scale) || canvas.current.height !== Math.round(height * scale)) {
      canvas.current.width = Math.round(width * scale)
      canvas.current.height = Math.round(height * scale)
      canvas.current.style.width = `${width}px`
      canvas.current.style.height = `${height}px`
      colours.current = undefined
    }
    context.setTransform(scale, 0, 0, scale, 0, 0)
    if (!colours.current) {
      const palette = readPalette()
      colours.current = { palette, hatch: makeHatch(context, palette, scale) }
    }
    const { drawn, channels, seen, active, language } = latest.current
    const now = serverNow()
    paint(context, {
      window: windowOf(seen, now, width),
      height,
      scrollTop: element.scrollTop,
      bars: drawn,
      channels,
      now,
      blindSince: blindSinceOf(lastNow.get()?.ticks ?? [], now),
      active,
      language,
      ...colours.current,
    })
  }
  const redraw = useRef(() => {
    if (asked.current === 0) asked.current = requestAnimationFrame(draw)
  })
  useEffect(() => {
    const element = scroller.current
    if (!element) return
    const resized = new ResizeObserver(() => redraw.current())
    resized.observe(element)
    const unfollow = followTheme(() => {
      colours.current = undefined
      redraw.current()
    })
    return () => {
      resized.disconnect()
      unfollow()
      cancelAnimationFrame(asked.current)
    }
  }, [])
  return redraw.current
}

/** The same span with its right edge at `to`; once that is now, it follows the clock again. */
export function moved(seen: Seen, to: number): Seen {
  const isNow = to >= serverNow()
  return { ...seen, to: isNow ? null : to }
}

const middle = (window: Window, { to }: Seen) => (to === null ? serverNow() : (window.from + window.to) / 2)
const near = (window: Window, { to }: Seen): Seen => ({
  spanMs: window.to - window.from,
  to: to === null ? null : window.to,
})

/** The same middle, or the same now, at another span. */
export const spanned = (seen: Seen, spanMs: number): Seen => ({
  spanMs,
  to: seen.to === null ? null : seen.to + (spanMs - seen.spanMs) / 2,
})

const inWindow = (drawn: readonly Drawn[], { from, to }: Window) =>
  drawn.filter(({ bar }) => bar.firstSeenAt < to && (bar.endedAt ?? Infinity) > from)

function barAt(drawn: readonly Drawn[], row: number, window: Window, x: number, slack: number): Drawn | undefined {
  const now = serverNow()
  const distance = ({ bar }: Drawn) => {
    const left = xOf(window, bar.firstSeenAt)
    const right = xOf(window, bar.endedAt ?? now)
    return Math.max(left - x, x - right, 0)
  }
  const near = drawn.filter((one) => one.row === row && distance(one) <= slack)
  return near.sort((a, b) => distance(a) - distance(b))[0]
}

function reveal(element: HTMLElement, row: number): void {
  const top = row * ROW
  if (top < element.scrollTop) element.scrollTop = top
  else if (top + ROW + AXIS > element.scrollTop + element.clientHeight) {
    element.scrollTop = top + ROW + AXIS + 4 - element.clientHeight
  }
}

function open(bar: ApiBar | undefined): void {
  if (bar) go({ view: 'session', account: bar.account, id: bar.id, incarnation: bar.incarnation })
}

/** What a bar is doing, or how it ended. */
export function stateOfBar({ endedAt, failed, startedAt, readyAt }: ApiBar) {
  if (endedAt !== null) return failed ? 'failed' : 'closed'
  if (startedAt !== null) return 'started'
  return readyAt === null ? 'preparing' : 'ready'
}

/** One sentence about a bar, for ears. */
function describe(bar: ApiBar, t: Text, spoken: 'en' | 'zh'): string {
  const now = new Date(serverNow())
  const from = new Date(bar.firstSeenAt)
  const to = bar.endedAt === null ? now : new Date(bar.endedAt)
  return [
    plain(bar.userId ?? bar.id),
    t.states[stateOfBar(bar)],
    t.timeline.began(formatMoment(from, now, spoken)),
    t.timeline.held(formatSpan(to.getTime() - from.getTime(), spoken)),
    bar.endReason === null ? '' : t.reasons[bar.endReason],
  ]
    .filter(Boolean)
    .join(', ')
}

function Tip({ of, x, y }: { of: ApiBar; x: number; y: number }) {
  const t = useText()
  const spoken = useCell(language)
  const now = useNow()
  const parts = partsOf(
    {
      key: '',
      firstSeenAt: Date.parse(of.firstSeenAt),
      firstSeenAfter: null,
      readyAt: parsed(of.readyAt),
      startedAt: parsed(of.startedAt),
      endedAt: parsed(of.endedAt),
      endedAfter: parsed(of.endedAfter),
      isGone: isGone(of),
    },
    now,
    blindSinceOf(lastNow.get()?.ticks ?? [], now).get(of.account),
  )
  const moment = (at: string) => formatMoment(new Date(at), new Date(now), spoken)
  return (
    <div
      class="tip"
      aria-hidden="true"
      style={{ left: `max(0.5rem, min(${x + 14}px, calc(100% - 17rem)))`, top: `${y + 22}px` }}
    >
      <strong>
        <bdi>{plain(of.userId ?? of.id)}</bdi>
      </strong>
      <span class="mono small">
        <bdi>{plain(of.id)}</bdi>
      </span>
      <span>
        {t.states[stateOfBar(of)]}
        {of.endReason !== null && ` · ${t.reasons[of.endReason]}`}
      </span>
      <ul>
        {parts.map(({ phase, from, to }) => (
          <li key={phase}>
            <i class={`key ${phase}`} />
            {t.phases[phase]} <b>{formatSpan(to - from, spoken)}</b>
          </li>
        ))}
      </ul>
      <span class="muted">
        {moment(of.firstSeenAt)} – {of.endedAt === null ? t.timeline.now : moment(of.endedAt)}
      </span>
    </div>
  )
}
