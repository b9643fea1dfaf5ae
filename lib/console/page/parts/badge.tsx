// What state something is in, as a word on a colour.
import type { ComponentChildren } from 'preact'
import type { Session } from '../../schemas.ts'
import { useText } from '../text.ts'

/** What a session is doing, or how it ended. */
export type State = 'preparing' | 'ready' | 'started' | 'closed' | 'failed' | 'unknown'

/** Of a session as the API shows it. */
export function stateOf({ status, started }: Pick<Session, 'status' | 'started'>): State {
  if (status !== 'in_progress') return status
  return started ? 'started' : 'ready'
}

export type Tone = 'good' | 'plain' | 'wait' | 'bad' | 'busy'

const TONES = {
  preparing: 'plain',
  ready: 'wait',
  started: 'good',
  closed: 'plain',
  failed: 'bad',
  unknown: 'plain',
} as const satisfies Record<State, Tone>

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>
}

export function StateBadge({ state }: { state: State }) {
  const t = useText()
  return <Badge tone={TONES[state]}>{t.states[state]}</Badge>
}
