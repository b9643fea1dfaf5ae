import { useState } from 'preact/hooks'
import type { SessionLife } from '../../schemas.ts'
import { queries } from '../api.ts'
import { useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import { formatSpan } from '../format.ts'
import { Awaited, useMayChange } from '../parts/act.tsx'
import { StateBadge, stateOf } from '../parts/badge.tsx'
import { Card, Empty, Fact, Facts, LegendItem } from '../parts/card.tsx'
import { Name, Span, When } from '../parts/name.tsx'
import { usePoll } from '../poll.ts'
import { hashOf, searched } from '../router.ts'
import { language, lastNow } from '../state.ts'
import { useText } from '../text.ts'
import { toBar } from '../timeline/bar.ts'
import { partsOf } from '../timeline/layout.ts'
import { blindSinceOf } from '../watch.ts'
import { AttemptsTable, DeliveryBadge, SendAgain } from './delivery.tsx'

const POLL_MS = 3_000

/** The life of one session: when it did what, its events, and each attempt to deliver them. */
export function SessionView({ account, id, incarnation }: { account: string; id: string; incarnation: number }) {
  const t = useText()
  const back = useCell(searched)
  const [isUnmasked, setUnmasked] = useState(false)
  const { answer, error } = usePoll(queries.session(account, id, incarnation, isUnmasked), POLL_MS)
  const endpoints = usePoll(queries.endpoints(), 30_000).answer?.endpoints
  const urlOf = (endpoint: string) => endpoints?.find((one) => one.id === endpoint)?.url ?? endpoint
  return (
    <>
      <p class="back">
        <a href={hashOf(back)}>‹ {t.views.history}</a>
      </p>
      <h1 tabIndex={-1}>
        {t.session.title} <Name of={id} mono />
      </h1>
      <Awaited answer={answer} error={error} />
      {answer && (
        <>
          <Life of={answer.session} isUnmasked={isUnmasked} onUnmask={() => setUnmasked(true)} />
          <Card title={t.session.events}>
            {answer.events.length === 0 ? (
              <Empty>{t.session.noEvents}</Empty>
            ) : (
              <ol class="events">
                {answer.events.map((event) => (
                  <EventItem key={event.id} event={event} urlOf={urlOf} />
                ))}
              </ol>
            )}
          </Card>
        </>
      )}
    </>
  )
}

function Life({ of, isUnmasked, onUnmask }: { of: SessionLife['session']; isUnmasked: boolean; onUnmask: () => void }) {
  const t = useText()
  const spoken = useCell(language)
  const mayChange = useMayChange()
  return (
    <Card title={t.session.life} aside={<StateBadge state={stateOf(of)} />}>
      <LifeBar of={of} />
      <Facts>
        <Fact name={t.session.user}>
          <Name of={of.userId} />
        </Fact>
        <Fact name={t.account}>
          <Name of={of.account} />
        </Fact>
        <Fact name={t.session.incarnation}>{of.incarnation}</Fact>
        <Fact name={t.session.held}>
          <Span from={of.firstSeenAt} to={of.endedAt} />
        </Fact>
        <Fact name={t.session.firstSeen}>
          <Bounded at={of.firstSeenAt} after={of.firstSeenAfter} />
        </Fact>
        <Fact name={t.session.ready}>
          <Bounded at={of.readyAt} after={of.readyAfter} />
        </Fact>
        <Fact name={t.session.started}>
          <Bounded at={of.startedAt} after={of.startedAfter} />
        </Fact>
        <Fact name={t.session.ended}>
          <Bounded at={of.endedAt} after={of.endedAfter} />
        </Fact>
        {of.endReason !== null && (
          <Fact name={t.session.reason}>
            {t.reasons[of.endReason]} <span class="muted">{t.reasonsTold[of.endReason]}</span>
          </Fact>
        )}
        {of.error && (
          <Fact name={t.session.error}>
            <span class="error">
              {of.error.code} <Name of={of.error.message} />
            </span>
            {spoken === 'en' && <span class="muted"> {of.errorMeaning}</span>}
          </Fact>
        )}
        {of.missingSince !== null && (
          <Fact name={t.session.missing}>
            <When at={of.missingSince} />
          </Fact>
        )}
        <Fact name={t.session.stream}>
          {of.playStreamAddr !== null ? (
            <Name of={of.playStreamAddr} mono />
          ) : of.masked && mayChange && !isUnmasked ? (
            <button type="button" class="quiet small" onClick={onUnmask}>
              {t.session.unmask}
            </button>
          ) : (
            <span class="none">{of.masked ? t.session.masked : '–'}</span>
          )}
        </Fact>
      </Facts>
    </Card>
  )
}

/** A moment, and how long before it the thing may have happened already. */
function Bounded({ at, after }: { at: string | null; after: string | null }) {
  const t = useText()
  const spoken = useCell(language)
  if (at === null) return <span class="none">–</span>
  const within = after === null ? null : Date.parse(at) - Date.parse(after)
  const unsure =
    within === null ? t.session.unwatched : within < 1_000 ? '' : t.session.within(formatSpan(within, spoken))
  return (
    <>
      <When at={at} /> <span class="muted">{unsure}</span>
    </>
  )
}

function LifeBar({ of }: { of: SessionLife['session'] }) {
  const t = useText()
  const spoken = useCell(language)
  const now = useNow()
  const parts = partsOf(toBar(of), now, blindSinceOf(useCell(lastNow)?.ticks ?? [], now).get(of.account))
  return (
    <div class="life">
      <div class={of.status === 'failed' ? 'lifebar failed' : 'lifebar'} aria-hidden="true">
        {parts.map(({ phase, from, to }) => (
          <i key={phase} class={phase} style={{ flexGrow: Math.max(1, to - from) }} />
        ))}
      </div>
      <ul class="legend">
        {parts.map(({ phase, from, to }) => (
          <LegendItem key={phase} kind={phase}>
            {t.phases[phase]} <b>{formatSpan(to - from, spoken)}</b>
          </LegendItem>
        ))}
      </ul>
    </div>
  )
}

type LifeEvent = SessionLife['events'][number]

function EventItem({ event, urlOf }: { event: LifeEvent; urlOf: (endpoint: string) => string }) {
  const t = useText()
  return (
    <li>
      <h3>
        <code>{event.type}</code> <When at={event.at} />
        <span class="muted small">{t.session.place(event.revision, event.position)}</span>
      </h3>
      {event.deliveries.length === 0 && <p class="muted small">{t.session.noDeliveries}</p>}
      {event.deliveries.map((delivery) => (
        <DeliveryItem key={delivery.id} event={event} delivery={delivery} url={urlOf(delivery.endpointId)} />
      ))}
    </li>
  )
}

function DeliveryItem({
  event,
  delivery,
  url,
}: {
  event: LifeEvent
  delivery: LifeEvent['deliveries'][number]
  url: string
}) {
  const t = useText()
  const { state, attempts, endpointId } = delivery
  return (
    <details class="delivery" open={state === 'dead'}>
      <summary>
        <DeliveryBadge state={state} />
        <Name of={url} />
        <span class="muted small">{t.session.attempts(attempts.length)}</span>
      </summary>
      <div class="inside">
        {attempts.length > 0 && <AttemptsTable attempts={attempts} />}
        <div class="buttons">
          <a href={hashOf({ view: 'endpoint', id: endpointId })}>{t.delivery.toEndpoint}</a>
          {state === 'dead' && <SendAgain endpoint={endpointId} event={event.id} />}
        </div>
      </div>
    </details>
  )
}
