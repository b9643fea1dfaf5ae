import { type Kysely, sql } from 'kysely'
import { ensureAccount } from '../../lib/store/account.ts'
import type { Database } from '../../lib/store/database.ts'
import { fanOut } from '../../lib/store/event.ts'

/** As many sessions with as many events each as a test wants, with their deliveries, in the time of one tick. */
export interface Seed {
  sessions: number
  /** created, ready, started (default: created alone). */
  perSession?: number
  account?: string
}

/** Writes what a tick would have, far more at once; position by position: first events of all sessions first. */
export async function seed(
  db: Kysely<Database>,
  { sessions, perSession = 1, account = 'default' }: Seed,
): Promise<void> {
  const { id } = await ensureAccount(db, account)
  await db.transaction().execute(async (tx) => {
    const { position } = await tx
      .selectFrom('account')
      .select('position')
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirstOrThrow()
    await sql`
      with made as (
        insert into session (account_id, session_id, incarnation, status, started, first_seen_at, revision)
        select ${id}, 'm' || ${position} + n, 1, 3, false, now(), ${perSession}
        from generate_series(1, ${sessions}::integer) as n
        returning id, session_id
      ), placed as (
        select id, session_id, row_number() over (order by id) as n from made
      ), told as (
        select placed.id as incarnation_id, session_id, revision,
          ${position} + (revision - 1) * ${sessions} + n as position,
          (array['session.created', 'session.ready', 'session.started'])[revision] as type
        from placed cross join generate_series(1, ${perSession}::integer) as revision
      )
      insert into event (id, account_id, position, type, incarnation_id, revision, occurred_at, body)
      select 'evt_' || ${account}::text || '_' || position, ${id}, position, type, incarnation_id, revision,
        '2026-01-01T00:00:00Z'::timestamptz + position * interval '1 second',
        json_build_object('id', 'evt_' || ${account}::text || '_' || position, 'type', type, 'subject', session_id,
          'data', json_build_object('revision', revision, 'account', ${account}::text))::text
      from told order by position`.execute(tx)
    await tx
      .updateTable('account')
      .set({ position: position + sessions * perSession })
      .where('id', '=', id)
      .execute()
    await fanOut(tx, id, position)
  })
}
