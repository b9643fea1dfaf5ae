import { type RawBuilder, sql } from 'kysely'
import { statusName } from '../../core/session.ts'
import type { SessionView } from '../history.ts'

/** A session as it is read, perhaps with more that is not for people. */
export type SessionRow = Omit<SessionView, 'status'> & { status: number }

/** The columns of such a row, as it is now. */
export const SESSION_COLUMNS = sql`
  account.name as account, session_id as id, incarnation, user_id as "userId", status, started, driver_type as "driverType",
  first_seen_at as "firstSeenAt", ready_at as "readyAt", started_at as "startedAt", ended_at as "endedAt",
  end_reason as "endReason",
  case when error_code is not null then json_build_object('code', error_code, 'message', error_message) end as error`

/** What a tick failed with, of the text it left: the fault's code, and what the API answered where it refused. */
export const faultColumns = (text: RawBuilder<unknown>) => sql`
  substring(${text} from '^[A-Za-z_]+') as error,
  substring(${text} from '^api_refused: \\w+ answered code (-?\\d+)')::float8 as "apiCode"`

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
