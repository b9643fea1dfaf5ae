// One bar a session, on one canvas: it is drawn at most once a frame, after a change, and never while nothing changes. What the
// canvas shows, a live region tells of the bar that has the focus, and a table tells of all.
import type { TargetedKeyboardEvent, TargetedPointerEvent } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Bar as ApiBar } from '../../schemas.ts'
import { useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import { go } from '../router.ts'
import { language, serverNow } from '../state.ts'
import { useText } from '../text.ts'
import { keyOf, stateOfBar, toBar } from './bar.ts'
import { useDrawing } from './drawing.ts'
import { layOut, type Move, neighbour, type Rows } from './layout.ts'
import { AXIS, type Drawn, ROW } from './paint.ts'
import { describe, Tip } from './tip.tsx'
import { moved, type Seen, type Viewport, viewportOf, xOf, zoomedBy } from './viewport.ts'

/** So many rows there are at least. */
const FEWEST = 6
/** And so many, at most, without a bar. */
const MOST_EMPTY = 20
const KEYS: Readonly<Record<string, Move>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'first',
  End: 'last',
}

/** The bars of a span of time, and what one can do with them. */
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
    const viewport = viewportOf(seen, serverNow(), element.clientWidth)
    const row = Math.floor((y - AXIS + element.scrollTop) / ROW)
    const slack = event.pointerType === 'touch' ? 12 : 3
    const hit = y < AXIS ? undefined : barAt(drawn, row, viewport, x, slack)
    return { x, y, viewport, hit }
  }
  const drag = useRef<{ x: number; to: number; isMoved: boolean } | undefined>(undefined)

  const onPointerDown = (event: TargetedPointerEvent<HTMLDivElement>) => {
    if (
      event.button !== 0 ||
      event.clientX - event.currentTarget.getBoundingClientRect().left > event.currentTarget.clientWidth
    )
      return
    const viewport = viewportOf(seen, serverNow(), event.currentTarget.clientWidth)
    drag.current = { x: event.clientX, to: viewport.to, isMoved: false }
  }
  const onPointerMove = (event: TargetedPointerEvent<HTMLDivElement>) => {
    // The button may have been let go elsewhere.
    if (event.buttons === 0) drag.current = undefined
    const dragged = drag.current
    if (dragged) {
      const by = event.clientX - dragged.x
      if (!dragged.isMoved && Math.abs(by) < 5) return
      if (!dragged.isMoved) event.currentTarget.setPointerCapture(event.pointerId)
      dragged.isMoved = true
      setPointed(undefined)
      onSee(moved(seen, dragged.to - (by / event.currentTarget.clientWidth) * seen.spanMs, serverNow()))
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
    // With these the browser zooms the page, or goes back.
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const element = event.currentTarget
    const now = serverNow()
    const viewport = viewportOf(seen, now, element.clientWidth)
    const move = KEYS[event.key]
    if (event.key === '+' || event.key === '=') onSee(zoomedBy(seen, 0.5, now))
    else if (event.key === '-') onSee(zoomedBy(seen, 2, now))
    else if (event.key === 'Enter' && focused !== undefined) open(byKey.get(focused.key))
    else if (event.key === 'Escape') setFocused(undefined)
    else if (move) {
      const current = drawn.find(({ bar }) => bar.key === focused?.key)
      const next = neighbour(inViewport(drawn, viewport), current, move)
      if (next) {
        reveal(element, next.row)
        const x = Math.max(0, xOf(viewport, next.bar.firstSeenAt))
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
    const [now, width] = [serverNow(), element.clientWidth]
    if (event.ctrlKey || event.metaKey) {
      const x = event.clientX - element.getBoundingClientRect().left
      onSee(zoomedBy(seen, event.deltaY > 0 ? 1.25 : 0.8, now, x / width))
    } else {
      const by = event.deltaX || event.deltaY
      onSee(moved(seen, viewportOf(seen, now, width).to + (by / width) * seen.spanMs, now))
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
  // With the time that goes by it would be read out again each second.
  const description = useMemo(
    () => spokenOf && describe(spokenOf, t, spoken),
    [focused?.key, spokenOf && stateOfBar(spokenOf), spoken],
  )
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
      <p class="visually-hidden" role="status">
        {description}
      </p>
      <p class="hint" id="timeline-help">
        {t.timeline.help}
      </p>
    </div>
  )
}

function useLaidOut(bars: readonly ApiBar[]) {
  const rows = useRef<Rows>(new Map())
  return useMemo(() => {
    const byKey = new Map(bars.map((bar) => [keyOf(bar), bar]))
    const laid = bars.map(toBar)
    const { rows: placed, count } = layOut(laid, rows.current)
    rows.current = placed
    const drawn: Drawn[] = laid.map((bar) => {
      const { account = '', failed = false, userId = null, id = '' } = byKey.get(bar.key) ?? {}
      return { bar, row: placed.get(bar.key) ?? 0, account, failed, name: userId ?? id }
    })
    return { drawn, rowCount: count, byKey }
  }, [bars])
}

const inViewport = (drawn: readonly Drawn[], { from, to }: Viewport) =>
  drawn.filter(({ bar }) => bar.firstSeenAt < to && (bar.endedAt ?? Infinity) > from)

function barAt(drawn: readonly Drawn[], row: number, viewport: Viewport, x: number, slack: number): Drawn | undefined {
  const now = serverNow()
  const distance = ({ bar }: Drawn) => {
    const left = xOf(viewport, bar.firstSeenAt)
    const right = xOf(viewport, bar.endedAt ?? now)
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
