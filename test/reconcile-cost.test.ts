// What a tick costs Postgres, counted there and at the driver: it must follow what changed, not how many sessions there are.
// Tencent's API is the simulator.
import { type Kysely, sql } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createSession, startSession } from '../lib/local/simulator/simulator.ts'
import { tick } from '../lib/reconcile.ts'
import { type Database, openDatabase } from '../lib/store/database.ts'
import { openWorld, type World } from './support/world.ts'

let world: World
/** Of one connection, whose WAL can be asked for. */
let db: Kysely<Database>
/** Statements of any kind, transactions' own among them. */
const statements = vi.spyOn(pg.Client.prototype, 'query')

beforeEach(async () => {
  world = await openWorld()
  db = openDatabase(world.url, { connections: 1 })
})
afterEach(async () => {
  await db.destroy()
  await world.close()
})

async function simulate(sessions: number) {
  const settings = { capacity: 2_000, lingerSeconds: 0, preparingSeconds: [0, 0] as [number, number], failedShare: 0 }
  const { simulator, account, clock } = await world.simulate('default', { ...settings, brokenShare: 0 })
  for (let i = 0; i < sessions; i += 1)
    createSession(simulator, { userId: `u${i}`, projectId: 'p', sessionId: `s${i}` })
  const next = async () => {
    clock.now += 1_000
    return measured(() => tick(db, account))
  }
  await next()
  await sql`vacuum (analyze)`.execute(db)
  return { simulator, next }
}

/** What it gives, with the statements it took, the rows it wrote, the bytes of WAL, and the sessions that were read. */
async function measured<Result>(work: () => Promise<Result>) {
  const before = await counted()
  statements.mockClear()
  const result = await work()
  const count = statements.mock.calls.length
  const after = await counted()
  const read = after.read - before.read
  return { result, statements: count, rows: after.rows - before.rows, wal: after.wal - before.wal, read }
}

async function counted(): Promise<{ rows: number; wal: number; read: number }> {
  await sql`select pg_stat_force_next_flush()`.execute(db)
  const { rows } = await sql<{ rows: number; wal: number; read: number }>`
    select sum(n_tup_ins + n_tup_upd + n_tup_del)::integer as rows,
      (sum(seq_tup_read + idx_tup_fetch) filter (where relname = 'session'))::integer as read,
      (select wal_bytes::integer from pg_stat_get_backend_wal(pg_backend_pid())) as wal
    from pg_stat_user_tables where schemaname = 'public'`.execute(db)
  return rows[0]!
}

describe.each([10, 1_000])('with %i sessions', (sessions) => {
  test('an unchanged list takes two statements, two rows and less than a kilobyte of WAL', async () => {
    const { next } = await simulate(sessions)
    const ticks = []
    for (let i = 0; i < 10; i += 1) ticks.push(await next())

    // After a checkpoint, which may be at any time, Postgres logs a page as a whole once.
    const wal = Math.min(...ticks.map((one) => one.wal))
    expect(ticks.map(({ result }) => result.outcome)).toEqual(Array(10).fill('unchanged'))
    expect(ticks.map((one) => [one.statements, one.rows])).toEqual(ticks.map(() => [2, 2]))
    expect(wal).toBeGreaterThan(100)
    expect(wal).toBeLessThanOrEqual(1_024)
  })

  test('what one session changes takes as much as it does with any other number of them', async () => {
    const { simulator, next } = await simulate(sessions)
    const ticks = []
    for (let i = 0; i < 5; i += 1) {
      startSession(simulator, `s${i}`)
      ticks.push(await next())
    }

    const wal = Math.min(...ticks.map((one) => one.wal))
    expect(ticks.map(({ result }) => result.events)).toEqual(Array(5).fill(1))
    // The session, its version of before and its new one, the event, the snapshot and the account.
    expect(ticks.map((one) => [one.statements, one.rows])).toEqual(ticks.map(() => [12, 6]))
    expect(wal).toBeLessThanOrEqual(6_000)
    // To read its bucket's sessions, to write it, and to find it for its version and for its event.
    expect(Math.max(...ticks.map((one) => one.read))).toBeLessThanOrEqual(100)
  })
})
