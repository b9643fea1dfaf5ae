// Connections cut and statements cancelled at random, under load, as an operator or a failing network does.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { cloneDatabase } from '../support/clone.ts'
import { openStorm, type Storm } from './storm.ts'

const STRIKES = 60
/** A struck tick is not always struck in its transaction, nor between the two statements that must not be parted. */
const FAILED_TICKS = 15

let database: Awaited<ReturnType<typeof cloneDatabase>>
let storm: Storm

beforeEach(async () => {
  database = await cloneDatabase(inject('postgresUrl'))
  storm = await openStorm(database.url)
})
afterEach(async () => {
  await storm.close()
  await database.drop()
})

/**
 * Strikes one connection that is at work or in a transaction, if there is one, rather the transaction of a tick than a
 * statement by itself; gives how many.
 */
async function strike(how: 'pg_terminate_backend' | 'pg_cancel_backend'): Promise<number> {
  const { rows } = await sql`
    select ${sql.raw(how)}(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'
    order by xact_start < query_start desc, random() limit 1`.execute(storm.admin)
  return rows.length
}

test.each([
  ['pg_terminate_backend', /^database_unreachable: Postgres cannot be reached \((57P01|connection lost|ECONNRESET)\)/],
  ['pg_cancel_backend', /^error: canceling statement due to user request$/],
] as const)(
  'connections struck by %s at any moment cost no event',
  async (how, documented) => {
    await storm.during(async () => {
      const isEnough = (strikes: number) => strikes >= STRIKES && (storm.counts['tick failed'] ?? 0) >= FAILED_TICKS
      for (let strikes = 0; !isEnough(strikes); await sleep(Math.random() * 30)) strikes += await strike(how)
    })

    expect(await storm.breaches()).toEqual([])
    expect([...storm.faults.keys()].filter((text) => !documented.test(text))).toEqual([])
    expect(storm.counts['drain failed']).toBeGreaterThan(0)
    console.log(`weather: ${how}: ${storm.told()}`)
  },
  300_000,
)
