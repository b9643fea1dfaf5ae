// Snapshots in a real Postgres, no doubles.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { advanceAccount, ensureAccount } from '../../lib/store/account.ts'
import { saveFailure, saveSnapshot, saveUnchanged } from '../../lib/store/snapshot.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const at = (second: number) => new Date(Date.UTC(2026, 10, 22, 10, 0, second))

/** An account whose last listing was at second 1, and whose tick of second 2 failed. */
async function failedTick(): Promise<number> {
  const { id: accountId } = await ensureAccount(database.db, 'default')
  const to = { listedAt: at(1), completeAt: at(1), digest: 'same', fingerprints: null, answerDigest: null, position: 0 }
  await database.db.transaction().execute((tx) => advanceAccount(tx, accountId, to))
  await saveFailure(database.db, { accountId, listedAt: at(2), error: 'api_unreachable: no answer', durationMs: 1 })
  return accountId
}

const unchanged = { listedAt: at(2), digest: 'same', answerDigest: 'answer', sessionCount: 3, durationMs: 5 }

const snapshots = () =>
  database.db
    .selectFrom('snapshot')
    .select(['listed_at', 'outcome', 'session_count', 'created_count', 'error'])
    .execute()

test('a tick that commits is not kept from it by another of the same millisecond that failed', async () => {
  const accountId = await failedTick()
  const changes = { created: 3, ready: 0, started: 0, closed: 0, failed: 0 }
  const snapshot = { accountId, listedAt: at(2), complete: true, sessionCount: 3, changes, durationMs: 5 }

  await database.db.transaction().execute((tx) => saveSnapshot(tx, snapshot))

  expect(await snapshots()).toEqual([
    { listed_at: at(2), outcome: 'committed', session_count: 3, created_count: 3, error: null },
  ])
})

test('nor is one that finds nothing changed', async () => {
  const accountId = await failedTick()

  const saved = await saveUnchanged(database.db, { accountId, ...unchanged })

  expect(saved).toBe(true)
  expect(await snapshots()).toEqual([
    { listed_at: at(2), outcome: 'unchanged', session_count: 3, created_count: 0, error: null },
  ])
})

test('a failure never takes the place of what was committed', async () => {
  const accountId = await failedTick()
  await saveUnchanged(database.db, { accountId, ...unchanged })

  await saveFailure(database.db, { accountId, listedAt: at(2), error: 'api_unreachable: no answer', durationMs: 1 })

  expect((await snapshots()).map(({ outcome }) => outcome)).toEqual(['unchanged'])
})
