// Charts for the results of benchmarks, as SVG.
import { importPeer } from './peers.ts'
import type { Ratio } from './ratio.ts'
import { median } from './statistics.ts'

export interface Axis {
  name: string
  scale: 'linear' | 'log'
}

/** A line through its points, which need not be those of other lines. */
export interface Series {
  name: string
  points: readonly (readonly [x: number, y: number])[]
}

export interface LineChart {
  title: string
  x: Axis
  y: Axis
  series: readonly Series[]
}

interface Drawing {
  draw: (option: object, width: number, height: number) => string
}

const WIDTH = 900
const HEIGHT = 560
/** Told apart by those who see no red or no green, too (Okabe and Ito). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']

/** A chart with one line per series. Gives SVG. */
export async function lineChart({ title, x, y, series }: LineChart): Promise<string> {
  const { draw } = await importPeer<Drawing>('chart.mjs')
  const option = {
    animation: false,
    backgroundColor: '#ffffff',
    color: COLORS,
    // Widths are guessed, where there is no browser to ask: hence the gaps.
    textStyle: { fontFamily: 'Arial, Helvetica, sans-serif' },
    title: { text: title, left: 'center', top: 12 },
    legend: { bottom: 12, width: WIDTH - 80, itemGap: 28 },
    grid: { left: 80, right: 40, top: 60, bottom: 140 },
    xAxis: axis(x, 32),
    yAxis: axis(y, 52),
    series: series.map(({ name, points }) => ({ name, type: 'line', symbolSize: 7, data: points })),
  }
  return draw(option, WIDTH, HEIGHT)
}

/** A bar for each ratio: how many times better, or worse, than its target it came to. Gives SVG. */
export async function targetsChart(ratios: readonly Ratio[]): Promise<string> {
  const { draw } = await importPeer<Drawing>('chart.mjs')
  const bars = ratios.map(({ name, values, target }) => {
    const value = median(values)
    return { name, times: 'atMost' in target ? target.atMost / value : value / target.atLeast }
  })
  const option = {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'Arial, Helvetica, sans-serif' },
    title: {
      text: 'What came of each target: 1 is the target, longer to the right is better',
      left: 'center',
      top: 12,
    },
    grid: { left: 560, right: 60, top: 50, bottom: 50 },
    xAxis: { type: 'log', name: 'times as good as its target', nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'category', inverse: true, data: bars.map(({ name }) => name), axisLabel: { interval: 0 } },
    series: {
      type: 'bar',
      data: bars.map(({ times }) => ({ value: times, itemStyle: { color: times >= 1 ? '#0072b2' : '#d55e00' } })),
      label: { show: true, position: 'right', formatter: ({ value }: { value: number }) => value.toFixed(2) },
      markLine: { silent: true, symbol: 'none', label: { show: false }, data: [{ xAxis: 1 }] },
    },
  }
  return draw(option, 1_180, 100 + 22 * bars.length)
}

const axis = ({ name, scale }: Axis, nameGap: number) => ({
  name,
  nameGap,
  nameLocation: 'middle',
  type: scale === 'log' ? 'log' : 'value',
  minorSplitLine: { show: scale === 'log' },
})
