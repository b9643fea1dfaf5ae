// Fills an empty database with the history that Rollcall would have written of sessions that never were: for reports to be
// measured on. Everything comes from the seed, so that figures can be had again; what is true of real history must hold here.
import { type Kysely, sql, type Transaction } from 'kysely'
import { digestOf, fingerprintsOf } from '../../lib/core/fingerprint.ts'
import { makeListing } from '../../lib/core/session.ts'
import { rollUp } from '../../lib/roll-up.ts'
import { lookOf } from '../../lib/store/session.ts'
import { AppError } from '../../lib/errors.ts'
import type { Database } from '../../lib/store/database.ts'
import { deliver, registerEndpoints } from './deliveries.ts'
import { tellEvents } from './events.ts'
import { live } from './lives.ts'
import { ACCOUNTS, beginOf, type Day, DAY_MS, type HistorySettings } from './settings.ts'
import { saveSnapshots } from './snapshots.ts'
import { planOutages, tick } from './ticks.ts'

/**
 * Writes the history, a transaction for each day; `onDay` is told of each. Throws `input_invalid`, with nothing written, when the
 * database has accounts. Interrupted, it leaves a history of the days until then, with sessions that have ended in the future.
 */
export async function generateHistory(
  pool: Kysely<Database>,
  history: HistorySettings,
  onDay: (day: Day) => void = () => undefined,
): Promise<void> {
  // Temporary tables and functions belong to one connection.
  await pool.connection().execute(async (db) => {
    await prepare(db, history)
    for (let number = 0; number < history.days; number += 1) {
      const from = new Date(beginOf(history).getTime() + number * DAY_MS)
      const day = { number, from, to: new Date(from.getTime() + DAY_MS) }
      await db.transaction().execute((tx) => writeDay(tx, history, day))
      onDay(day)
    }
    await saveDigests(db)
    await rollUp(db, DAY_MS)
    // As autovacuum would have left it in the course of the time.
    await sql`vacuum (analyze)`.execute(db)
  })
}

async function prepare(db: Kysely<Database>, history: HistorySettings): Promise<void> {
  const { rows } = await sql<{ count: number }>`select count(*) from account`.execute(db)
  if (rows[0]?.count !== 0) {
    throw new AppError(
      'input_invalid',
      `the database has ${rows[0]?.count} accounts: history is generated only into a migrated database that is empty; create another`,
    )
  }
  // By default the tables of four days would not fit, and would be written to disk and read again for every day.
  await sql`set temp_buffers = '256MB'`.execute(db)
  // Each statement runs once a day, for seconds: to compile it takes longer.
  await sql`set jit = off`.execute(db)
  // A draw of a thing: the same for the same seed, whatever else is drawn. Each half of the number is hashed by itself, because
  // hashint8extended takes their exclusive or, so that things of different days would be the same.
  await sql`
    create function pg_temp.draw(thing bigint, draw integer) returns bigint language sql immutable as ${sql.lit(
      `select hashint8extended(thing >> 32, hashint8extended(thing & 4294967295, ${history.seed}::bigint * 100 + draw))`,
    )}`.execute(db)
  // The same as a number in [0, 1).
  await sql`
    create function pg_temp.chance(thing bigint, draw integer) returns double precision language sql immutable as
    'select ((pg_temp.draw(thing, draw) >> 11) & 9007199254740991) / 9007199254740992::float8'`.execute(db)
  for (const { id, name } of ACCOUNTS) {
    await sql`insert into account (id, name) overriding system value values (${id}, ${name})`.execute(db)
  }
  await sql`select setval(pg_get_serial_sequence('account', 'id'), max(id)) from account`.execute(db)
  await planOutages(db, history)
  await registerEndpoints(db, history)
}

async function writeDay(tx: Transaction<Database>, history: HistorySettings, day: Day): Promise<void> {
  await tick(tx, history, day)
  await live(tx, history, day)
  if (day.number >= history.days - history.eventDays) {
    await tellEvents(tx, day)
    await deliver(tx, history, day)
  }
  await saveSnapshots(tx, day)
}

/** Days leave no more than whether there is a digest. */
async function saveDigests(db: Kysely<Database>): Promise<void> {
  const accounts = await db.selectFrom('account').select('id').where('digest', 'is not', null).execute()
  for (const { id } of accounts) {
    const rows = await db
      .selectFrom('session_version as look')
      .innerJoin('session', 'session.id', 'look.incarnation_id')
      .where('session.account_id', '=', id)
      .where('look.valid_to', 'is', null)
      .select(['session.session_id', 'look.user_id', 'look.status', 'look.started', 'look.driver_type'])
      .select(['look.play_stream_addr', 'look.extra'])
      .execute()
    const items = rows.map((row) => ({ id: row.session_id, look: lookOf(row) }))
    const fingerprints = fingerprintsOf(makeListing(items, 0), null)
    await db
      .updateTable('account')
      .set({ digest: digestOf(fingerprints), fingerprints })
      .where('id', '=', id)
      .execute()
  }
}
