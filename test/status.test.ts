// How it goes, as the function status reads it, against a real Postgres.
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { missingMigrations } from '../lib/migrate.ts'
import { readStatus } from '../lib/status.ts'
import { openDatabase } from '../lib/store/database.ts'
import { migrations } from '../migrations/index.ts'
import { invokeBundle } from './support/bundle.ts'
import { hasNodes, node18 } from './support/nodes.ts'
import { openWorld, type World } from './support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const names = Object.keys(migrations)

test('a database that was never migrated is said to be so, and stays as it is', async () => {
  await sql`drop schema report cascade; drop schema public cascade; create schema public`.execute(world.db)

  expect(await readStatus(world.db)).toEqual({ migrated: false, missing: names, accounts: [], backlog: null })
  const { rows } = await sql`select from pg_tables where schemaname = 'public'`.execute(world.db)
  expect(rows).toEqual([])
})

test('one that lacks the newest migration is, too; one that is newer than the code is well', async () => {
  const newest = names.at(-1)
  await sql`insert into kysely_migration (name, timestamp) values ('9999_later', '2030-01-01')`.execute(world.db)
  const ahead = await missingMigrations(world.db)
  await sql`delete from kysely_migration where name in (${newest}, '9999_later')`.execute(world.db)

  expect(ahead).toEqual([])
  expect(await readStatus(world.db)).toEqual({ migrated: false, missing: [newest], accounts: [], backlog: null })
})

test('one that cannot be reached throws, as whoever reads it needs it', async () => {
  const db = openDatabase('postgresql://nobody@127.0.0.1:9/nowhere', { connections: 1 })

  await expect(readStatus(db)).rejects.toMatchObject({ code: 'database_unreachable' })
  await db.destroy()
})

test.skipIf(!hasNodes)('the bundle tells it on the Node of SCF, and ends', async () => {
  const api = await world.simulate('default', { cachedShare: 1 })
  const node = await node18()
  await invokeBundle('reconcile', api.env, { node })

  const { result, log } = await invokeBundle('status', { DATABASE_URL: world.url }, { node })

  expect(result).toMatchObject({
    migrated: true,
    accounts: [{ account: 'default', outcome: 'committed', error: null }],
    backlog: { pending: 0, oldestDue: null, deadOfLastDay: 0, disabled: [] },
  })
  expect(log).toMatch(/"level":"info","message":"status read","migrated":true,"accounts":1,"pending":0/)
})
