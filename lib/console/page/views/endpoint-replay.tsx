import { useEffect, useRef, useState } from 'preact/hooks'
import type { Replay } from '../../schemas.ts'
import { replay } from '../api.ts'
import { useCell } from '../cell.ts'
import { formatCount } from '../format.ts'
import { Fault, useAct } from '../parts/act.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, MomentField, TextField } from '../parts/form.tsx'
import { changed } from '../poll.ts'
import { language, toast } from '../state.ts'
import { useText } from '../text.ts'

/** How far a replay is: so many of those that matched were looked at, and so many of them queued. */
interface Progress {
  matched: number
  done: number
  queued: number
  state: 'running' | 'over' | 'stopped'
}

/** Sends events again: first counts them, then goes step by step, and can be stopped between two of them. */
export function ReplayDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useText()
  const spoken = useCell(language)
  const { busy, error, act } = useAct()
  const [state, setState] = useState<'dead' | 'delivered' | 'all'>('dead')
  const [session, setSession] = useState('')
  const [since, setSince] = useState<Date | null>(null)
  const [until, setUntil] = useState<Date | null>(null)
  const [counted, setCounted] = useState<{ asked: string; matched: number }>()
  const [progress, setProgress] = useState<Progress>()
  const isStopped = useRef(false)
  const isClosed = useRef(false)
  useEffect(() => () => void (isStopped.current = isClosed.current = true), [])

  const filter: Replay = {
    endpoint: id,
    ...(state !== 'all' && { state }),
    ...(session !== '' && { session }),
    ...(since && { since: since.toISOString() }),
    ...(until && { until: until.toISOString() }),
  }
  const asked = JSON.stringify(filter)
  // Another question has another answer, and an answer may come after the question was changed.
  const matched = counted?.asked === asked ? counted.matched : undefined

  const count = () =>
    act(async () => setCounted({ asked, matched: (await replay({ ...filter, dryRun: true })).matched }))
  const run = (total: number) =>
    act(async () => {
      isStopped.current = false
      let cursor: string | undefined
      let isWhole = false
      let far: Progress = { matched: total, done: 0, queued: 0, state: 'running' }
      setProgress(far)
      try {
        while (!isWhole && !isStopped.current) {
          const step = await replay({ ...filter, ...(cursor !== undefined && { cursor }) })
          const done = far.done + step.matched
          far = { ...far, matched: Math.max(total, done), done, queued: far.queued + step.queued }
          setProgress(far)
          cursor = step.next ?? undefined
          isWhole = cursor === undefined
        }
      } finally {
        far = { ...far, state: isWhole ? 'over' : 'stopped' }
        setProgress(far)
        // Who closed the dialog must not believe that it went on.
        if (isClosed.current) toast.set(`${t.replay[far.state]} · ${tell(far)}`)
        changed()
      }
    })

  const number = (value: number) => formatCount(value, spoken)
  const tell = ({ done, matched: all, queued }: Progress) => t.replay.told(number(done), number(all), number(queued))
  return (
    <Dialog title={t.replay.title} onClose={onClose}>
      {progress ? (
        <div class="progress">
          <label for="replay-progress">{t.replay[progress.state]}</label>
          <progress
            id="replay-progress"
            max={Math.max(1, progress.matched)}
            value={progress.state === 'over' ? Math.max(1, progress.matched) : progress.done}
          />
          <p role="status">{tell(progress)}</p>
          <Fault error={error} />
          <div class="buttons">
            {progress.state !== 'running' ? (
              <button type="button" class="main" onClick={onClose}>
                {t.close}
              </button>
            ) : (
              <button type="button" onClick={() => (isStopped.current = true)}>
                {t.replay.stop}
              </button>
            )}
          </div>
        </div>
      ) : (
        <>
          <p>{t.replay.lead}</p>
          <Choice
            label={t.replay.which}
            value={state}
            options={(['dead', 'delivered', 'all'] as const).map(
              (option) => [option, t.replay.states[option]] as const,
            )}
            onChoose={setState}
          />
          <div class="fields two">
            <TextField
              label={t.session.id}
              hint={t.replay.optional}
              maxLength={128}
              value={session}
              onInput={(text) => setSession(text.trim())}
            />
            <span />
            <MomentField label={t.history.from} hint={t.replay.optional} value={since} onInput={setSince} />
            <MomentField label={t.history.to} hint={t.replay.optional} value={until} onInput={setUntil} />
          </div>
          <p class="outcome" role="status">
            {matched !== undefined && t.replay.matched(number(matched))}
          </p>
          <Fault error={error} />
          <div class="buttons">
            <button type="button" class={matched === undefined ? 'main' : ''} aria-disabled={busy} onClick={count}>
              {t.replay.count}
            </button>
            {matched !== undefined && matched > 0 && (
              <button type="button" class="main" aria-disabled={busy} onClick={() => run(matched)}>
                {t.replay.run(number(matched))}
              </button>
            )}
          </div>
        </>
      )}
    </Dialog>
  )
}
