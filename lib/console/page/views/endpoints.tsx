import { useState } from 'preact/hooks'
import type { EndpointHealth } from '../../schemas.ts'
import { queries } from '../api.ts'
import { useCell } from '../cell.ts'
import { formatCount, formatLatency } from '../format.ts'
import { Awaited, useMayChange } from '../parts/act.tsx'
import { Badge, type Tone } from '../parts/badge.tsx'
import { Card, Empty, Stat } from '../parts/card.tsx'
import { Name, Span, When } from '../parts/name.tsx'
import { usePoll } from '../poll.ts'
import { hashOf } from '../router.ts'
import { language } from '../state.ts'
import { useText } from '../text.ts'
import { Outcome } from './delivery.tsx'
import { EndpointActs } from './endpoint-acts.tsx'
import { AddEndpoint } from './endpoint-add.tsx'

const POLL_MS = 3_000

/** Who gets the events, and how that goes. */
export function EndpointsView() {
  const t = useText()
  const mayChange = useMayChange()
  const [isAdding, setAdding] = useState(false)
  const { answer, error } = usePoll(queries.endpoints(), POLL_MS)
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>{t.views.endpoints}</h1>
        {mayChange && (
          <button type="button" class="main" onClick={() => setAdding(true)}>
            {t.endpoints.add}
          </button>
        )}
      </div>
      <ReadOnly />
      <Awaited answer={answer} error={error} />
      {answer?.endpoints.length === 0 && <Empty>{t.endpoints.none}</Empty>}
      <div class="cards">
        {answer?.endpoints.map((endpoint) => (
          <EndpointCard key={endpoint.id} of={endpoint} />
        ))}
      </div>
      {isAdding && <AddEndpoint onClose={() => setAdding(false)} />}
    </>
  )
}

/** Says why there are no buttons. */
export function ReadOnly() {
  const t = useText()
  return useMayChange() ? null : <p class="note">{t.endpoints.readOnly}</p>
}

function EndpointCard({ of }: { of: EndpointHealth }) {
  const t = useText()
  return (
    <Card
      title={<Name of={of.description === '' ? hostOf(of.url) : of.description} />}
      aside={<EndpointState of={of} />}
      kind="endpoint"
    >
      <p class="url">
        <a href={hashOf({ view: 'endpoint', id: of.id })} aria-label={`${t.endpoints.open} ${of.url}`}>
          <Name of={of.url} />
        </a>
      </p>
      <Health of={of} />
      <EndpointActs of={of} />
    </Card>
  )
}

function hostOf(url: string): string {
  try {
    return new URL(url).host
  } catch {
    return url
  }
}

/** Whether it gets what it should. */
export function EndpointState({ of }: { of: EndpointHealth }) {
  const t = useText()
  const [tone, text]: [Tone, string] =
    of.state === 'disabled'
      ? ['bad', t.endpointStates.disabled]
      : of.state === 'paused'
        ? ['wait', t.endpointStates.paused]
        : of.failingSince !== null
          ? ['bad', t.endpointStates.failing]
          : ['good', t.endpointStates.active]
  return <Badge tone={tone}>{text}</Badge>
}

/** How it goes, in four numbers and a sentence. */
export function Health({ of }: { of: EndpointHealth }) {
  const t = useText()
  const spoken = useCell(language)
  const latency = (ms: number | undefined) => (ms === undefined ? '–' : formatLatency(ms, spoken))
  return (
    <>
      <dl class="numbers">
        <Stat name={t.endpoints.pending} tone={of.pending > 0 && of.state !== 'active' && 'bad'}>
          {formatCount(of.pending, spoken)}
        </Stat>
        <Stat name={t.endpoints.dead} tone={of.dead > 0 && 'bad'}>
          {formatCount(of.dead, spoken)}
        </Stat>
        <Stat name={t.endpoints.p50}>{latency(of.latency?.p50Ms)}</Stat>
        <Stat name={t.endpoints.p95}>{latency(of.latency?.p95Ms)}</Stat>
      </dl>
      <ul class="news">
        {of.stateReason !== null && (
          <li>
            {t.endpoints.stopped} <Name of={of.stateReason} />
          </li>
        )}
        {of.failingSince !== null && (
          <li class="error">
            {t.endpoints.failing(of.failures)} <Span from={of.failingSince} />
          </li>
        )}
        {of.oldestDueAt !== null && (
          <li>
            {t.endpoints.oldest} <Span from={of.oldestDueAt} />
          </li>
        )}
        {of.holdUntil !== null && (
          <li>
            {t.endpoints.hold} <When at={of.holdUntil} />
          </li>
        )}
        {of.lastError !== null && (
          <li>
            {t.endpoints.lastError} <Outcome outcome={of.lastError.outcome} status={of.lastError.status} />{' '}
            <When at={of.lastError.at} />
          </li>
        )}
      </ul>
    </>
  )
}
