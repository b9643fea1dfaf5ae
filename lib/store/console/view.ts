import { statusName } from '../../core/session.ts'
import type { SessionView } from '../history.ts'

/** A session as it is read, perhaps with more that is not for people. */
export type SessionRow = Omit<SessionView, 'status'> & { status: number }

/** The session as people ask for it, and nothing more of the row. */
export function viewOf(row: SessionRow): SessionView {
  return {
    account: row.account,
    id: row.id,
    incarnation: row.incarnation,
    userId: row.userId,
    status: statusName(row.status),
    started: row.started,
    driverType: row.driverType,
    firstSeenAt: row.firstSeenAt,
    readyAt: row.readyAt,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    endReason: row.endReason,
    error: row.error,
  }
}
