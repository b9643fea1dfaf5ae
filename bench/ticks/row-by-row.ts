// What is written first where a table is to follow a listing: a statement for each session, in one transaction.
import { type Kysely, sql } from 'kysely'
import type { Api } from '../../lib/ivh/client.ts'
import type { Database } from '../../lib/store/database.ts'
import { insertListing, listLive, type OpenPeer, SESSION_COLUMNS, type SessionColumns } from './peer.ts'

type Row = SessionColumns & {
  seen_at: Date
  ended_at: Date | null
}

type Tables = {
  'peer_rows.session': Row
  'peer_changes.session': Row
}

async function prepare(db: Kysely<Database>, api: Api, schema: string): Promise<void> {
  const listed = await listLive(api)
  await sql
    .raw(
      `drop schema if exists ${schema} cascade;
      create schema ${schema};
      create table ${schema}.session (${SESSION_COLUMNS}, seen_at timestamptz not null default now(),
        ended_at timestamptz, primary key (session_id));
      create index on ${schema}.session (session_id) where ended_at is null`,
    )
    .execute(db)
  await insertListing(db, `${schema}.session`, listed)
}

/** An upsert for each session that is listed; what was not seen has ended. */
export const rowByRow: OpenPeer = (database, api) => {
  const db = database.withTables<Tables>()
  return {
    prepare: () => prepare(database, api, 'peer_rows'),
    tick: async () => {
      const now = new Date()
      const listed = await listLive(api)
      await db.transaction().execute(async (tx) => {
        for (const { session_id, ...rest } of listed) {
          const row = { ...rest, seen_at: now, ended_at: null }
          await tx
            .insertInto('peer_rows.session')
            .values({ session_id, ...row })
            .onConflict((conflict) => conflict.column('session_id').doUpdateSet(row))
            .execute()
        }
        await tx
          .updateTable('peer_rows.session')
          .set({ ended_at: now })
          .where('seen_at', '<', now)
          .where('ended_at', 'is', null)
          .execute()
      })
      return null
    },
    live: 'peer_rows.session where ended_at is null',
  }
}

/** Reads what is known, and has a statement only for each session that differs. */
export const changeByChange: OpenPeer = (database, api) => {
  const db = database.withTables<Tables>()
  return {
    prepare: () => prepare(database, api, 'peer_changes'),
    tick: async () => {
      const now = new Date()
      const listed = await listLive(api)
      await db.transaction().execute(async (tx) => {
        const rows = await tx.selectFrom('peer_changes.session').selectAll().where('ended_at', 'is', null).execute()
        const known = new Map(rows.map((row) => [row.session_id, row]))
        for (const { session_id, ...rest } of listed) {
          const row = known.get(session_id)
          known.delete(session_id)
          const next = { ...rest, seen_at: now, ended_at: null }
          if (!row) {
            await tx
              .insertInto('peer_changes.session')
              .values({ session_id, ...next })
              .execute()
          } else if (differs(row, rest)) {
            await tx.updateTable('peer_changes.session').set(next).where('session_id', '=', session_id).execute()
          }
        }
        for (const id of known.keys()) {
          await tx.updateTable('peer_changes.session').set({ ended_at: now }).where('session_id', '=', id).execute()
        }
      })
      return null
    },
    live: 'peer_changes.session where ended_at is null',
  }
}

function differs(row: SessionColumns, listed: Omit<SessionColumns, 'session_id'>): boolean {
  return (Object.keys(listed) as (keyof typeof listed)[]).some((column) => row[column] !== listed[column])
}
