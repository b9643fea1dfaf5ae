// A database whose owner has set another isolation level than Postgres's own default.
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { cloneDatabase } from '../support/clone.ts'
import { setForDatabase } from './server.ts'
import { openStorm, type Storm } from './storm.ts'

let database: Awaited<ReturnType<typeof cloneDatabase>>
let storm: Storm

beforeEach(async () => {
  database = await cloneDatabase(inject('postgresUrl'))
})
afterEach(async () => {
  await storm.close()
  await database.drop()
})

test.each(['repeatable read', 'serializable'])(
  'ticks and drains that overlap on a database which defaults to %s do not fail each other',
  async (level) => {
    await setForDatabase(database.url, 'default_transaction_isolation', level)
    storm = await openStorm(database.url)
    await storm.during(() => storm.moreCommits(40))

    expect(await storm.breaches()).toEqual([])
    expect([...storm.faults.keys()]).toEqual([])
    console.log(`weather: ${level}: ${storm.told()}`)
  },
  120_000,
)
