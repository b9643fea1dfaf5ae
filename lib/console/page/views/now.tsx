import { useMemo, useState } from 'preact/hooks'
import type { Leak, Now, Session } from '../../schemas.ts'
import { useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import { Curve } from '../curve.tsx'
import { formatCount, formatMoment, formatSpan } from '../format.ts'
import { Badge, StateBadge, stateOf } from '../parts/badge.tsx'
import { Card, Empty, LegendItem, Stat } from '../parts/card.tsx'
import { Name, SessionLink, Span, When } from '../parts/name.tsx'
import { Table } from '../parts/table.tsx'
import { account, language, lastNow, me } from '../state.ts'
import { useText } from '../text.ts'
import { keyOf } from '../timeline/bar.ts'
import { warningsOf } from '../watch.ts'
import { TimelineCard } from './now-timeline.tsx'

/** Who holds the channels now, and since when. */
export function NowView() {
  const t = useText()
  const seen = useCell(lastNow)
  const chosen = useCell(account)
  return (
    <>
      <h1 class="visually-hidden" tabIndex={-1}>
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
          <TimelineCard key={chosen ?? ''} channels={seen.channels} />
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

function Live({ now: { live, liveCount, channels, ticks } }: { now: Now }) {
  const t = useText()
  const spoken = useCell(language)
  const counts = PHASES.map((phase) => [phase, live.filter((one) => stateOf(one) === phase).length] as const)
  const whole = Math.max(channels ?? 0, liveCount, 1)
  const free = channels === null ? null : channels - liveCount
  const time = useNow()
  const unseen = warningsOf(ticks, time).filter(({ why }) => why !== 'incomplete')
  const blindSince = Math.min(...unseen.flatMap(({ since }) => since?.getTime() ?? []))
  const isStale = Number.isFinite(blindSince)
  const tone = free === null ? '' : free <= 0 ? 'full' : free <= channels! * 0.1 ? 'tight' : ''
  return (
    <Card title={t.now.live} kind={`live ${tone} ${isStale ? 'stale' : ''}`}>
      <p class="figure">
        <strong>{formatCount(liveCount, spoken)}</strong>{' '}
        <span>{channels === null ? t.now.noChannels : t.now.ofChannels(formatCount(channels, spoken))}</span>
      </p>
      {isStale && <p class="muted small">{t.now.asOf(formatMoment(new Date(blindSince), new Date(time), spoken))}</p>}
      <div class="gauge" aria-hidden="true">
        {counts.map(([phase, count]) => (
          <i key={phase} class={phase} style={{ width: `${(count / whole) * 100}%` }} />
        ))}
      </div>
      <ul class="legend">
        {counts.map(([phase, count]) => (
          <LegendItem key={phase} kind={phase}>
            {t.phases[phase]} <b>{formatCount(count, spoken)}</b>
          </LegendItem>
        ))}
        {free !== null && (
          <LegendItem kind="free">
            {free < 0 ? t.now.over : t.now.free} <b>{formatCount(Math.abs(free), spoken)}</b>
          </LegendItem>
        )}
      </ul>
    </Card>
  )
}

const SHOWN_LEAKS = 6

function Leaks({ leaks }: { leaks: readonly Leak[] }) {
  const t = useText()
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
          {leaks.slice(0, SHOWN_LEAKS).map((leak) => (
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
        <Stat name={t.now.pending}>
          {formatCount(pending, spoken)}
          {pending >= countedUpTo && '+'}
        </Stat>
        <Stat name={t.now.oldest} tone={age > 60_000 && 'bad'}>
          {oldestDue === null ? '–' : formatSpan(age, spoken)}
        </Stat>
        <Stat name={t.now.dead} tone={deadOfLastDay > 0 && 'bad'}>
          {formatCount(deadOfLastDay, spoken)}
        </Stat>
        <Stat name={t.now.disabled} tone={disabled.length > 0 && 'bad'}>
          {formatCount(disabled.length, spoken)}
        </Stat>
      </dl>
    </Card>
  )
}

const PAGE = 50

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
