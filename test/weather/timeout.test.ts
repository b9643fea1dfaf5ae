// Time limits that end statements in the middle of ticks and drains, while a stranger holds locks that they wait for.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { cloneDatabase } from '../support/clone.ts'
import type { PoolOptions } from '../../lib/store/pool.ts'
import { setForDatabase } from './server.ts'
import { openStorm, type Storm } from './storm.ts'

let database: Awaited<ReturnType<typeof cloneDatabase>>
let storm: Storm
let stranger: Kysely<Database>

beforeEach(async () => {
  database = await cloneDatabase(inject('postgresUrl'))
  stranger = openDatabase(database.url, { connections: 1 })
})
afterEach(async () => {
  await stranger.destroy()
  await storm.close()
  await database.drop()
})

/** A stranger takes locks of every kind that ticks, claims and settles have to wait for, each for a while. */
async function hold(ms: number): Promise<void> {
  const locks = [
    'lock table account in access exclusive mode',
    'lock table event in share mode',
    'lock table delivery in share mode',
    'lock table attempt in exclusive mode',
    'lock table session_version in share mode',
    'select from endpoint for update',
    'lock table snapshot in share mode',
  ]
  for (const lock of locks) {
    await stranger.transaction().execute(async (tx) => {
      // Its own patience has no limit.
      await sql`select set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)`.execute(tx)
      await sql.raw(lock).execute(tx)
      await sleep(ms)
    })
    await sleep(100)
  }
}

interface Limit {
  name: string
  /** Of the database, as its owner may set it. */
  setting?: string
  pool?: PoolOptions
  documented: RegExp
}

const LIMITS: Limit[] = [
  {
    name: 'lock_timeout',
    setting: 'lock_timeout',
    documented: /^error: canceling statement due to lock timeout$/,
  },
  {
    name: 'statement_timeout',
    setting: 'statement_timeout',
    documented: /^error: canceling statement due to statement timeout$/,
  },
  {
    // The server still works on the statement when it is over.
    name: 'our own query timeout',
    pool: { queryTimeoutMs: 100 },
    documented: /^database_unreachable: Postgres cannot be reached \(no answer in time\)/,
  },
]

test.each(LIMITS)(
  '$name, met in the middle of ticks and drains behind the locks of a stranger, costs no event',
  async ({ name, setting, pool, documented }) => {
    if (setting !== undefined) await setForDatabase(database.url, setting, '100ms')
    storm = await openStorm(database.url, pool && { pool })
    await storm.during(() => hold(400))

    expect(await storm.breaches()).toEqual([])
    expect([...storm.faults.keys()].filter((text) => !documented.test(text))).toEqual([])
    expect(storm.counts['tick failed']).toBeGreaterThan(0)
    expect(storm.counts['drain failed']).toBeGreaterThan(0)
    console.log(`weather: ${name}: ${storm.told()}`)
  },
  300_000,
)
