// What everyone that takes part in the comparison of ticks is given, and what is asked of it.
import { type Kysely, sql } from 'kysely'
import { type ListedSession, isFinal } from '../../lib/core/session.ts'
import { type Api, listSessions } from '../../lib/ivh/client.ts'
import { readListing } from '../../lib/ivh/protocol.ts'
import type { Database } from '../../lib/store/database.ts'

/** Someone that keeps up with the listings of an account. */
export interface Peer {
  /** Comes to know what is listed now, in whatever way: it is not measured. */
  prepare(): Promise<void>
  /** Lists, and stores what changed. Gives how many events it told, if it tells any. */
  tick(): Promise<number | null>
  /** A table expression of the live sessions it knows: session_id, status, started. */
  live: string
}

export type OpenPeer = (db: Kysely<Database>, api: Api, size: number) => Peer

/** The columns that the sessions of a listing have in every peer's tables. */
export interface SessionColumns {
  session_id: string
  user_id: string | null
  status: number
  started: boolean
  driver_type: number | null
  play_stream_addr: string | null
}

/** Their definition in SQL. */
export const SESSION_COLUMNS = `session_id text not null, user_id text, status integer not null, started boolean not null,
  driver_type integer, play_stream_addr text`

/**
 * The live sessions of a listing, read from the API as Rollcall reads them. One that is listed as closed is none: for
 * Rollcall it ends there, and so it must for all.
 */
export async function listLive(api: Api): Promise<SessionColumns[]> {
  const { sessions } = readListing((await listSessions(api, 10_000)).items)
  return sessions.filter(({ look }) => !isFinal(look.status)).map(columnsOf)
}

/** As the peers store it. */
export const columnsOf = ({ id, look }: ListedSession): SessionColumns => ({
  session_id: id,
  user_id: look.userId,
  status: look.status,
  started: look.started,
  driver_type: look.driverType,
  play_stream_addr: look.playStreamAddr,
})

/** Inserts a listing into a table of these columns: in one statement, with a parameter for each column and not for each value. */
export async function insertListing(db: Kysely<Database>, table: string, listed: SessionColumns[]): Promise<void> {
  const column = <Name extends keyof SessionColumns>(name: Name) => listed.map((row) => row[name])
  await sql`
    insert into ${sql.raw(table)} (session_id, user_id, status, started, driver_type, play_stream_addr)
    select * from unnest(${column('session_id')}::text[], ${column('user_id')}::text[], ${column('status')}::integer[],
      ${column('started')}::boolean[], ${column('driver_type')}::integer[], ${column('play_stream_addr')}::text[])`.execute(
    db,
  )
}
