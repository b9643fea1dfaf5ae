// A session as the API's timeline has it, and as the page lays it out.
import type { Bar as ApiBar, SessionLife } from '../../schemas.ts'
import type { Bar } from './layout.ts'

/** Tells a session from all others, its incarnations too. */
export const keyOf = ({ account, id, incarnation }: Pick<ApiBar, 'account' | 'id' | 'incarnation'>): string =>
  `${account}\n${id}\n${incarnation}`

/** What the layout knows of a session. */
export function toBar(of: Omit<ApiBar, 'failed'> | SessionLife['session']): Bar {
  return {
    key: keyOf(of),
    firstSeenAt: Date.parse(of.firstSeenAt),
    readyAt: parsed(of.readyAt),
    startedAt: parsed(of.startedAt),
    endedAt: parsed(of.endedAt),
    endedAfter: parsed(of.endedAfter),
    isGone: of.endReason === 'gone' || of.endReason === 'absent',
  }
}

const parsed = (at: string | null) => (at === null ? null : Date.parse(at))

/** What a bar is doing, or how it ended. */
export function stateOfBar({ endedAt, failed, startedAt, readyAt }: ApiBar) {
  if (endedAt !== null) return failed ? 'failed' : 'closed'
  if (startedAt !== null) return 'started'
  return readyAt === null ? 'preparing' : 'ready'
}
