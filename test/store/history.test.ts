// Events by cursor, against a real Postgres; nothing is sent.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sql } from 'kysely'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint } from '../../lib/store/endpoint-state.ts'
import { listEvents } from '../../lib/store/history.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { seed } from '../support/seed.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  await seed(database.db, { sessions: 10 })
})
afterEach(() => database.drop())

const page = async (after: number, limit = 100, account = 'default') => {
  const { events, ...rest } = await listEvents(database.db, { account, after, limit })
  return { positions: events.map(({ position }) => position), ...rest }
}
const forget = (upTo: number) => sql`delete from event where position <= ${upTo}`.execute(database.db)

test('pages follow one another without a gap, until there is nothing more', async () => {
  const seen: number[] = []
  let after = 0
  for (;;) {
    const { positions, next } = await page(after, 4)
    if (positions.length === 0) break
    seen.push(...positions)
    after = next
  }

  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(await page(10)).toEqual({ positions: [], next: 10, floor: 0, truncated: false })
})

test('bodies are the bytes that were stored', async () => {
  const { events } = await listEvents(database.db, { account: 'default', after: 6, limit: 1 })

  const stored = await database.db.selectFrom('event').select(['position', 'body']).where('position', '=', 7).execute()
  expect(events).toEqual(stored)
})

test.each<[string, number, boolean, number[]]>([
  ['before the oldest that is kept has missed some', 3, true, [5, 6, 7, 8, 9, 10]],
  ['at the last that is gone has missed none', 4, false, [5, 6, 7, 8, 9, 10]],
  ['beyond it has missed none', 5, false, [6, 7, 8, 9, 10]],
])('when old events are gone, a cursor %s', async (_, after, truncated, positions) => {
  await forget(4)

  expect(await page(after)).toEqual({ positions, next: 10, floor: 4, truncated })
})

test('when all events are gone, every cursor but the last has missed some', async () => {
  await forget(10)

  expect(await page(0)).toEqual({ positions: [], next: 10, floor: 10, truncated: true })
  expect(await page(9)).toMatchObject({ positions: [], floor: 10, truncated: true })
  expect(await page(10)).toEqual({ positions: [], next: 10, floor: 10, truncated: false })
})

test('an account that never had an event, or does not exist, has nothing to miss', async () => {
  await addEndpoint(database.db, { url: 'http://127.0.0.1:9/', events: ['*'], account: 'empty' })

  for (const account of ['empty', 'none']) {
    expect(await page(0, 100, account)).toEqual({ positions: [], next: 0, floor: 0, truncated: false })
  }
})

test.each([
  ['default', 11, 10],
  ['none', 1, 0],
])(
  'to %s a cursor of another history, %i, is refused, since it would miss what comes in its place',
  async (...asked) => {
    const [account, after, head] = asked

    await expect(page(after, 100, account)).rejects.toMatchObject({
      code: 'input_invalid',
      message: expect.stringContaining(`beyond the last event, whose position is ${head}:`) as string,
    })
  },
)

test("an account's events are its own: neither another's nor those about Rollcall itself", async () => {
  await seed(database.db, { sessions: 2, account: 'other' })
  const { id } = await addEndpoint(database.db, { url: 'http://127.0.0.1:9/', events: ['endpoint.disabled'] })
  await disableEndpoint(database.db, id, 'test')

  expect(await page(0, 100, 'other')).toEqual({ positions: [1, 2], next: 2, floor: 0, truncated: false })
  expect((await page(0)).positions).toHaveLength(10)
})
