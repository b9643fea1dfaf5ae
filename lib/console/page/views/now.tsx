import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Bar as ApiBar, Leak, Now, Session } from '../../schemas.ts'
import { views } from '../api.ts'
import { cell, useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import { Curve } from '../curve.tsx'
import { formatCount, formatSpan } from '../format.ts'
import {
  Badge,
  Card,
  Choice,
  Empty,
  Fault,
  Name,
  SessionLink,
  Span,
  StateBadge,
  stateOf,
  Table,
  useText,
  When,
} from '../parts.tsx'
import { usePoll } from '../poll.ts'
import { account, language, me, now, serverNow } from '../state.ts'
import { keyOf, moved, type Seen, spanned, stateOfBar, Timeline, windowOf } from '../timeline.tsx'

/** Who holds the channels now, and since when. */
export function NowView() {
  const t = useText()
  const seen = useCell(now)
  return (
    <>
      <h1 class="unseen" tabIndex={-1}>
        {t.views.now}
      </h1>
      {seen ? (
        <>
          <div class="glance">
            <Live now={seen} />
            <Card title={t.now.lastDay} kind="day">
              <Curve concurrency={seen.concurrency} channels={seen.channels} />
            </Card>
            <Leaks leaks={seen.leaks} />
            <Deliveries backlog={seen.backlog} />
          </div>
          <TimelineCard channels={seen.channels} />
          <Card title={t.now.who} aside={<span class="muted">{t.now.sessions(seen.liveCount)}</span>}>
            <LiveTable sessions={seen.live} />
          </Card>
        </>
      ) : (
        <Empty>{t.loading}</Empty>
      )}
    </>
  )
}

const PHASES = ['started', 'ready', 'preparing'] as const

function Live({ now: { live, liveCount, channels } }: { now: Now }) {
  const t = useText()
  const spoken = useCell(language)
  const counts = PHASES.map((phase) => [phase, live.filter((one) => stateOf(one) === phase).length] as const)
  const whole = Math.max(channels ?? 0, liveCount, 1)
  const free = channels === null ? null : channels - liveCount
  const tone = free === null ? '' : free <= 0 ? 'full' : free <= channels! * 0.1 ? 'tight' : ''
  return (
    <Card title={t.now.live} kind={`live ${tone}`}>
      <p class="figure">
        <strong>{formatCount(liveCount, spoken)}</strong>{' '}
        <span>{channels === null ? t.now.noChannels : t.now.ofChannels(formatCount(channels, spoken))}</span>
      </p>
      <div class="gauge" aria-hidden="true">
        {counts.map(([phase, count]) => (
          <i key={phase} class={phase} style={{ width: `${(count / whole) * 100}%` }} />
        ))}
      </div>
      <ul class="legend">
        {counts.map(([phase, count]) => (
          <li key={phase}>
            <i class={`key ${phase}`} /> {t.phases[phase]} <b>{formatCount(count, spoken)}</b>
          </li>
        ))}
        {free !== null && (
          <li>
            <i class="key free" /> {free < 0 ? t.now.over : t.now.free} <b>{formatCount(Math.abs(free), spoken)}</b>
          </li>
        )}
      </ul>
    </Card>
  )
}

const SHOWN_LEAKS = 6

function Leaks({ leaks }: { leaks: readonly Leak[] }) {
  const t = useText()
  const longest = [...leaks].sort((a, b) => (a.heldSince < b.heldSince ? -1 : 1))
  return (
    <Card
      title={t.now.leaks}
      kind={leaks.length > 0 ? 'leaks some' : 'leaks'}
      aside={leaks.length > 0 && <Badge tone="wait">{leaks.length}</Badge>}
    >
      {leaks.length === 0 ? (
        <Empty>{t.now.noLeaks}</Empty>
      ) : (
        <ul class="list">
          {longest.slice(0, SHOWN_LEAKS).map((leak) => (
            <li key={keyOf(leak)}>
              <span class="who">
                <SessionLink of={leak} />
                <Name of={leak.userId} />
              </span>
              <span class="what">
                {t.leaks[leak.leak]} <Span from={leak.heldSince} />
              </span>
            </li>
          ))}
          {leaks.length > SHOWN_LEAKS && <li class="muted">{t.now.more(leaks.length - SHOWN_LEAKS)}</li>}
        </ul>
      )}
    </Card>
  )
}

function Deliveries({ backlog }: { backlog: Now['backlog'] }) {
  const t = useText()
  const spoken = useCell(language)
  const time = useNow()
  const { pending, countedUpTo, oldestDue, deadOfLastDay, disabled } = backlog
  const age = oldestDue === null ? 0 : time - Date.parse(oldestDue.dueAt)
  return (
    <Card title={t.now.deliveries} kind="deliveries" aside={<a href="#/endpoints">{t.views.endpoints}</a>}>
      <dl class="numbers">
        <div>
          <dt>{t.now.waiting}</dt>
          <dd>
            {formatCount(pending, spoken)}
            {pending >= countedUpTo && '+'}
          </dd>
        </div>
        <div class={age > 60_000 ? 'bad' : ''}>
          <dt>{t.now.oldest}</dt>
          <dd>{oldestDue === null ? '–' : formatSpan(age, spoken)}</dd>
        </div>
        <div class={deadOfLastDay > 0 ? 'bad' : ''}>
          <dt>{t.now.dead}</dt>
          <dd>{formatCount(deadOfLastDay, spoken)}</dd>
        </div>
        <div class={disabled.length > 0 ? 'bad' : ''}>
          <dt>{t.now.disabled}</dt>
          <dd>{formatCount(disabled.length, spoken)}</dd>
        </div>
      </dl>
    </Card>
  )
}

const MINUTE = 60_000
const SPANS = { m5: 5 * MINUTE, h1: 60 * MINUTE, h6: 360 * MINUTE, h24: 1_440 * MINUTE, d7: 10_080 * MINUTE }
type SpanName = keyof typeof SPANS

const POLL_MS = 20_000

/** Kept while another view is seen. */
const timelineSeen = cell<Seen>({ spanMs: SPANS.m5, to: null })

function TimelineCard({ channels }: { channels: number | null }) {
  const t = useText()
  const seen = useCell(timelineSeen)
  const setSeen = timelineSeen.set
  useCell(account)
  useNow()
  // Asked for in steps, with as much again to the left, so that to move a little asks for nothing new.
  const step = seen.spanMs / 4
  const { from, to } = windowOf(seen, serverNow(), 1)
  const first = new Date((Math.floor(from / step) - 2) * step)
  const end = new Date((Math.ceil(to / step) + 2) * step)
  const { answer, error, again } = usePoll(views.timeline(first, end), POLL_MS)
  // What changes the timeline changes what is live.
  const live = useCell(now)
  useEffect(again, [live])
  const last = useRef<{ bars: ApiBar[]; truncated: boolean }>({ bars: [], truncated: false })
  if (answer) last.current = answer
  const { bars, truncated } = last.current
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
            onClick={() => setSeen(moved(seen, to - seen.spanMs / 2))}
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
            onClick={() => setSeen(moved(seen, to + seen.spanMs / 2))}
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
          <li key={phase}>
            <i class={`key ${phase}`} /> {phase === 'failed' ? t.states.failed : t.phases[phase]}
          </li>
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

function LiveTable({ sessions }: { sessions: readonly Session[] }) {
  const t = useText()
  const [count, setCount] = useState(PAGE)
  const isOne = useCell(me)?.accounts.length === 1
  const longest = useMemo(() => [...sessions].sort((a, b) => (a.firstSeenAt < b.firstSeenAt ? -1 : 1)), [sessions])
  if (sessions.length === 0) return <Empty>{t.now.nobody}</Empty>
  return (
    <>
      <Table
        caption={t.now.who}
        rows={longest.slice(0, count)}
        keyOf={keyOf}
        columns={[
          { head: t.session.id, cell: (one) => <SessionLink of={one} /> },
          { head: t.session.user, cell: ({ userId }) => <Name of={userId} /> },
          ...(isOne ? [] : [{ head: t.account, wide: true, cell: (one: Session) => <Name of={one.account} /> }]),
          { head: t.session.state, cell: (one) => <StateBadge state={stateOf(one)} /> },
          { head: t.session.firstSeen, wide: true, cell: ({ firstSeenAt }) => <When at={firstSeenAt} /> },
          { head: t.session.started, wide: true, cell: ({ startedAt }) => <When at={startedAt} /> },
          { head: t.session.held, number: true, told: true, cell: ({ firstSeenAt }) => <Span from={firstSeenAt} /> },
        ]}
      />
      {longest.length > count && (
        <button type="button" class="quiet" onClick={() => setCount(count + PAGE)}>
          {t.more}
        </button>
      )}
    </>
  )
}
