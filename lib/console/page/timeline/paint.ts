// Draws the timeline, and nothing that is not seen. It must be done within one frame with 5,000 bars: a colour is set once for
// all bars that have it.
import { formatMark, plain } from '../format.ts'
import type { Language } from '../dictionary.ts'
import type { Certain, Palette } from '../palette.ts'
import { localOffset, marksOf, type Viewport, xOf } from './viewport.ts'
import { type Part, partsOf, type Phase, type Placed } from './layout.ts'

/** A bar as it is drawn. */
export interface Drawn extends Placed {
  account: string
  failed: boolean
  /** Written on it where there is room. */
  name: string
}

/** Everything a frame shows. */
interface Scene {
  viewport: Viewport
  height: number
  scrollTop: number
  bars: readonly Drawn[]
  /** How many rows there are channels for; null: nobody said. */
  channels: number | null
  now: number
  /** Since when nobody watches an account; those that are watched are not in it. */
  blindSince: ReadonlyMap<string, number>
  /** The key of the bar that is pointed at or has the focus. */
  active: string | undefined
  palette: Palette
  hatch: CanvasPattern | null
  language: Language
}

export const ROW = 20
const GAP = 3
/** Where the moments are written, above the bars. */
export const AXIS = 24
const FONT = '11px system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'

/** Draws the scene. */
export function paint(context: CanvasRenderingContext2D, scene: Scene): void {
  const { viewport, height, scrollTop, palette } = scene
  context.clearRect(0, 0, viewport.width, height)
  context.font = FONT
  context.textBaseline = 'middle'
  paintMarks(context, scene)

  const first = Math.floor(scrollTop / ROW) - 1
  const last = Math.ceil((scrollTop + height) / ROW)
  const seen = scene.bars.filter(
    ({ bar, row }) =>
      row >= first && row <= last && bar.firstSeenAt < viewport.to && (bar.endedAt ?? scene.now) >= viewport.from,
  )
  context.save()
  context.beginPath()
  context.rect(0, AXIS, viewport.width, height - AXIS)
  context.clip()
  paintRows(context, scene)
  paintBars(context, scene, seen)
  paintNow(context, scene)
  context.restore()
  context.strokeStyle = palette.line
  context.strokeRect(-1, AXIS - 0.5, viewport.width + 2, 0)
}

/** A ground for each row; what is below the line has no channel that was bought. */
function paintRows(context: CanvasRenderingContext2D, { viewport, height, scrollTop, palette, channels }: Scene): void {
  const first = Math.floor(scrollTop / ROW)
  const last = Math.min(channels ?? Infinity, Math.ceil((scrollTop + height) / ROW))
  context.globalAlpha = 0.5
  context.fillStyle = palette.raised
  for (let row = first; row < last; row += 1) {
    context.fillRect(0, AXIS + GAP + row * ROW - scrollTop, viewport.width, ROW - GAP)
  }
  context.globalAlpha = 1
  if (channels === null) return
  const y = AXIS + GAP / 2 + channels * ROW - scrollTop
  context.strokeStyle = palette.failed
  context.setLineDash([5, 4])
  context.beginPath()
  context.moveTo(0, y)
  context.lineTo(viewport.width, y)
  context.stroke()
  context.setLineDash([])
}

const yOf = ({ row }: Placed, { scrollTop }: Scene) => AXIS + GAP + row * ROW - scrollTop

function paintMarks(context: CanvasRenderingContext2D, { viewport, height, palette, language }: Scene): void {
  const marks = marksOf(viewport, 84, localOffset)
  const step = (marks[1] ?? 0) - (marks[0] ?? 0)
  context.fillStyle = palette.line
  for (const mark of marks) context.fillRect(Math.round(xOf(viewport, mark)), AXIS, 1, height - AXIS)
  context.fillStyle = palette.muted
  for (const mark of marks) {
    const text = formatMark(new Date(mark), step, language)
    const width = context.measureText(text).width
    const x = Math.round(xOf(viewport, mark)) - width / 2
    if (x > 2 && x + width < viewport.width - 2) context.fillText(text, x, AXIS / 2)
  }
}

function paintBars(context: CanvasRenderingContext2D, scene: Scene, seen: readonly Drawn[]): void {
  const { viewport, now, palette, hatch } = scene
  const parted = seen.map((drawn) => ({ drawn, parts: partsOf(drawn.bar, now, scene.blindSince.get(drawn.account)) }))
  const fill = (phase: Phase, style: string | CanvasPattern) => {
    context.fillStyle = style
    for (const { drawn, parts } of parted) {
      for (const part of parts) {
        if (part.phase !== phase) continue
        const left = Math.max(-4, xOf(viewport, part.from))
        const right = Math.min(viewport.width + 4, xOf(viewport, part.to))
        if (right >= left) context.fillRect(left, yOf(drawn, scene), Math.max(1, right - left), ROW - GAP)
      }
    }
  }
  for (const phase of ['preparing', 'ready', 'started'] as const) fill(phase, palette.phases[phase])
  fill('unsure', hatch ?? palette.hatch)
  fill('unseen', hatch ?? palette.hatch)

  // Where one session follows another at once, they must not look like one.
  context.fillStyle = palette.surface
  for (const { drawn } of parted) {
    context.fillRect(xOf(viewport, drawn.bar.firstSeenAt) - 0.5, yOf(drawn, scene), 1, ROW - GAP)
  }

  context.fillStyle = palette.failed
  for (const { drawn } of parted) {
    if (!drawn.failed || drawn.bar.endedAt === null) continue
    const x = xOf(viewport, drawn.bar.endedAt)
    const y = yOf(drawn, scene)
    const room = x - xOf(viewport, drawn.bar.firstSeenAt)
    const width = Math.max(2, Math.min(4, room))
    context.fillRect(x - width, y, width, ROW - GAP)
    if (room < 16) continue
    // A notch, for those who do not see red.
    context.beginPath()
    context.moveTo(x - 4, y)
    context.lineTo(x - 11, y)
    context.lineTo(x - 4, y + 8)
    context.fill()
  }
  for (const { drawn, parts } of parted) paintName(context, scene, drawn, parts)

  const active = seen.find(({ bar }) => bar.key === scene.active)
  if (active) {
    const left = xOf(viewport, active.bar.firstSeenAt)
    const right = xOf(viewport, active.bar.endedAt ?? now)
    context.strokeStyle = palette.ink
    context.lineWidth = 2
    context.strokeRect(left - 1, yOf(active, scene) - 1, Math.max(3, right - left) + 2, ROW - GAP + 2)
    context.lineWidth = 1
  }
}

/** On the longest part, which must hold some letters of it. */
function paintName(context: CanvasRenderingContext2D, scene: Scene, drawn: Drawn, parts: readonly Part[]): void {
  const { viewport, palette } = scene
  let best: { left: number; width: number; phase: Certain } | undefined
  for (const { phase, from, to } of parts) {
    if (phase === 'unsure' || phase === 'unseen') continue
    const left = Math.max(0, xOf(viewport, from))
    const width = Math.min(viewport.width, xOf(viewport, to)) - left
    if (width > (best?.width ?? 36)) best = { left, width, phase }
  }
  if (!best) return
  const y = yOf(drawn, scene)
  context.save()
  context.beginPath()
  context.rect(best.left, y, best.width - 4, ROW - GAP)
  context.clip()
  context.fillStyle = palette.inks[best.phase]
  context.fillText(plain(drawn.name), best.left + 5, y + (ROW - GAP) / 2 + 0.5)
  context.restore()
}

function paintNow(context: CanvasRenderingContext2D, { viewport, height, now, palette }: Scene): void {
  const x = Math.round(xOf(viewport, now))
  if (x < 0 || x > viewport.width) return
  context.fillStyle = palette.accent
  context.fillRect(x, AXIS, 1.5, height - AXIS)
}

/** The pattern of what is not known: stripes on the ground of the page. */
export function makeHatch(context: CanvasRenderingContext2D, palette: Palette, scale: number): CanvasPattern | null {
  const tile = document.createElement('canvas')
  const size = 6 * scale
  tile.width = size
  tile.height = size
  const on = tile.getContext('2d')
  if (!on) return null
  on.fillStyle = palette.surface
  on.fillRect(0, 0, size, size)
  on.strokeStyle = palette.hatch
  on.lineWidth = 2 * scale
  on.beginPath()
  for (const shift of [-size, 0, size]) {
    on.moveTo(shift, size)
    on.lineTo(shift + size, 0)
  }
  on.stroke()
  const pattern = context.createPattern(tile, 'repeat')
  pattern?.setTransform(new DOMMatrix().scale(1 / scale))
  return pattern
}
