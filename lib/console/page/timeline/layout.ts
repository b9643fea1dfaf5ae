// Where the bars of the timeline are. A row is what a channel is: taken by one session at a time, and free again. It must
// keep a session in its row while time goes by, or nobody could follow it with the eye.

/** What the layout knows of a session; times in milliseconds. */
export interface Bar {
  key: string
  firstSeenAt: number
  readyAt: number | null
  startedAt: number | null
  /** Null: it lives. */
  endedAt: number | null
  /** The last moment at which it was known to live. */
  endedAfter: number | null
  /** Nobody said that it ended: it was gone. */
  isGone: boolean
}

/**
 * What a session was doing in a part of its bar. `unsure`: it ended somewhere in there; `unseen`: it was live before, and nobody has
 * watched since.
 */
export type Phase = 'preparing' | 'ready' | 'started' | 'unsure' | 'unseen'

/** A part of a bar, from and to in milliseconds. */
export interface Part {
  phase: Phase
  from: number
  to: number
}

/** An end that was told is certain for the eye where the last sight of the session was no longer before it: a few usual ticks. */
const CERTAIN_MS = 30_000

/**
 * The parts of a bar in order of time, without gaps, none of them empty, unless all are: then it is the last one. A live session reaches to `now`. An end that nobody
 * told, or long after the last sight of the session, is `unsure` from that sight on. Where nobody has watched since `blindSince`,
 * a live session is `unseen` from then on.
 */
export function partsOf(bar: Bar, now: number, blindSince?: number): Part[] {
  const end = bar.endedAt ?? Math.max(now, bar.firstSeenAt)
  const isUnseen = bar.endedAt === null && blindSince !== undefined && blindSince < end
  const isUnsure = bar.endedAt !== null && bar.endedAfter !== null && (bar.isGone || end - bar.endedAfter > CERTAIN_MS)
  const within = (time: number) => Math.min(certainEnd, Math.max(bar.firstSeenAt, time))
  const lastSight = isUnseen ? blindSince : isUnsure ? (bar.endedAfter ?? end) : end
  const certainEnd = Math.max(lastSight, bar.firstSeenAt)
  const startedAt = within(bar.startedAt ?? certainEnd)
  const readyAt = Math.min(startedAt, within(bar.readyAt ?? startedAt))
  const parts: Part[] = [
    { phase: 'preparing', from: bar.firstSeenAt, to: readyAt },
    { phase: 'ready', from: readyAt, to: startedAt },
    { phase: 'started', from: startedAt, to: certainEnd },
    { phase: isUnseen ? 'unseen' : 'unsure', from: certainEnd, to: end },
  ]
  const lasting = parts.filter(({ from, to }) => to > from)
  if (lasting.length > 0) return lasting
  const phase = bar.startedAt !== null ? 'started' : bar.readyAt !== null ? 'ready' : 'preparing'
  return [{ phase, from: bar.firstSeenAt, to: bar.firstSeenAt }]
}

/** The rows of bars, by key. */
export type Rows = ReadonlyMap<string, number>

/**
 * Gives each bar the first row that is free all its time long, the earliest bar first. A bar that had a row in `before` keeps
 * it. Live bars hold their row for ever. n log n for what is new, times the rows there are.
 */
export function layOut(bars: readonly Bar[], before: Rows = new Map()): { rows: Rows; count: number } {
  const rows = new Map<string, number>()
  const taken: Span[][] = []
  const byStart = [...bars].sort((a, b) => a.firstSeenAt - b.firstSeenAt || (a.key < b.key ? -1 : 1))
  for (const kept of [true, false]) {
    for (const bar of byStart) {
      const had = before.get(bar.key)
      if ((had !== undefined) !== kept) continue
      const span = { from: bar.firstSeenAt, to: bar.endedAt ?? Infinity }
      let row = had ?? 0
      if (had === undefined || !isFree(taken[had], span)) {
        row = 0
        while (!isFree(taken[row], span)) row += 1
      }
      take(taken, row, span)
      rows.set(bar.key, row)
    }
  }
  return { rows, count: taken.length }
}

interface Span {
  from: number
  to: number
}

/** The spans of a row are in order and apart from each other: only the neighbours matter. */
function isFree(row: readonly Span[] | undefined, span: Span): boolean {
  const last = row?.at(-1)
  if (!row || !last || last.to <= span.from) return true
  // Bars come in the order of their beginnings, mostly: the last one tells.
  if (last.from <= span.from) return false
  const at = firstAfter(row, span.from)
  const previous = row[at - 1]
  const next = row[at]
  return (!previous || previous.to <= span.from) && (!next || next.from >= span.to)
}

function take(taken: Span[][], row: number, span: Span): void {
  while (taken.length <= row) taken.push([])
  const spans = taken[row] ?? []
  spans.splice(firstAfter(spans, span.from), 0, span)
}

/** The index of the first span that begins after `time`. */
function firstAfter(row: readonly Span[], time: number): number {
  let low = 0
  let high = row.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((row[middle]?.from ?? Infinity) > time) high = middle
    else low = middle + 1
  }
  return low
}

/** Which way the focus moves. */
export type Move = 'left' | 'right' | 'up' | 'down' | 'first' | 'last'

/** A bar and its row. */
export interface Placed {
  bar: Bar
  row: number
}

/**
 * The bar that the focus moves to from `current`, or the same where there is none that way. Left and right go along the row,
 * up and down to the bar of the nearest other row that is nearest in time.
 */
export function neighbour(placed: readonly Placed[], current: Placed | undefined, move: Move): Placed | undefined {
  const byTime = [...placed].sort((a, b) => a.bar.firstSeenAt - b.bar.firstSeenAt)
  if (move === 'first' || (!current && move === 'right')) return byTime[0]
  if (move === 'last' || !current) return byTime.at(-1)
  const { firstSeenAt } = current.bar
  const inRow = byTime.filter(({ row }) => row === current.row)
  if (move === 'right') return inRow.find(({ bar }) => bar.firstSeenAt > firstSeenAt) ?? current
  if (move === 'left') return inRow.filter(({ bar }) => bar.firstSeenAt < firstSeenAt).at(-1) ?? current
  const direction = move === 'up' ? -1 : 1
  const beyond = byTime.filter(({ row }) => (row - current.row) * direction > 0)
  const nearestRow = Math.min(...beyond.map(({ row }) => Math.abs(row - current.row)))
  const candidates = beyond.filter(({ row }) => Math.abs(row - current.row) === nearestRow)
  const distance = ({ bar }: Placed) => Math.abs(bar.firstSeenAt - firstSeenAt)
  return candidates.sort((a, b) => distance(a) - distance(b))[0] ?? current
}
