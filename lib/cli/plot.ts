import draw from 'simple-ascii-chart'
import { inert } from '../inert.ts'
import type { Report } from '../store/report.ts'

const HEIGHT = 10
const TICKS = 5

interface Point {
  /** As the report has it: a day or a time. */
  at: string
  x: number
  y: number
}

/** The curve of a report, one under the other for each account or endpoint; empty where two points are not to be had. */
export function plot({ columns, rows }: Report, { x, y }: { x: string; y: string }, width: number): string {
  const [series = ''] = columns.filter((column) => column === 'account' || column === 'endpoint')
  const names = [...new Set(rows.map((row) => String(row[series] ?? '')))]
  const charts = names.map((name) => {
    const points = rows
      .filter((row) => String(row[series] ?? '') === name)
      .map((row) => ({ at: String(row[x]), x: Date.parse(String(row[x])), y: Number(row[y]) }))
    return points.length < 2 ? '' : chart(`${inert(name)}: ${y}`, highest(points, width), width)
  })
  return charts.filter((text) => text !== '').join('\n\n')
}

/** As many points as there is room for, each the highest of those it stands for. */
function highest(points: Point[], width: number): Point[] {
  const each = Math.ceil(points.length / width)
  const chunks = Array.from({ length: Math.ceil(points.length / each) }, (_, index) =>
    points.slice(index * each, (index + 1) * each),
  )
  return chunks.map((chunk) => chunk.reduce((top, point) => (point.y > top.y ? point : top)))
}

function chart(title: string, points: Point[], width: number): string {
  const labels = new Map(points.map(({ x, at }) => [x, label(at)]))
  const top = points.reduce((most, { y }) => Math.max(most, y), 0)
  const ticks = Array.from(
    { length: TICKS },
    (_, index) => points[Math.floor((index * (points.length - 1)) / (TICKS - 1))]!.x,
  )
  const drawn = draw(
    points.map(({ x, y }): [number, number] => [x, y]),
    {
      width,
      height: HEIGHT,
      // From nothing: a curve that begins at its lowest value makes much of little.
      yRange: [0, Math.max(top, 1)],
      customXAxisTicks: [...new Set(ticks)],
      customYAxisTicks: [0, top / 2, top],
      formatter: (value, { axis }) => (axis === 'x' ? (labels.get(value) ?? '') : Math.round(value * 100) / 100),
    },
  )
  const lines = drawn.split('\n').map((line) => line.trimEnd())
  return [title, ...lines.filter((line) => line !== '')].join('\n')
}

/** `03-02`, or `03-02T14h` where a time is more than a day. */
const label = (at: string) => (at.length > 10 ? `${at.slice(5, 13)}h` : at.slice(5))
