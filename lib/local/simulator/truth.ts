/** The API's numbers: 1 in progress, 2 closed, 3 preparing, 4 failed. */
export type Status = 1 | 2 | 3 | 4

/** What made a transition happen. */
export type Cause = 'create' | 'ready' | 'start' | 'close' | 'displaced' | 'idle' | 'failed' | 'broken'

/** One step of one session's life, as it really happened; `from` is null at creation, a start goes from 1 to 1. */
export interface Transition {
  /** Milliseconds since 1970 on the simulator's life clock; `time` is the same as text. */
  at: number
  time: string
  sessionId: string
  userId: string
  from: Status | null
  to: Status
  /** Whether startsession was called, after this step; never back to false. */
  started: boolean
  cause: Cause
  errorCode: number
  errorMessage: string
}

/** A session that was preparing or in progress at some moment. */
export interface LiveSession {
  sessionId: string
  userId: string
  status: 1 | 3
  started: boolean
}

/**
 * What was live at that moment, in order of creation, from the log alone: transitions at exactly `at` have happened.
 * The log knows only what was advanced to; call `advance` first for a moment near now.
 */
export function liveAt(log: { readonly truth: readonly Transition[] }, at: number): LiveSession[] {
  const live = new Map<string, LiveSession>()
  for (const { at: happenedAt, sessionId, userId, to, started } of log.truth) {
    if (happenedAt > at) break
    if (to === 1 || to === 3) live.set(sessionId, { sessionId, userId, status: to, started })
    else live.delete(sessionId)
  }
  return [...live.values()]
}
