// What a subscriber must have been told, computed from the simulator's ground truth alone: never from Rollcall's tables,
// and without its code.
import type { Transition } from '../../lib/local/simulator/simulator.ts'

/** One committed tick: when it was on the API's clock, and the ids that the list showed. */
export interface Look {
  at: number
  listed: ReadonlySet<string>
  /** Of these, those with a status that nobody knows: such a one may be ready, and it does not show. */
  unclear?: ReadonlySet<string>
}

interface State {
  status: number
  started: boolean
  errorCode: number
}

/** The events of each session that was ever listed, in order, as `type` or, for an end with a code, `type code`. */
export function expectedEvents(truth: readonly Transition[], looks: readonly Look[]): Map<string, string[]> {
  const lives = new Map<string, Transition[]>()
  for (const step of truth) lives.set(step.sessionId, [...(lives.get(step.sessionId) ?? []), step])
  const expected = new Map<string, string[]>()
  for (const [id, life] of lives) {
    const events = eventsOf(life, id, looks)
    if (events.length > 0) expected.set(id, events)
  }
  return expected
}

function eventsOf(life: Transition[], id: string, looks: readonly Look[]): string[] {
  const events: string[] = []
  for (const look of looks) {
    const state = stateAt(life, look.at)
    const first = events.length === 0
    if (!state || (first && !look.listed.has(id))) continue
    if (first) events.push('created')
    const has = (type: string) => events.includes(type)
    const isReady = state.started || (state.status === 1 && !look.unclear?.has(id))
    if (isReady && !has('ready')) events.push('ready')
    if (state.started && !has('started')) events.push('started')
    if (state.status === 1 || state.status === 3) continue
    const type = state.status === 4 ? 'failed' : 'closed'
    events.push(state.errorCode === 0 ? type : `${type} ${state.errorCode}`)
    break
  }
  return events
}

function stateAt(life: Transition[], at: number): State | undefined {
  const last = life.filter((step) => step.at <= at).at(-1)
  return last && { status: last.to, started: last.started, errorCode: last.errorCode }
}
