// The pool against a real Postgres, no doubles.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Kysely, sql } from 'kysely'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase(database.url, { connections: 1, queryTimeoutMs: 3_000 })
})
afterEach(async () => {
  await db.destroy()
  await database.drop()
})

const addAccount = (on: Kysely<Database>, name: string) =>
  on.insertInto('account').values({ name, listed_at: null, complete_at: null, digest: null }).execute()
const accounts = async () => (await database.db.selectFrom('account').select('name').execute()).map(({ name }) => name)

test('a statement that takes too long fails, and nobody gets its connection with the transaction still open', async () => {
  const hung = db.transaction().execute(async (tx) => {
    await addAccount(tx, 'lost')
    await sql`select pg_sleep(20)`.execute(tx)
  })

  await expect(hung).rejects.toThrow(/timeout/)
  await addAccount(db, 'kept')
  expect(await accounts()).toEqual(['kept'])
})

test('a connection that the server cuts in mid-transaction is not used again', async () => {
  const cut = db.transaction().execute(async (tx) => {
    await addAccount(tx, 'lost')
    await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx)
  })

  await expect(cut).rejects.toThrow(/terminat/)
  await addAccount(db, 'kept')
  expect(await accounts()).toEqual(['kept'])
})

test('an error of a statement costs its transaction, not the connection', async () => {
  const pid = async () => (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid
  const before = await pid()

  await expect(sql`select 1 / 0`.execute(db)).rejects.toThrow(/division by zero/)

  expect(await pid()).toBe(before)
})

test.each([
  ['a port that is too high', '?port=99999', /its port is none/],
  ['a port that is no number', '?port=x', /its port is none/],
  ['a negative port', '?port=-5', /its port is none/],
  ['a certificate that is not there', '?sslcert=/no/such/file', /ENOENT.*\/no\/such\/file/],
])('a URL with %s is refused at once, or a command would end as if all were well', (_, query, expected) => {
  const refuse = () => openDatabase(`postgresql://me:hush@127.0.0.1:1/rollcall${query}`)

  expect(refuse).toThrow(expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(expected) }))
  expect(refuse).toThrow(/^DATABASE_URL cannot be used: /)
  expect(refuse).not.toThrow(/hush/)
})
