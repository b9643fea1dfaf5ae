import { useState } from 'preact/hooks'
import type { Delivery, EndpointHealth } from '../../schemas.ts'
import { queries, removeEndpoint } from '../api.ts'
import { usePages } from '../pages.ts'
import { Awaited, Confirm, Fault, useAct, useMayChange } from '../parts/act.tsx'
import { Card, Empty, Fact, Facts } from '../parts/card.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/form.tsx'
import { Name, When } from '../parts/name.tsx'
import { Table } from '../parts/table.tsx'
import { changed, usePoll } from '../poll.ts'
import { go, hashOf } from '../router.ts'
import { useText } from '../text.ts'
import { AttemptsTable, DeliveryBadge, Outcome, SendAgain } from './delivery.tsx'
import { EndpointActs } from './endpoint-acts.tsx'
import { ChangeEndpoint } from './endpoint-change.tsx'
import { EndpointState, Health, ReadOnly } from './endpoints.tsx'

const POLL_MS = 3_000

/** One endpoint: what it is, how it goes, and what became of its deliveries. */
export function EndpointView({ id }: { id: string }) {
  const t = useText()
  const { answer, error } = usePoll(queries.endpoints(), POLL_MS)
  const endpoint = answer?.endpoints.find((one) => one.id === id)
  return (
    <>
      <p class="back">
        <a href="#/endpoints">‹ {t.views.endpoints}</a>
      </p>
      <h1 tabIndex={-1}>
        <Name of={endpoint === undefined ? id : endpoint.description || endpoint.url} />
      </h1>
      <ReadOnly />
      <Awaited answer={answer} error={error} />
      {answer && !endpoint && <Empty>{t.endpoints.unknown}</Empty>}
      {endpoint && (
        <>
          <Card title={t.endpoints.health} aside={<EndpointState of={endpoint} />} kind="endpoint">
            <Health of={endpoint} />
            <EndpointActs of={endpoint} />
          </Card>
          <Deliveries endpoint={id} hasDead={endpoint.dead > 0} />
          <Settings of={endpoint} />
        </>
      )}
    </>
  )
}

function Settings({ of }: { of: EndpointHealth }) {
  const t = useText()
  const mayChange = useMayChange()
  const { busy, error, act } = useAct()
  const [isChanging, setChanging] = useState(false)
  return (
    <Card title={t.endpoints.settings}>
      <Facts>
        <Fact name={t.endpoints.url}>
          <Name of={of.url} />
        </Fact>
        <Fact name={t.endpoints.id}>
          <Name of={of.id} mono />
        </Fact>
        <Fact name={t.account}>{of.account === null ? t.allAccounts : <Name of={of.account} />}</Fact>
        <Fact name={t.endpoints.events}>{of.events.includes('*') ? t.endpoints.allEvents : of.events.join(', ')}</Fact>
        <Fact name={t.endpoints.rate}>{of.rate === null ? t.endpoints.noRate : t.endpoints.perSecond(of.rate)}</Fact>
        <Fact name={t.endpoints.batch}>{of.batchSize}</Fact>
        <Fact name={t.endpoints.headers}>{of.headers.length === 0 ? '–' : of.headers.join(', ')}</Fact>
        <Fact name={t.endpoints.created}>
          <When at={of.createdAt} />
        </Fact>
        {of.mustProve && (
          <Fact name={t.endpoints.proof}>
            {of.provedAt === null ? t.endpoints.notProved : <When at={of.provedAt} />}
          </Fact>
        )}
      </Facts>
      {mayChange && (
        <div class="buttons">
          <button type="button" onClick={() => setChanging(true)}>
            {t.endpoints.change}
          </button>
          <Confirm
            label={t.endpoints.remove}
            question={t.endpoints.removeSure}
            kind="danger"
            busy={busy}
            onConfirm={() =>
              act(async () => {
                await removeEndpoint(of.id)
                changed()
                go({ view: 'endpoints' })
              })
            }
          />
        </div>
      )}
      <Fault error={error} />
      {isChanging && <ChangeEndpoint of={of} onClose={() => setChanging(false)} />}
    </Card>
  )
}

const STATES = ['dead', 'pending', 'delivered'] as const

function Deliveries({ endpoint, hasDead }: { endpoint: string; hasDead: boolean }) {
  const t = useText()
  const [state, setState] = useState<(typeof STATES)[number]>(hasDead ? 'dead' : 'delivered')
  const [asked, setAsked] = useState<Delivery>()
  const { answer, rows, next, error, busy, loadMore } = usePages(
    (cursor) => queries.deliveries({ endpoint, state, limit: '50', ...(cursor !== undefined && { cursor }) }),
    {
      rowsOf: ({ deliveries }) => deliveries,
      keyOf: ({ id }) => id,
      isBelow: (one, other) => Number(one.id) < Number(other.id),
    },
    POLL_MS,
  )
  return (
    <Card
      title={t.endpoints.deliveries}
      aside={
        <Choice
          label={t.endpoints.deliveries}
          value={state}
          options={STATES.map((option) => [option, t.deliveries[option]] as const)}
          onChoose={setState}
        />
      }
    >
      <Awaited answer={answer} error={error} />
      {answer && rows.length === 0 && <Empty>{next === null ? t.endpoints.noDeliveries : t.history.noneYet}</Empty>}
      {rows.length > 0 && (
        <Table
          caption={t.endpoints.deliveries}
          rows={rows}
          keyOf={({ id }) => id}
          columns={[
            { head: t.delivery.event, cell: ({ type }) => <code>{type}</code> },
            { head: t.delivery.session, cell: ({ sessionId }) => <SessionSearch id={sessionId} /> },
            {
              head: t.session.state,
              wide: true,
              cell: (one) => <DeliveryBadge state={one.state} />,
            },
            {
              head: t.delivery.outcome,
              wide: true,
              cell: (one) => <Outcome outcome={one.outcome} status={one.status} />,
            },
            {
              head: state === 'pending' ? t.delivery.due : t.delivery.over,
              wide: true,
              cell: ({ dueAt, finalizedAt }) => <When at={dueAt ?? finalizedAt} />,
            },
            {
              head: t.delivery.attempts,
              told: true,
              cell: (one) => (
                <button
                  type="button"
                  class="quiet small"
                  aria-label={t.delivery.showAttempts(one.attempts)}
                  onClick={() => setAsked(one)}
                >
                  {one.attempts}
                </button>
              ),
            },
            ...(state === 'dead'
              ? [
                  {
                    head: t.delivery.act,
                    cell: (one: Delivery) => <SendAgain endpoint={endpoint} event={one.eventId} />,
                  },
                ]
              : []),
          ]}
        />
      )}
      {next !== null && (
        <button type="button" class="quiet" aria-disabled={busy} onClick={loadMore}>
          {t.more}
        </button>
      )}
      {asked && <AttemptsDialog of={asked} onClose={() => setAsked(undefined)} />}
    </Card>
  )
}

/** Which incarnation a delivery was about, the search knows. */
function SessionSearch({ id }: { id: string | null }) {
  if (id === null) return <Name of={null} />
  return (
    <a href={hashOf({ view: 'history', query: { session: id } })}>
      <Name of={id} mono />
    </a>
  )
}

const ATTEMPTS_MS = 5_000

function AttemptsDialog({ of, onClose }: { of: Delivery; onClose: () => void }) {
  const t = useText()
  const { answer, error } = usePoll(queries.attempts(of.id), ATTEMPTS_MS)
  return (
    <Dialog title={t.session.attempts(of.attempts)} onClose={onClose}>
      <Awaited answer={answer} error={error} />
      {answer?.attempts.length === 0 && <Empty>{t.delivery.noAttempts}</Empty>}
      {answer && answer.attempts.length > 0 && <AttemptsTable attempts={answer.attempts} />}
    </Dialog>
  )
}
