// How much a claim reads, against a real Postgres, no doubles. What it claims is tested in test/deliver.test.ts.
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { claimAll } from '../support/claim.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
/** Of one connection, whose statistics can be asked for. */
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase(database.url, { connections: 1 })
  await addEndpoint(db, { url: 'https://example.com/', account: null, events: ['*'], description: '' })
  await sql`insert into account (name) values ('default')`.execute(db)
})
afterEach(async () => {
  await db.destroy()
  await database.drop()
})

const LANES = 1_000

/** Three events of each of 1,000 sessions, none of them delivered. */
async function fillOutbox(): Promise<void> {
  await sql`alter table delivery set (autovacuum_enabled = false)`.execute(db)
  await sql`insert into session (account_id, session_id, incarnation, status, started, first_seen_at, revision)
    select account.id, 'm' || n, 1, 1, true, now(), 3 from account, generate_series(1, ${LANES}::int) as n`.execute(db)
  await sql`insert into event (id, account_id, position, type, incarnation_id, revision, occurred_at, body)
    select 'evt_' || row_number() over (), account_id, row_number() over (), 'session.ready', id, revision.n, now(), '{}'
    from session, generate_series(1, 3) as revision (n)`.execute(db)
  await sql`insert into delivery (endpoint_id, event_id, lane, position, due_at)
    select endpoint.id, event.id, 'lane' || incarnation_id, position, now() from event, endpoint`.execute(db)
}

/** Entries that a claim reads of the outbox's two indexes. */
async function readByClaim(): Promise<{ claimed: number; read: number }> {
  const read = async () => {
    await sql`select pg_stat_force_next_flush()`.execute(db)
    const { rows } = await sql<{ n: number }>`
      select sum(idx_tup_read)::integer as n from pg_stat_user_indexes
      where indexrelname in ('delivery_due', 'delivery_lane')`.execute(db)
    return rows[0]!.n
  }
  const before = await read()
  const claims = await claimAll(db, { limit: 8, perEndpoint: 8 })
  return { claimed: claims.length, read: (await read()) - before }
}

/** What the planner knows when a claim meets a full outbox. */
const KNOWLEDGE: [what: string, prepare: () => Promise<unknown>][] = [
  ['nothing', fillOutbox],
  [
    'that the outbox is empty',
    async () => {
      await sql`analyze delivery`.execute(db)
      await fillOutbox()
    },
  ],
  [
    'that everything is delivered',
    async () => {
      await fillOutbox()
      await sql`update delivery set state = 'delivered', attempts = 1, finalized_at = now()`.execute(db)
      await sql`vacuum analyze delivery`.execute(db)
      await sql`update delivery set state = 'pending', finalized_at = null`.execute(db)
    },
  ],
]

test.each(KNOWLEDGE)('a claim reads no more than what it takes, when the planner knows %s', async (_, prepare) => {
  await prepare()

  const { claimed, read } = await readByClaim()

  expect(claimed).toBe(8)
  expect(read).toBeLessThan(100)
})
