import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import type { Now } from '../schemas.ts'
import { useCell } from './cell.ts'
import { formatCount, formatMark, formatMoment } from './format.ts'
import { followTheme, readPalette } from './palette.ts'
import { language, serverNow } from './state.ts'
import { useText } from './text.ts'

/** How many sessions lived at once, over the last day, against the channels that were bought. */
export function Curve({ concurrency, channels }: Pick<Now, 'concurrency' | 'channels'>) {
  const t = useText()
  const peaks = concurrency.map(({ peak }) => peak)
  const spoken = useCell(language)
  const holder = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const most = Math.max(...peaks.map((peak) => peak ?? -1))
  const highest = concurrency.find(({ peak }) => peak === most)
  const data = dataOf(concurrency, peaks, channels)
  const shape = JSON.stringify(data)
  const latest = useRef(data)
  latest.current = data

  useEffect(() => {
    const element = holder.current
    if (!element) return
    const draw = () => {
      plot.current?.destroy()
      const size = { width: Math.max(200, element.clientWidth), height: Math.max(120, element.clientHeight) }
      plot.current = new uPlot({ ...optionsOf(spoken, channels !== null), ...size }, latest.current, element)
    }
    draw()
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: Math.max(200, element.clientWidth), height: Math.max(120, element.clientHeight) }),
    )
    resized.observe(element)
    const unfollow = followTheme(draw)
    return () => {
      resized.disconnect()
      unfollow()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [spoken, channels !== null])
  useEffect(() => plot.current?.setData(data), [shape])

  const told = highest
    ? t.curve.told(formatCount(most, spoken), formatMoment(new Date(highest.at), new Date(serverNow()), spoken))
    : t.curve.nothing
  const bought = channels === null ? '' : ` · ${t.curve.channels(formatCount(channels, spoken))}`
  return (
    <figure class="curve">
      <div ref={holder} role="img" aria-label={`${t.curve.label} ${told}${bought}`} />
      <figcaption>
        {told}
        {bought}
        {peaks.includes(null) && ` · ${t.curve.unseen}`}
      </figcaption>
    </figure>
  )
}

function dataOf(concurrency: Now['concurrency'], peaks: (number | null)[], channels: number | null): uPlot.AlignedData {
  const times = concurrency.map(({ at }) => Date.parse(at) / 1_000)
  return [times, peaks, times.map(() => channels)]
}

/** A ground for the time in which nobody watched. */
function shadeUnseen(plot: uPlot, colour: string): void {
  const [times, peaks] = plot.data
  const { top, height } = plot.bbox
  plot.ctx.fillStyle = colour
  for (const [index, at] of times.entries()) {
    const next = times[index + 1]
    if (peaks?.[index] !== null || next === undefined) continue
    const left = Math.round(plot.valToPos(at, 'x', true))
    plot.ctx.fillRect(left, top, Math.round(plot.valToPos(next, 'x', true)) - left, height)
  }
}

const stepped = uPlot.paths.stepped?.({ align: 1 })

function optionsOf(spoken: 'en' | 'zh', hasChannels: boolean): Omit<uPlot.Options, 'width' | 'height'> {
  const palette = readPalette()
  const axis = {
    stroke: palette.muted,
    grid: { stroke: palette.line, width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  }
  return {
    legend: { show: false },
    hooks: { drawClear: [(plot) => shadeUnseen(plot, palette.raised)] },
    cursor: { show: false },
    padding: [8, 6, 0, 0],
    scales: { y: { range: (_, __, most) => [0, Math.max(4, Math.ceil(most * 1.12))] } },
    axes: [
      {
        ...axis,
        size: 24,
        space: 70,
        values: (_, moments) => moments.map((at) => formatMark(new Date(at * 1_000), 3_600_000, spoken)),
      },
      {
        ...axis,
        size: 38,
        space: 28,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000],
        values: (_, counts) => counts.map((count) => formatCount(count, spoken)),
      },
    ],
    series: [
      {},
      {
        stroke: palette.accent,
        width: 1.5,
        fill: `color-mix(in srgb, ${palette.accent} 16%, transparent)`,
        points: { show: false },
        ...(stepped && { paths: stepped }),
      },
      { show: hasChannels, stroke: palette.failed, width: 1, dash: [5, 4], points: { show: false } },
    ],
  }
}
