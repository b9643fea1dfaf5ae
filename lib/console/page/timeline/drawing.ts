import { useEffect, useRef } from 'preact/hooks'
import { followTheme, type Palette, readPalette } from '../palette.ts'
import { lastNow, serverNow } from '../state.ts'
import { type Drawn, makeHatch, paint } from './paint.ts'
import { type Seen, viewportOf } from './viewport.ts'
import { blindSinceOf } from '../watch.ts'

/** Gives what asks for a frame; however often it is asked before that frame, it draws once. */
export function useDrawing(
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
      viewport: viewportOf(seen, now, width),
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
