// PgBouncer in transaction mode between us and the server: a connection is ours for one transaction only.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { migrateToLatest } from '../../lib/migrate.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrations } from '../../migrations/index.ts'
import { simulate } from '../simulation/run.ts'
import { type Bouncer, bouncerBinary, startBouncer } from './bouncer.ts'
import { type OwnServer, startOwnServer } from './server.ts'
import { openStorm, type Storm } from './storm.ts'

const POOL_SIZE = 2
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)

if (bouncerBinary === undefined) console.log('skipped: test/weather/pooler.test.ts, because pgbouncer is not installed')

describe.skipIf(bouncerBinary === undefined)('behind a pooler in transaction mode', () => {
  let server: OwnServer
  let bouncer: Bouncer
  let storm: Storm

  beforeAll(async () => {
    server = await startOwnServer()
    bouncer = await startBouncer(server.url, POOL_SIZE)
    storm = await openStorm(server.url, { through: bouncer.through(server.url) })
  })
  afterAll(async () => {
    await storm.close()
    await bouncer.stop()
    await server.remove()
  })

  test('two tickers and two drainers share two connections, which are cut, to a server that is stopped: nothing is lost', async () => {
    await storm.during(async () => {
      await storm.moreCommits(4)
      for (let i = 0; i < 5; i += 1) {
        await sleep(100)
        await sql`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`.execute(storm.admin)
      }
      for (const end of [server.stop, server.crash]) {
        await end()
        await sleep(500)
        await server.start()
        await storm.moreCommits(4)
      }
    })

    expect(await storm.breaches()).toEqual([])
    const undocumented = [...storm.faults.keys()].filter(
      (text) => !text.startsWith('database_unreachable: Postgres cannot'),
    )
    expect(undocumented).toEqual([])
    console.log(`weather: pooler: ${storm.told()}`)
  }, 300_000)

  test('what a tick sets for its transaction ends with it, and no statement is kept under a name', async () => {
    await storm.during(() => storm.moreCommits(5))
    const db = openDatabase(bouncer.through(server.url), { connections: POOL_SIZE })
    // All begun before the first ends, or one connection would do for all.
    const transactions = await Promise.all(Array.from({ length: POOL_SIZE }, () => db.startTransaction().execute()))
    const looks = transactions.map((tx) =>
      sql<Record<string, unknown>>`select pg_backend_pid() as pid, current_setting('statement_timeout') as statement,
        current_setting('idle_in_transaction_session_timeout') as idle,
        (select count(*) from pg_prepared_statements) as prepared`.execute(tx),
    )
    const rows = (await Promise.all(looks)).flatMap((looked) => looked.rows)
    await Promise.all(transactions.map((tx) => tx.commit().execute()))
    await db.destroy()

    expect(new Set(rows.map(({ pid }) => pid)).size).toBe(POOL_SIZE)
    for (const row of rows) expect(row).toMatchObject({ statement: '0', idle: '0', prepared: 0 })
  })

  // With nothing else at work: the migrator's lock is one of the session, and stays behind on the pooler's connection when
  // the next transaction is given another. Then the next migration waits for it in vain.
  test('an empty database is migrated through it, once', async () => {
    await sql`create database empty`.execute(storm.admin)
    const db = openDatabase(bouncer.through(server.url.replace(/[^/]+$/, 'empty')))
    const applied = [await migrateToLatest(db), await migrateToLatest(db)]
    await db.destroy()

    expect(applied).toEqual([Object.keys(migrations), []])
  })

  test(`seed ${SEED}: the simulation finds nothing when every statement goes through it`, async () => {
    // An actor that stands still in a transaction keeps its connection, so there must be one for each.
    const wide = await startBouncer(inject('postgresUrl'), 40)
    try {
      const server = wide.through(inject('postgresUrl'))
      const { breaches } = await simulate({ seed: SEED, steps: 150, server })

      expect(breaches).toEqual([])
    } finally {
      await wide.stop()
    }
  }, 300_000)
})
