// What it takes to change something: the right to, one act at a time, a question before it and what went wrong.
import { useEffect, useRef, useState } from 'preact/hooks'
import { Refused, Unreachable } from '../api.ts'
import { useCell } from '../cell.ts'
import type { Text } from '../dictionary.ts'
import { shown } from '../format.ts'
import { me } from '../state.ts'
import { useText } from '../text.ts'
import { Empty } from './card.tsx'

/** Whether whoever looks may change anything. */
export const useMayChange = (): boolean => useCell(me)?.scope === 'write'

/** What went wrong, for people. */
export function sayFault(error: unknown, t: Text): string {
  if (error instanceof Unreachable) return t.faults.unreachable
  if (!(error instanceof Refused)) return t.faults.unknown
  if (error.status === 429) return t.faults.tooMany
  if (error.code === 'not_found') return t.faults.notFound
  if (error.code === 'database_unreachable') return t.faults.database
  return error.message || t.faults.unknown
}

/** Says what went wrong, if anything did. */
export function Fault({ error }: { error: unknown }) {
  const t = useText()
  if (error === undefined) return null
  return (
    <p class="fault" role="alert">
      <bdi>{shown(sayFault(error, t))}</bdi>
    </p>
  )
}

/** What is said in place of what was asked for: that it is on its way, or what went wrong. */
export function Awaited({ answer, error }: { answer: unknown; error: unknown }) {
  const t = useText()
  if (answer === undefined && error === undefined) return <Empty>{t.loading}</Empty>
  return <Fault error={error} />
}

/** Runs one act at a time, and knows whether it runs and what went wrong. Its button is `aria-disabled`, which keeps the focus. */
export function useAct(): { busy: boolean; error: unknown; act: (what: () => Promise<unknown>) => void } {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(undefined)
  const act = (what: () => Promise<unknown>) => {
    if (busy) return
    setBusy(true)
    setError(undefined)
    what()
      .catch(setError)
      .finally(() => setBusy(false))
  }
  return { busy, error, act }
}

/** A button that asks once more in its place: two clicks, and none by mistake. */
export function Confirm({
  label,
  question,
  busy = false,
  kind = '',
  onConfirm,
}: {
  label: string
  question: string
  busy?: boolean
  kind?: string
  onConfirm: () => void
}) {
  const t = useText()
  const [isAsked, setAsked] = useState(false)
  const yes = useRef<HTMLButtonElement>(null)
  const first = useRef<HTMLButtonElement>(null)
  const wasAsked = useRef(false)
  useEffect(() => {
    if (isAsked) yes.current?.focus()
    else if (wasAsked.current) first.current?.focus()
    wasAsked.current = isAsked
  }, [isAsked])
  if (!isAsked) {
    return (
      <button type="button" class={kind} ref={first} aria-disabled={busy} onClick={() => setAsked(!busy)}>
        {label}
      </button>
    )
  }
  const answer = (isYes: boolean) => {
    setAsked(false)
    if (isYes) onConfirm()
  }
  // The second half of a double click, or a key that is held, has not read the question.
  const confirm = (event: MouseEvent) => void (event.detail < 2 && answer(true))
  return (
    <span
      class="confirm"
      role="group"
      aria-label={question}
      onKeyDown={(event) => {
        if (event.repeat) event.preventDefault()
        if (event.key === 'Escape') answer(false)
      }}
    >
      <button type="button" class={`${kind} sure`} ref={yes} onClick={confirm}>
        {question}
      </button>
      <button type="button" class="quiet" onClick={() => answer(false)}>
        {t.cancel}
      </button>
    </span>
  )
}
