// The generated history against the code that would have written it, and against plain SQL, in a real Postgres. No doubles.
import { type Kysely, type Selectable, sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateHistory } from '../../bench/history/generate.ts'
import type { HistorySettings } from '../../bench/history/settings.ts'
import { type ChangeType, diff, type Evidence } from '../../lib/core/diff.ts'
import { eventsOf } from '../../lib/core/event.ts'
import { digestOf, fingerprintsOf } from '../../lib/core/fingerprint.ts'
import { type Look, makeListing, type Session } from '../../lib/core/session.ts'
import type { Database } from '../../lib/store/database.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

const HISTORY: HistorySettings = {
  days: 2,
  sessionsPerDay: 300,
  tickSeconds: 10,
  // Of the first forty, the one whose gone sessions go while a listing is incomplete.
  seed: 6,
  eventDays: 2,
  endpoints: 3,
  until: new Date('2026-03-06T08:00:00Z'),
}

/** Sessions that are new right after an incomplete listing. */
const OTHER: HistorySettings = { ...HISTORY, seed: 28 }
/** Ticks so rare that it ends with sessions missing, and many end before they are seen ready. */
const COARSE: HistorySettings = { ...HISTORY, days: 1, sessionsPerDay: 4_000, tickSeconds: 900, seed: 7, eventDays: 1 }

const databases: TestDatabase[] = []
let db: Kysely<Database>
let other: Kysely<Database>

async function emptyDatabase(): Promise<Kysely<Database>> {
  const database = await testDatabase()
  databases.push(database)
  return database.db
}

beforeAll(async () => {
  db = await emptyDatabase()
  await generateHistory(db, HISTORY)
  other = await emptyDatabase()
  await generateHistory(other, OTHER)
})
afterAll(() => Promise.all(databases.map((database) => database.drop())))

type Row = Selectable<Database['session']>
type LookRow = Pick<Row, 'user_id' | 'status' | 'started' | 'driver_type' | 'play_stream_addr' | 'extra'>

const lookOf = (row: LookRow): Look => ({
  userId: row.user_id,
  status: row.status,
  started: row.started,
  driverType: row.driver_type,
  playStreamAddr: row.play_stream_addr,
  extra: row.extra,
})

/** What statsession would have said of a session that lists lack, for it to end as it did. */
function evidenceOf(row: Row): Evidence | undefined {
  if (row.end_reason === 'gone') return { kind: 'gone' }
  if (row.end_reason !== 'reported') return undefined
  const error = row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' }
  return { kind: 'found', status: row.status, started: row.started, playStreamAddr: row.play_stream_addr, error }
}

/** A session as its row should have it. */
function expectedRow({ look, firstSeen, ready, started, end, missing, ...session }: Session) {
  return {
    session_id: session.id,
    incarnation: session.incarnation,
    look,
    first_seen: [firstSeen.after, firstSeen.before],
    ready: [ready?.after ?? null, ready?.before ?? null],
    started: [started?.after ?? null, started?.before ?? null],
    ended: [end?.after ?? null, end?.before ?? null, end?.reason ?? null, end?.error?.code ?? null],
    error_message: end?.error?.message ?? null,
    revision: session.revision,
    missing: [missing?.since ?? null, missing?.times ?? null],
  }
}

function storedRow(row: Row) {
  return {
    session_id: row.session_id,
    incarnation: row.incarnation,
    look: lookOf(row),
    first_seen: [row.first_seen_after, row.first_seen_at],
    ready: [row.ready_after, row.ready_at],
    started: [row.started_after, row.started_at],
    ended: [row.ended_after, row.ended_at, row.end_reason, row.error_code],
    error_message: row.error_message,
    revision: row.revision,
    missing: [row.missing_since, row.missing_times],
  }
}

/** What an account's rows say of its sessions, ticks and events, and where it stands after them. */
interface Story {
  snapshots: unknown[]
  events: unknown[]
  sessions: unknown[]
  account: unknown
}

type AccountRow = Selectable<Database['account']>

function storyOf(account: AccountRow, rows: Rows): Story {
  const sessionIds = new Map(rows.sessions.map((row) => [row.id, row.session_id]))
  return {
    snapshots: rows.snapshots.map((row) => ({
      listedAt: row.listed_at,
      outcome: row.outcome,
      count: row.session_count,
      created: row.created_count,
      ready: row.ready_count,
      started: row.started_count,
      closed: row.closed_count,
      failed: row.failed_count,
    })),
    events: rows.events.map((row) => ({
      id: row.id,
      position: row.position,
      type: row.type,
      sessionId: sessionIds.get(row.incarnation_id ?? 0),
      incarnation: 1,
      revision: row.revision,
      time: row.occurred_at,
      body: row.body,
    })),
    sessions: rows.sessions.map(storedRow).sort(byId),
    account: {
      listedAt: account.listed_at,
      completeAt: account.complete_at,
      digest: account.digest,
      position: account.position,
    },
  }
}

type Rows = Awaited<ReturnType<typeof readRows>>

/** All of an account's rows but failed snapshots, in order. */
async function readRows(of: Kysely<Database>, id: number) {
  return {
    snapshots: await of
      .selectFrom('snapshot')
      .selectAll()
      .where('account_id', '=', id)
      .where('outcome', '<>', 'failed')
      .orderBy('listed_at')
      .execute(),
    events: await of.selectFrom('event').selectAll().where('account_id', '=', id).orderBy('position').execute(),
    sessions: await of.selectFrom('session').selectAll().where('account_id', '=', id).execute(),
    versions: await of
      .selectFrom('session_version as version')
      .innerJoin('session', 'session.id', 'version.incarnation_id')
      .where('session.account_id', '=', id)
      .selectAll('version')
      .select('session.session_id')
      .orderBy('valid_from')
      .execute(),
  }
}

/** What ticks would have made of the listings that the versions show, by the code that decides them. */
function replay(name: string, { snapshots, events, sessions, versions }: Rows): Story {
  const rows = new Map(sessions.map((row) => [row.session_id, row]))
  const state = {
    listedAt: null as Date | null,
    completeAt: null as Date | null,
    digest: null as string | null,
    position: 0,
  }
  const last = new Map<string, Session>()
  const story = { snapshots: [] as unknown[], events: [] as unknown[] }
  const toCome = [...versions]
  let valid: typeof versions = []
  for (const { listed_at: listedAt, outcome } of snapshots) {
    while (toCome[0] && toCome[0].valid_from <= listedAt) valid.push(...toCome.splice(0, 1))
    valid = valid.filter(({ valid_to }) => valid_to === null || valid_to > listedAt)
    const items = valid.map((version) => ({ id: version.session_id, look: lookOf(version) }))
    const listing = makeListing(items, outcome === 'incomplete' ? 1 : 0)
    const listed = new Set(items.map(({ id }) => id))
    const open = [...last.values()].filter(({ end }) => !end)
    const evidence = new Map<string, Evidence>()
    for (const { id } of open) {
      const row = rows.get(id)
      const said = row && !listed.has(id) ? evidenceOf(row) : undefined
      if (said) evidence.set(id, said)
    }

    const counts: Record<ChangeType, number> = { created: 0, ready: 0, started: 0, closed: 0, failed: 0 }
    const digest = digestOf(fingerprintsOf(listing, null))
    const isUnchanged = outcome !== 'incomplete' && digest === state.digest
    // When all answers were in is kept with events only, and matters to them only.
    const before = events[state.position]?.occurred_at ?? listedAt
    const window = { after: state.listedAt, completeAfter: state.completeAt, before }
    const found = diff({ open, ended: new Map() }, listing, evidence, window)
    if (!isUnchanged) {
      let asked = state.position
      const newId = () => events[asked++]?.id ?? ''
      story.events.push(...eventsOf(found.transitions, name, state.position, newId))
      for (const { after, changes } of found.transitions) {
        for (const change of changes) counts[change] += 1
        state.position += changes.length
        last.set(after.id, after)
      }
    }
    state.digest = found.settled ? digest : null
    state.listedAt = listedAt
    if (found.complete) state.completeAt = listedAt
    const expected = isUnchanged ? 'unchanged' : found.complete ? 'committed' : 'incomplete'
    story.snapshots.push({ listedAt, outcome: expected, count: items.length, ...counts })
  }
  return { ...story, sessions: [...last.values()].map(expectedRow).sort(byId), account: state }
}

/** The stories of all accounts: as replayed, and as stored. */
async function stories(of: Kysely<Database>): Promise<{ replayed: Story[]; stored: Story[] }> {
  const [replayed, stored]: [Story[], Story[]] = [[], []]
  for (const account of await of.selectFrom('account').selectAll().orderBy('id').execute()) {
    const rows = await readRows(of, account.id)
    replayed.push(replay(account.name, rows))
    stored.push(storyOf(account, rows))
  }
  return { replayed, stored }
}

test('ticks that were given these listings would have written these rows', async () => {
  const { replayed, stored } = await stories(db)

  expect(replayed).toEqual(stored)
  expect(stored.map(({ events }) => events.length > 200)).toEqual([true, true])
})

test('so with sessions that are new right after an incomplete listing', async () => {
  const { replayed, stored } = await stories(other)

  expect(replayed).toEqual(stored)
  const { rows } = await sql`
    select from session join snapshot on snapshot.account_id = session.account_id and outcome = 'incomplete'
      and listed_at > first_seen_after and listed_at < first_seen_at - interval '5 seconds'
    where ready_at = first_seen_at`.execute(other)
  expect(rows.length).toBeGreaterThan(0)
})

test('so when ticks are rare, with a session missing at the end and one that closed before it was seen ready', async () => {
  const coarse = await emptyDatabase()

  await generateHistory(coarse, COARSE)

  const { replayed, stored } = await stories(coarse)
  expect(replayed).toEqual(stored)
  const sessions = stored.flatMap((story) => story.sessions)
  expect(sessions).toContainEqual(
    expect.objectContaining({ missing: [expect.any(Date), expect.any(Number)], ended: [null, null, null, null] }),
  )
  expect(sessions).toContainEqual(
    expect.objectContaining({ look: expect.objectContaining({ status: 2, started: false }), ready: [null, null] }),
  )
})

const byId = (a: { session_id: string }, b: { session_id: string }) => (a.session_id < b.session_id ? -1 : 1)

/** How many rows a query finds that should not be there. */
async function breaches(query: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await query.execute(db)
  return rows.length
}

test('at each tick as many versions are valid as sessions were listed', async () => {
  // Those that begin at a tick count at it, and those that end at it do not.
  const wrong = sql`
    select from (
      select session_count, sum(step) over (partition by account_id order by at) as valid
      from (
        select account_id, valid_from as at, 1 as step, null::integer as session_count
        from session_version join session on session.id = incarnation_id
        union all
        select account_id, valid_to, -1, null from session_version join session on session.id = incarnation_id
        where valid_to is not null
        union all
        select account_id, listed_at, 0, session_count from snapshot where outcome <> 'failed'
      ) as step
    ) as counted
    where session_count <> valid`

  expect(await breaches(wrong)).toBe(0)
  expect(await breaches(sql`select from snapshot where session_count > 3`)).toBeGreaterThan(100)
})

test('what is seen is seen right after a good tick, and the time before is that of one, too', async () => {
  const wrong = sql`
    select from session cross join lateral (values
      (first_seen_after, first_seen_at), (ready_after, ready_at), (started_after, started_at), (ended_after, ended_at)
    ) as seen (after_at, before_at)
    where before_at is not null and (
      not exists (select from snapshot where snapshot.account_id = session.account_id and outcome <> 'failed'
        and listed_at < before_at and listed_at > before_at - interval '1 second')
      or (after_at is null and before_at > ${new Date('2026-03-04T08:00:02Z')})
      or (after_at is not null and not exists (select from snapshot
        where snapshot.account_id = session.account_id and outcome <> 'failed' and listed_at = after_at)))`

  expect(await breaches(wrong)).toBe(0)
})

test('ticks fail, and widen the windows of what happened meanwhile', async () => {
  const wide = sql`
    select from session where ended_at - ended_after > interval '15 seconds' and end_reason = 'reported' and exists (
      select from snapshot where snapshot.account_id = session.account_id and outcome = 'failed'
        and listed_at > ended_after and listed_at < ended_at)`

  expect(await breaches(sql`select from snapshot where outcome = 'failed'`)).toBeGreaterThan(10)
  expect(await breaches(wide)).toBeGreaterThan(0)
})

test('each session has as many events as its revision says', async () => {
  const wrong = sql`
    select from session where revision <> (select count(*) from event where incarnation_id = session.id)
      or revision <> (select max(revision) from event where incarnation_id = session.id)`

  expect(await breaches(wrong)).toBe(0)
})

test('sessions end in every way, some are never started, and some live on', async () => {
  const { rows } = await sql<{ kind: string }>`
    select distinct case when ended_at is null then 'live' else
      end_reason || ' ' || status || case when started then ' started' else '' end end as kind
    from session`.execute(db)

  expect(rows.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['live', 'reported 2 started', 'reported 2', 'reported 4', 'gone 2 started']),
  )
})

test('deliveries are of the events an endpoint wants, in the order of their lanes, each with all its attempts', async () => {
  const unwanted = sql`
    select from event cross join endpoint full join delivery on delivery.event_id = event.id and delivery.endpoint_id = endpoint.id
    where (delivery.id is not null) <> coalesce(
      (endpoint.account_id is null or endpoint.account_id = event.account_id)
      and (event.type = any(endpoint.event_types) or '*' = any(endpoint.event_types)), false)`
  const overtaken = sql`
    select from delivery join delivery older
      on older.endpoint_id = delivery.endpoint_id and older.lane = delivery.lane and older.position < delivery.position
    join attempt on attempt.delivery_id = delivery.id
    where older.finalized_at is null or attempt.sent_at < older.finalized_at`
  const miscounted = sql`
    select from delivery
    where attempts <> (select count(*) from attempt where delivery_id = delivery.id)
      or (state = 'delivered') <> coalesce((
        select status between 200 and 299 from attempt where delivery_id = delivery.id order by number desc limit 1), false)
      or finalized_at < created_at`

  expect(await breaches(sql`select from delivery where state = 'delivered'`)).toBeGreaterThan(1_000)
  expect(await breaches(sql`select from delivery where attempts > 1`)).toBeGreaterThan(5)
  expect(await breaches(unwanted)).toBe(0)
  expect(await breaches(overtaken)).toBe(0)
  expect(await breaches(miscounted)).toBe(0)
})

test('whoever writes next goes on after the last rows', async () => {
  const { rows } = await sql<{ fits: boolean }>`
    select nextval(pg_get_serial_sequence(name, 'id')) > last as fits from (
      select 'account', max(id)::bigint from account union all select 'session', max(id) from session
      union all select 'delivery', max(id) from delivery) as tables (name, last)`.execute(db)

  expect(rows).toEqual([{ fits: true }, { fits: true }, { fits: true }])
})

const TABLES = ['account', 'snapshot', 'session', 'session_version', 'event', 'endpoint', 'endpoint_secret', 'delivery']

/** A hash of each table's rows. */
async function hashes(of: Kysely<Database>): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const table of [...TABLES, 'attempt']) {
    const { rows } = await sql<{ hash: string }>`
      select md5(string_agg(row::text, '/' order by row::text)) as hash from ${sql.table(table)} as row`.execute(of)
    found[table] = rows[0]?.hash
  }
  return found
}

test('the same seed gives the same rows, and another one others', async () => {
  const same = await emptyDatabase()

  await generateHistory(same, HISTORY)

  const expected = await hashes(db)
  expect(await hashes(same)).toEqual(expected)
  const others = await hashes(other)
  expect(Object.keys(expected).filter((table) => others[table] === expected[table])).toEqual([])
})

test('a session that is gone while a listing is incomplete is closed by a later one', async () => {
  const late = sql`
    select from session join snapshot on snapshot.account_id = session.account_id and outcome = 'incomplete'
      and listed_at = (select max(valid_to) from session_version where incarnation_id = session.id)
    where end_reason in ('gone', 'absent') and ended_at > listed_at + interval '5 seconds'`

  expect(await breaches(late)).toBeGreaterThan(0)
})

test('draws of days far apart are their own', async () => {
  const far = await emptyDatabase()

  // After 256 hours, and after 512: a hash of the two halves of a number as one gave the same sessions again.
  await generateHistory(far, { ...HISTORY, days: 23, tickSeconds: 600, eventDays: 0 })

  const { rows } = await sql<{ n: number; ids: number }>`
    select count(*) as n, count(distinct session_id) as ids from session`.execute(far)
  expect(rows[0]?.n).toBeGreaterThan(1_000)
  expect(rows[0]?.ids).toBe(rows[0]?.n)
})

test('a database that has accounts is refused, and stays as it is', async () => {
  const before = await hashes(db)

  await expect(generateHistory(db, HISTORY)).rejects.toThrow('the database has 2 accounts')

  expect(await hashes(db)).toEqual(before)
})
