// What of a delivery is seen in the life of its session as on the page of its endpoint.
import { useRef } from 'preact/hooks'
import type { Attempt, Delivery } from '../../schemas.ts'
import { replay } from '../api.ts'
import { useCell } from '../cell.ts'
import type { Text } from '../dictionary.ts'
import { formatLatency } from '../format.ts'
import { Confirm, Fault, useAct, useMayChange } from '../parts/act.tsx'
import { Badge, type Tone } from '../parts/badge.tsx'
import { Name, When } from '../parts/name.tsx'
import { Table } from '../parts/table.tsx'
import { changed } from '../poll.ts'
import { language, toast } from '../state.ts'
import { useText } from '../text.ts'

const TONES = { pending: 'busy', delivered: 'good', dead: 'bad' } as const satisfies Record<Delivery['state'], Tone>

export function DeliveryBadge({ state }: { state: Delivery['state'] }) {
  const t = useText()
  return <Badge tone={TONES[state]}>{t.deliveries[state]}</Badge>
}

/** What a POST met, in words. */
export function tellOutcome(outcome: string, status: number | null, t: Text): string {
  const known: Readonly<Record<string, string>> = t.outcomes
  return status === null ? (known[outcome] ?? outcome) : t.delivery.answered(status)
}

/** What a POST met. */
export function Outcome({ outcome, status }: { outcome: string | null; status: number | null }) {
  const t = useText()
  if (outcome === null) return <Name of={null} />
  const isTaken = status !== null && status >= 200 && status < 300
  return <span class={isTaken ? 'taken' : 'error'}>{tellOutcome(outcome, status, t)}</span>
}

/** The attempts to deliver one event to one endpoint. */
export function AttemptsTable({ attempts }: { attempts: readonly Attempt[] }) {
  const t = useText()
  const spoken = useCell(language)
  return (
    <Table
      caption={t.session.attempts(attempts.length)}
      rows={attempts}
      keyOf={({ number }) => String(number)}
      columns={[
        { head: '#', cell: ({ number }) => number },
        { head: t.delivery.sent, cell: ({ sentAt }) => <When at={sentAt} /> },
        { head: t.delivery.took, number: true, cell: ({ durationMs }) => formatLatency(durationMs, spoken) },
        { head: t.delivery.outcome, cell: (one) => <Outcome outcome={one.outcome} status={one.status} /> },
      ]}
    />
  )
}

/** Sends a dead delivery again, in two clicks. */
export function SendAgain({ endpoint, event }: { endpoint: string; event: string }) {
  const t = useText()
  const mayChange = useMayChange()
  const { busy, error, act } = useAct()
  const box = useRef<HTMLSpanElement>(null)
  if (!mayChange) return null
  return (
    <span ref={box}>
      <Confirm
        label={t.delivery.again}
        question={t.delivery.sure}
        busy={busy}
        onConfirm={() =>
          act(async () => {
            await replay({ endpoint, event, state: 'dead' })
            toast.set(t.delivery.queued)
            // The button goes away with what it was for; the focus must not be lost with it.
            box.current?.closest('section')?.querySelector('h2')?.focus({ preventScroll: true })
            changed()
          })
        }
      />
      <Fault error={error} />
    </span>
  )
}
