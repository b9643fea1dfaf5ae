import { useState } from 'preact/hooks'
import type { LastTick, Watching } from '../../schemas.ts'
import { queries } from '../api.ts'
import { useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import { formatCount, formatMark, formatMoment } from '../format.ts'
import { Awaited } from '../parts/act.tsx'
import { Badge, type Tone } from '../parts/badge.tsx'
import { Card, Empty, LegendItem, Stat } from '../parts/card.tsx'
import { Choice } from '../parts/form.tsx'
import { Name, Span, When } from '../parts/name.tsx'
import { Table } from '../parts/table.tsx'
import { usePoll } from '../poll.ts'
import { account, language } from '../state.ts'
import { useText } from '../text.ts'
import { localOffset, marksOf, xOf } from '../timeline/viewport.ts'
import { blindOf } from '../watch.ts'

const HOUR = 3_600_000
const SPANS = { h1: HOUR, h24: 24 * HOUR, d7: 168 * HOUR, d30: 720 * HOUR } as const
type SpanName = keyof typeof SPANS
const POLL_MS = 5_000

/** Whether anybody watched: what is silent here was quiet, what is missing was not answer. */
export function WatchingView() {
  const t = useText()
  const chosen = useCell(account)
  const [name, setName] = useState<SpanName>('h24')
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>{t.views.watching}</h1>
        <Choice<SpanName>
          label={t.timeline.span}
          value={name}
          options={(Object.keys(SPANS) as SpanName[]).map((one) => [one, t.spans[one]] as const)}
          onChoose={setName}
        />
      </div>
      <p class="lead">{t.watching.lead}</p>
      <Watched key={chosen ?? ''} spanMs={SPANS[name]} />
    </>
  )
}

/** Of the account that is looked at. */
function Watched({ spanMs }: { spanMs: number }) {
  const t = useText()
  const spoken = useCell(language)
  const now = useNow()
  // In steps, so that the answer can be known already.
  const step = Math.max(30_000, spanMs / 1_440)
  const to = Math.ceil(now / step) * step
  const { answer, error } = usePoll(queries.watching(new Date(to - spanMs), new Date(to)), POLL_MS, { keeps: true })
  // Before its first list nobody could have watched: that time is listed below, and no fault.
  const gaps = answer?.gaps.filter(({ from }) => from !== null).length ?? 0
  return (
    <>
      <Awaited answer={answer} error={error} />
      {answer && (
        <>
          <dl class="numbers wide">
            <Stat name={t.watching.gaps} tone={gaps > 0 && 'bad'}>
              {formatCount(gaps, spoken)}
            </Stat>
            <Stat name={t.watching.failed} tone={answer.failed > 0 && 'bad'}>
              {formatCount(answer.failed, spoken)}
            </Stat>
            <Stat name={t.watching.incomplete} tone={answer.incomplete > 0 && 'wait'}>
              {formatCount(answer.incomplete, spoken)}
            </Stat>
          </dl>
          <Card title={t.watching.ticks}>
            <Strip watching={answer} />
            <ul class="legend">
              {(['committed', 'incomplete', 'failed', 'nobody'] as const).map((outcome) => (
                <LegendItem key={outcome} kind={`tick-${outcome}`}>
                  {t.watching.legend[outcome]}
                </LegendItem>
              ))}
            </ul>
          </Card>
          <Accounts ticks={answer.accounts} />
          <Card title={t.watching.gapsTitle}>
            {answer.gaps.length === 0 ? (
              <Empty>{t.watching.noGaps}</Empty>
            ) : (
              <Table
                caption={t.watching.gapsTitle}
                rows={answer.gaps}
                keyOf={(gap) => `${gap.account} ${gap.from}`}
                columns={[
                  { head: t.account, cell: (gap) => <Name of={gap.account} /> },
                  {
                    head: t.history.from,
                    cell: ({ from }) => (from === null ? t.watching.ever : <When at={from} />),
                  },
                  { head: t.history.to, cell: (gap) => (gap.to === null ? t.watching.lasts : <When at={gap.to} />) },
                  {
                    head: t.watching.length,
                    number: true,
                    told: true,
                    cell: ({ from, to: end }) => (from === null ? '–' : <Span from={from} to={end} />),
                  },
                ]}
              />
            )}
          </Card>
          <Troubles watching={answer} />
        </>
      )}
    </>
  )
}

const TONES = { committed: 'good', unchanged: 'good', incomplete: 'wait', failed: 'bad' } as const satisfies Record<
  Watching['ticks'][number]['outcome'],
  Tone
>

function Accounts({ ticks }: { ticks: readonly LastTick[] }) {
  const t = useText()
  const now = useNow()
  return (
    <Card title={t.watching.accounts}>
      <Table
        caption={t.watching.accounts}
        rows={ticks}
        keyOf={(tick) => tick.account}
        columns={[
          { head: t.account, cell: (tick) => <Name of={tick.account} /> },
          {
            head: t.session.state,
            cell: (tick) => {
              const [blind] = blindOf([tick], now)
              if (!blind) return <Badge tone="good">{t.watching.sees}</Badge>
              return <Badge tone={blind.why === 'incomplete' ? 'wait' : 'bad'}>{t.blind.short[blind.why]}</Badge>
            },
          },
          { head: t.watching.lastTick, told: true, cell: ({ listedAt }) => <Ago at={listedAt} /> },
          {
            head: t.delivery.outcome,
            wide: true,
            cell: ({ outcome, error, apiCode }) => (
              <>
                {outcome === null ? <Name of={null} /> : t.ticks[outcome]}
                {error !== null && (
                  <>
                    {' '}
                    <Trouble error={error} apiCode={apiCode} />
                  </>
                )}
              </>
            ),
          },
          { head: t.watching.lastGood, told: true, cell: ({ goodAt }) => <Ago at={goodAt} /> },
        ]}
      />
    </Card>
  )
}

/** What a tick failed with, and what to do about it. */
function Trouble({ error, apiCode }: { error: string; apiCode: number | null }) {
  const t = useText()
  const cures: Partial<Record<string, string>> = t.cures
  const cure = cures[`${error} ${apiCode}`] ?? cures[error]
  return (
    <span class="error">
      <Name of={apiCode === null ? error : `${error} ${apiCode}`} mono />
      {cure !== undefined && <span class="cure muted"> {cure}</span>}
    </span>
  )
}

function Ago({ at }: { at: string | null }) {
  const t = useText()
  if (at === null) return <Name of={null} />
  const [before, after] = t.ago
  return (
    <>
      {before}
      <Span from={at} />
      {after}{' '}
      <span class="muted">
        (<When at={at} />)
      </span>
    </>
  )
}

const WIDTH = 1_000
const HEIGHT = 34

/** A stroke for each bucket of ticks, coloured by the worst of them; where there is none, nobody watched. */
function Strip({ watching }: { watching: Watching }) {
  const t = useText()
  const spoken = useCell(language)
  const now = useNow()
  const viewport = { from: Date.parse(watching.from), to: Date.parse(watching.to), width: WIDTH }
  const { ticks, gaps } = watching
  const width = ((watching.bucketSeconds * 1_000) / (viewport.to - viewport.from)) * WIDTH
  const marks = marksOf(viewport, 140, localOffset)
  const step = (marks[1] ?? 0) - (marks[0] ?? 0)
  // At the edges half of a label would be cut off.
  const labelled = marks.filter((mark) => Math.abs(xOf(viewport, mark) / WIDTH - 0.5) < 0.46)
  const clamp = (x: number) => Math.min(WIDTH, Math.max(0, x))
  return (
    <figure class="strip">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t.watching.strip(ticks.length, gaps.length)}
      >
        {ticks.map(({ at, outcome }) => (
          <rect
            key={at}
            class={outcome}
            x={xOf(viewport, Date.parse(at)).toFixed(2)}
            y={0}
            // A little over the next one: a hair between two looks as if nobody had watched.
            width={(width + 0.1).toFixed(2)}
            height={HEIGHT}
          />
        ))}
        {gaps.map((gap) => {
          const left = clamp(gap.from === null ? 0 : xOf(viewport, Date.parse(gap.from)))
          const right = clamp(xOf(viewport, gap.to === null ? now : Date.parse(gap.to)))
          return (
            <rect
              key={`gap ${gap.account} ${gap.from}`}
              class="gap"
              x={left}
              y={0}
              width={Math.max(1, right - left)}
              height={HEIGHT}
            />
          )
        })}
      </svg>
      <div class="marks" aria-hidden="true">
        {labelled.map((mark) => (
          <span key={mark} style={{ left: `${(xOf(viewport, mark) / WIDTH) * 100}%` }}>
            {formatMark(new Date(mark), step, spoken)}
          </span>
        ))}
      </div>
    </figure>
  )
}

const MOST_TROUBLES = 100

function Troubles({ watching }: { watching: Watching }) {
  const t = useText()
  const spoken = useCell(language)
  const now = useNow()
  const troubles = watching.ticks
    .filter(({ outcome }) => outcome === 'failed' || outcome === 'incomplete')
    .sort((a, b) => (a.at < b.at ? 1 : -1))
  return (
    <Card title={t.watching.troubles}>
      {troubles.length === 0 ? (
        <Empty>{t.watching.noTroubles}</Empty>
      ) : (
        <Table
          caption={t.watching.troubles}
          rows={troubles.slice(0, MOST_TROUBLES)}
          keyOf={({ at }) => at}
          columns={[
            { head: t.watching.when, cell: ({ at }) => formatMoment(new Date(at), new Date(now), spoken) },
            {
              head: t.delivery.outcome,
              cell: ({ outcome }) => <Badge tone={TONES[outcome]}>{t.ticks[outcome]}</Badge>,
            },
            { head: t.watching.ticks, wide: true, number: true, cell: ({ count }) => formatCount(count, spoken) },
            {
              head: t.session.error,
              cell: ({ error, apiCode }) =>
                error === null ? <Name of={null} /> : <Trouble error={error} apiCode={apiCode} />,
            },
          ]}
        />
      )}
    </Card>
  )
}
