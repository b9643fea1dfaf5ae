import { useState } from 'preact/hooks'
import type { EndpointHealth } from '../../schemas.ts'
import { enable, pause, ping, rotate, views } from '../api.ts'
import { useCell } from '../cell.ts'
import { formatCount, formatLatency } from '../format.ts'
import {
  Badge,
  Card,
  Choice,
  Confirm,
  Dialog,
  Empty,
  Fault,
  Name,
  Span,
  type Tone,
  useAct,
  useMayChange,
  useText,
  When,
} from '../parts.tsx'
import { changed, usePoll } from '../poll.ts'
import { hashOf } from '../router.ts'
import { language } from '../state.ts'
import { AddEndpoint } from './endpoint-add.tsx'
import { ReplayDialog } from './endpoint-replay.tsx'
import { ShownOnce } from './endpoint-secret.tsx'
import { Outcome } from './session.tsx'

const POLL_MS = 3_000

/** Who gets the events, and how that goes. */
export function EndpointsView() {
  const t = useText()
  const mayChange = useMayChange()
  const [isAdding, setAdding] = useState(false)
  const { answer, error } = usePoll(views.endpoints(), POLL_MS)
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
      <Fault error={error} />
      {!answer && error === undefined && <Empty>{t.loading}</Empty>}
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
      title={of.description === '' ? hostOf(of.url) : of.description}
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
        <div class={of.pending > 0 && of.state !== 'active' ? 'bad' : ''}>
          <dt>{t.endpoints.backlog}</dt>
          <dd>{formatCount(of.pending, spoken)}</dd>
        </div>
        <div class={of.dead > 0 ? 'bad' : ''}>
          <dt>{t.endpoints.dead}</dt>
          <dd>{formatCount(of.dead, spoken)}</dd>
        </div>
        <div>
          <dt title={t.endpoints.latencyTold}>p50</dt>
          <dd>{latency(of.latency?.p50Ms)}</dd>
        </div>
        <div>
          <dt title={t.endpoints.latencyTold}>p95</dt>
          <dd>{latency(of.latency?.p95Ms)}</dd>
        </div>
      </dl>
      <ul class="news">
        {of.stateReason !== null && (
          <li>
            <Name of={of.stateReason} />
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

/** All that can be done to an endpoint; nothing for those who may only look. */
export function EndpointActs({ of }: { of: EndpointHealth }) {
  const t = useText()
  const mayChange = useMayChange()
  const { busy, error, act } = useAct()
  const [told, setTold] = useState('')
  const [opened, setOpened] = useState<'rotate' | 'enable' | 'replay'>()
  if (!mayChange) return null
  const { id } = of
  const test = () =>
    act(async () => {
      setTold(t.endpoints.testing)
      const { outcome, status, proved } = await ping(id).catch((fault: unknown) => {
        setTold('')
        throw fault
      })
      const known: Readonly<Record<string, string>> = t.outcomes
      const answer = status === null ? (known[outcome] ?? outcome) : t.delivery.answered(status)
      const proof = proved === null ? '' : proved ? t.endpoints.proved : t.endpoints.unproved
      setTold(
        [outcome === 'delivered' ? t.endpoints.works : t.endpoints.fails, answer, proof].filter(Boolean).join(' · '),
      )
      changed()
    })
  const stop = () =>
    act(async () => {
      await pause(id)
      changed()
    })
  const close = () => setOpened(undefined)
  return (
    <>
      <div class="buttons">
        <button type="button" disabled={busy} onClick={test}>
          {t.endpoints.test}
        </button>
        {of.state === 'active' ? (
          <Confirm label={t.endpoints.pause} question={t.endpoints.pauseSure} busy={busy} onConfirm={stop} />
        ) : (
          <button type="button" class="main" onClick={() => setOpened('enable')}>
            {t.endpoints.enable}
          </button>
        )}
        <button type="button" onClick={() => setOpened('replay')}>
          {t.endpoints.replay}
        </button>
        <button type="button" onClick={() => setOpened('rotate')}>
          {t.endpoints.rotate}
        </button>
      </div>
      <p class="outcome" role="status">
        {told}
      </p>
      <Fault error={error} />
      {opened === 'rotate' && <RotateDialog id={id} onClose={close} />}
      {opened === 'enable' && <EnableDialog of={of} onClose={close} />}
      {opened === 'replay' && <ReplayDialog id={id} onClose={close} />}
    </>
  )
}

const GRACES = ['0', '1', '24', '168'] as const

function RotateDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useText()
  const { busy, error, act } = useAct()
  const [grace, setGrace] = useState<(typeof GRACES)[number]>('24')
  const [secrets, setSecrets] = useState<{ secret: string; publicKey?: string | undefined }>()
  return (
    <Dialog title={t.endpoints.rotateTitle} onClose={onClose}>
      {secrets ? (
        <ShownOnce secrets={secrets} />
      ) : (
        <>
          <p>{t.endpoints.rotateTold}</p>
          <Choice
            label={t.endpoints.grace}
            value={grace}
            options={GRACES.map((hours) => [hours, t.endpoints.graces[hours]] as const)}
            onChoose={setGrace}
          />
          <Fault error={error} />
          <div class="buttons">
            <button
              type="button"
              class="main"
              disabled={busy}
              onClick={() =>
                act(async () => {
                  setSecrets(await rotate(id, Number(grace)))
                  changed()
                })
              }
            >
              {t.endpoints.rotateNow}
            </button>
          </div>
        </>
      )}
    </Dialog>
  )
}

function EnableDialog({ of, onClose }: { of: EndpointHealth; onClose: () => void }) {
  const t = useText()
  const spoken = useCell(language)
  const { busy, error, act } = useAct()
  const [missed, setMissed] = useState<'all' | 'latest' | 'none'>('all')
  const [done, setDone] = useState<{ missed: number; queued: number }>()
  return (
    <Dialog title={t.endpoints.enableTitle} onClose={onClose}>
      {done ? (
        <p role="status">{t.endpoints.enabled(formatCount(done.missed, spoken), formatCount(done.queued, spoken))}</p>
      ) : (
        <>
          <p>{t.endpoints.enableTold(formatCount(of.pending, spoken))}</p>
          <fieldset>
            <legend>{t.endpoints.missed}</legend>
            {(['all', 'latest', 'none'] as const).map((option) => (
              <label key={option} class="option">
                <input type="radio" name="missed" checked={missed === option} onChange={() => setMissed(option)} />
                {t.endpoints.missedOptions[option]}
              </label>
            ))}
          </fieldset>
          <Fault error={error} />
          <div class="buttons">
            <button
              type="button"
              class="main"
              disabled={busy}
              onClick={() =>
                act(async () => {
                  setDone(await enable(of.id, missed))
                  changed()
                })
              }
            >
              {t.endpoints.enable}
            </button>
          </div>
        </>
      )}
    </Dialog>
  )
}
