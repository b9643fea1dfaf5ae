import { useState } from 'preact/hooks'
import type { EndpointHealth } from '../../schemas.ts'
import { enable, pause, ping, rotate } from '../api.ts'
import { useCell } from '../cell.ts'
import { formatCount } from '../format.ts'
import { Confirm, Fault, useAct, useMayChange } from '../parts/act.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/form.tsx'
import { changed } from '../poll.ts'
import { language } from '../state.ts'
import { useText } from '../text.ts'
import { tellOutcome } from './delivery.tsx'
import { ReplayDialog } from './endpoint-replay.tsx'
import { ShownOnce } from './endpoint-secret.tsx'

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
      const answer = tellOutcome(outcome, status, t)
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
        <button type="button" aria-disabled={busy} onClick={test}>
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
    <Dialog title={t.endpoints.rotateTitle} busy={busy} onClose={onClose}>
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
              aria-disabled={busy}
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
              aria-disabled={busy}
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
