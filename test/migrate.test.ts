// Migrations against a real Postgres, no doubles.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sql } from 'kysely'
import { migrateToLatest } from '../lib/migrate.ts'
import { openDatabase } from '../lib/store/database.ts'
import { migrations } from '../migrations/index.ts'
import { createReport, replaceFunction } from '../migrations/report/create.ts'
import { testDatabase, type TestDatabase } from './support/database.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  await sql`drop schema if exists report cascade`.execute(database.db)
  await sql`drop schema public cascade`.execute(database.db)
  await sql`create schema public`.execute(database.db)
})
afterEach(() => database.drop())

test('ten migrations at once apply each step once', async () => {
  const connections = Array.from({ length: 10 }, () => openDatabase(database.url, { connections: 1 }))

  const applied = await Promise.all(connections.map((db) => migrateToLatest(db)))
  await Promise.all(connections.map((db) => db.destroy()))

  expect(applied.flat().sort()).toEqual(Object.keys(migrations))
})

test('migrating again applies nothing', async () => {
  await migrateToLatest(database.db)

  expect(await migrateToLatest(database.db)).toEqual([])
})

test('a migration that fails says which, and leaves nothing behind', async () => {
  await sql`create table delivery (id int)`.execute(database.db)

  await expect(migrateToLatest(database.db)).rejects.toThrow(/migration 0001_foundation failed: .*delivery/)
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = 'public' and table_name in ('account', 'event')`.execute(database.db)
  expect(rows).toEqual([])
})

test('a later migration makes the reports again, and takes nothing of anybody else with them', async () => {
  await migrateToLatest(database.db)
  const again = () => database.db.transaction().execute((tx) => createReport(tx))
  await again()
  await sql`create view mine as select day, sum(sessions) from report.usage_daily group by day`.execute(database.db)

  await expect(again()).rejects.toMatchObject({ detail: expect.stringContaining('view mine depends on') as string })

  expect((await sql`select * from mine`.execute(database.db)).rows).toEqual([])
})

test('a migration that changes one function alone leaves what stands on it', async () => {
  await migrateToLatest(database.db)
  await sql`create view mine as select * from report.leaks()`.execute(database.db)
  const about = () => sql`select obj_description('report.leaks'::regproc) as about`.execute(database.db)
  const before = await about()
  await sql`comment on function report.leaks is 'of before'`.execute(database.db)

  await database.db.transaction().execute((tx) => replaceFunction(tx, 'leaks'))

  expect((await about()).rows).toEqual(before.rows)
  expect((await sql`select * from mine`.execute(database.db)).rows).toEqual([])
})

test('the reports of one installation are not replaced by another one in the same database', async () => {
  await migrateToLatest(database.db)
  await sql`create schema other`.execute(database.db)
  const other = openDatabase(`${database.url}?options=-c%20search_path%3Dother`, { connections: 1 })

  const replaced = other.transaction().execute((tx) => createReport(tx))

  await expect(replaced).rejects.toThrow('the schema report belongs to an installation of Rollcall in another')
  await other.destroy()
  expect((await sql`select * from report.usage_daily`.execute(database.db)).rows).toEqual([])
})

test('every constraint and index has a name that the migrations give it', async () => {
  await migrateToLatest(database.db)
  const folder = join(import.meta.dirname, '../migrations')
  const text = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')

  // A not-null constraint is one of the table's columns, and has a row here only since Postgres 18.
  const { rows } = await sql<{ name: string }>`
    select conname as name from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'kysely%' and contype <> 'n'
    union select indexname from pg_indexes where schemaname = 'public' and tablename not like 'kysely%'`.execute(
    database.db,
  )

  expect(rows.length).toBeGreaterThan(40)
  expect(rows.map(({ name }) => name).filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([])
})
