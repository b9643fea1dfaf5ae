import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Bar as ApiBar } from '../../schemas.ts'
import { queries } from '../api.ts'
import { cell, useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import { Fault } from '../parts/act.tsx'
import { StateBadge } from '../parts/badge.tsx'
import { Card, Empty, LegendItem } from '../parts/card.tsx'
import { Choice } from '../parts/form.tsx'
import { Name, SessionLink, Span, When } from '../parts/name.tsx'
import { Table } from '../parts/table.tsx'
import { usePoll } from '../poll.ts'
import { lastNow, serverNow } from '../state.ts'
import { useText } from '../text.ts'
import { keyOf, stateOfBar } from '../timeline/bar.ts'
import { Timeline } from '../timeline/timeline.tsx'
import { moved, type Seen, spanned, viewportOf } from '../timeline/viewport.ts'

const MINUTE = 60_000
const SPANS = { m5: 5 * MINUTE, h1: 60 * MINUTE, h6: 360 * MINUTE, h24: 1_440 * MINUTE, d7: 10_080 * MINUTE }
type SpanName = keyof typeof SPANS

const POLL_MS = 20_000
const NOTHING: { bars: ApiBar[]; truncated: boolean } = { bars: [], truncated: false }

/** Kept while another view is seen. */
const timelineSeen = cell<Seen>({ spanMs: SPANS.m5, to: null })

/** Who held the channels of the account that is looked at when, as bars and as a table. */
export function TimelineCard({ channels }: { channels: number | null }) {
  const t = useText()
  const seen = useCell(timelineSeen)
  const setSeen = timelineSeen.set
  useNow()
  // Asked for in steps, with as much again to the left, so that to move a little asks for nothing new.
  const step = seen.spanMs / 4
  const { from, to } = viewportOf(seen, serverNow(), 1)
  const first = new Date((Math.floor(from / step) - 2) * step)
  const end = new Date((Math.ceil(to / step) + 2) * step)
  const { answer, error, again } = usePoll(queries.timeline(first, end), POLL_MS, { keeps: true })
  // What changes the timeline changes what is live.
  const live = useCell(lastNow)
  useEffect(again, [live])
  const { bars, truncated } = answer ?? NOTHING
  const legend = { ...t.phases, unsure: t.timeline.hatched, failed: t.states.failed }
  const named = (Object.keys(SPANS) as SpanName[]).find((name) => SPANS[name] === seen.spanMs)
  return (
    <Card
      title={t.timeline.title}
      kind="time"
      aside={
        <div class="tools">
          <button
            type="button"
            class="quiet"
            aria-label={t.timeline.earlier}
            onClick={() => setSeen(moved(seen, to - seen.spanMs / 2, serverNow()))}
          >
            ‹
          </button>
          <Choice<SpanName | ''>
            label={t.timeline.span}
            value={named ?? ''}
            options={(Object.keys(SPANS) as SpanName[]).map((name) => [name, t.spans[name]] as const)}
            onChoose={(name) => name !== '' && setSeen(spanned(seen, SPANS[name]))}
          />
          <button
            type="button"
            class="quiet"
            aria-label={t.timeline.later}
            disabled={seen.to === null}
            onClick={() => setSeen(moved(seen, to + seen.spanMs / 2, serverNow()))}
          >
            ›
          </button>
          <button
            type="button"
            class="quiet"
            disabled={seen.to === null}
            onClick={() => setSeen({ ...seen, to: null })}
          >
            {t.timeline.follow}
          </button>
        </div>
      }
    >
      <Fault error={error} />
      <Timeline bars={bars} channels={channels} seen={seen} onSee={setSeen} />
      {truncated && <p class="fault mild">{t.timeline.truncated}</p>}
      <ul class="legend">
        {(['preparing', 'ready', 'started', 'unsure', 'failed'] as const).map((phase) => (
          <LegendItem key={phase} kind={phase}>
            {legend[phase]}
          </LegendItem>
        ))}
      </ul>
      <BarTable bars={bars} from={from} to={to} />
    </Card>
  )
}

const PAGE = 50

/** The same as the canvas, for those who do not see it. */
function BarTable({ bars, from, to }: { bars: readonly ApiBar[]; from: number; to: number }) {
  const t = useText()
  const [isOpen, setOpen] = useState(false)
  const [count, setCount] = useState(PAGE)
  const edges = [Math.floor(from / 5_000), Math.floor(to / 5_000)]
  const seen = useMemo(
    () =>
      isOpen
        ? bars.filter(
            (bar) => Date.parse(bar.firstSeenAt) < to && (bar.endedAt === null || Date.parse(bar.endedAt) > from),
          )
        : [],
    [isOpen, bars, ...edges],
  )
  return (
    <details class="more" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.timeline.table}</summary>
      {isOpen && (
        <>
          <Table
            caption={t.timeline.table}
            rows={seen.slice(0, count)}
            keyOf={keyOf}
            columns={[
              { head: t.session.id, cell: (bar) => <SessionLink of={bar} /> },
              { head: t.session.user, cell: ({ userId }) => <Name of={userId} /> },
              { head: t.session.state, cell: (bar) => <StateBadge state={stateOfBar(bar)} /> },
              { head: t.session.firstSeen, wide: true, cell: ({ firstSeenAt }) => <When at={firstSeenAt} /> },
              { head: t.session.ready, wide: true, cell: ({ readyAt }) => <When at={readyAt} /> },
              { head: t.session.started, wide: true, cell: ({ startedAt }) => <When at={startedAt} /> },
              { head: t.session.ended, wide: true, cell: ({ endedAt }) => <When at={endedAt} /> },
              {
                head: t.session.held,
                number: true,
                told: true,
                cell: (bar) => <Span from={bar.firstSeenAt} to={bar.endedAt} />,
              },
              {
                head: t.session.reason,
                wide: true,
                cell: ({ endReason }) => (endReason === null ? <Name of={null} /> : t.reasons[endReason]),
              },
            ]}
          />
          {seen.length === 0 && <Empty>{t.timeline.none}</Empty>}
          {seen.length > count && (
            <button type="button" class="quiet" onClick={() => setCount(count + PAGE)}>
              {t.more}
            </button>
          )}
        </>
      )}
    </details>
  )
}
