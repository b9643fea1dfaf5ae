// A database whose owner has set another isolation level than Postgres's own default.
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { cloneDatabase } from '../support/clone.ts'
import { setForDatabase } from './server.ts'
import { openStorm } from './storm.ts'

const LEVELS = ['repeatable read', 'serializable']

let database: Awaited<ReturnType<typeof cloneDatabase>>

beforeEach(async () => {
  database = await cloneDatabase(inject('postgresUrl'))
})
afterEach(() => database.drop())

test.each(LEVELS)('a transaction is read committed on a database which defaults to %s', async (level) => {
  await setForDatabase(database.url, 'default_transaction_isolation', level)
  const db = openDatabase(database.url, { connections: 1 })
  const read = async (on: Kysely<Database>) => {
    const { rows } = await sql`select current_setting('transaction_isolation') as level`.execute(on)
    return rows
  }

  const [inside, alone] = [await db.transaction().execute(read), await read(db)]
  await db.destroy()

  // A statement by itself is tried again instead.
  expect([inside, alone]).toEqual([[{ level: 'read committed' }], [{ level }]])
})

test.each(LEVELS)(
  'ticks and drains that overlap on a database which defaults to %s do not fail each other',
  async (level) => {
    await setForDatabase(database.url, 'default_transaction_isolation', level)
    const storm = await openStorm(database.url)
    try {
      await storm.during(() => storm.moreCommits(40))

      expect(await storm.breaches()).toEqual([])
      expect([...storm.faults.keys()]).toEqual([])
      console.log(`weather: ${level}: ${storm.told()}`)
    } finally {
      await storm.close()
    }
  },
  300_000,
)
