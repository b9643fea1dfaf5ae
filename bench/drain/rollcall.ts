// Rollcall's drain as the webhook function runs it, and the same work by its store alone: claims and settles without a POST.
import { type Kysely, sql } from 'kysely'
import pg from 'pg'
import { addressGuard } from '../../lib/address.ts'
import { HANGS_AFTER_MS, LEASE_MS, RETRY_FOR_MS } from '../../lib/core/retry.ts'
import { drain } from '../../lib/deliver.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openPoster } from '../../lib/post.ts'
import { ensureAccount } from '../../lib/store/account.ts'
import { claim } from '../../lib/store/claim.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { makeDeliveries } from '../../lib/store/event.ts'
import { settle } from '../../lib/store/settle.ts'
import { answer } from '../program.ts'
import { type Contestant, countStatements, measured } from './contestant.ts'
import { eventsOf, type Target, type Terms } from './work.ts'

const TIME_MS = 120_000
const [isAlone] = process.argv.slice(2)
countStatements(pg.Client)
const poster = openPoster(addressGuard(['127.0.0.0/8']))
let db: Kysely<Database>
let terms: Terms

/** As many sessions, events and deliveries as a tick would have committed for endpoints that are new. */
async function fill(deliveries: number, targets: Target[], given: Terms): Promise<void> {
  terms = given
  await sql`truncate endpoint, endpoint_secret, event, delivery, attempt, session, session_version`.execute(db)
  const { id } = await ensureAccount(db, 'default')
  for (const { url } of targets) {
    await addEndpoint(db, { url, account: 'default', events: ['*'], batchSize: terms.batchSize })
  }
  const { events, sessions } = eventsOf(deliveries / targets.length)
  await sql`insert into session (account_id, session_id, incarnation, status, started, first_seen_at, revision)
    select ${id}::integer, 'm' || n, 1, 1, true, now(), 5 from generate_series(1, ${sessions}::integer) as n`.execute(
    db,
  )
  await sql`insert into event (id, account_id, position, type, incarnation_id, revision, occurred_at, body)
    select event.id, account_id, position, 'session.ready', session.id, event.revision, now(), body
    from jsonb_to_recordset(${JSON.stringify(events)}::jsonb) as event (
      id text, position bigint, session integer, revision integer, body text)
    join session on session_id = 'm' || session`.execute(db)
  await db.transaction().execute((tx) => makeDeliveries(tx, sql`true`))
}

const options = () => ({ concurrency: terms.atOnce, perEndpoint: terms.perEndpoint })

async function claimAndSettle(): Promise<void> {
  const { atOnce: limit, perEndpoint } = terms
  const asked = {
    limit,
    perEndpoint,
    held: new Map(),
    leaseMs: LEASE_MS,
    retryForMs: RETRY_FOR_MS,
    hangsAfterMs: HANGS_AFTER_MS,
  }
  for (;;) {
    const claims = await claim(db, asked)
    if (claims.length === 0) return
    const done = { sentAt: new Date(), durationMs: 1, verdict: { kind: 'delivered' } } as const
    const outcome = { kind: 'answered', status: 204, retryAfterMs: null } as const
    await settle(
      db,
      claims.map((one) => ({ claim: one, outcome, ...done })),
    )
  }
}

const questions: Contestant = {
  open: async (databaseUrl) => {
    db = openDatabase(databaseUrl)
    await migrateToLatest(db)
  },
  fill,
  drain: async () => {
    const work =
      isAlone === 'without POST' ? claimAndSettle : () => drain(db, poster, { timeMs: TIME_MS, ...options() })
    const result = await measured(work)
    const { rows } = await sql<{
      left: number
    }>`select count(*) as left from delivery where state <> 'delivered'`.execute(db)
    if (rows[0]?.left !== 0) throw new Error(`${rows[0]?.left} deliveries are left over`)
    return result
  },
  close: () => db.destroy(),
}

answer({ ...questions })
