// The illegal states that a real Postgres refuses to store of endpoints, secrets and events.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { seed } from '../support/seed.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const add = (settings: { mustProve?: boolean } = {}) =>
  addEndpoint(database.db, { url: 'http://127.0.0.1:9/', events: ['*'], ...settings })

describe('the database refuses', () => {
  beforeEach(async () => {
    await add()
    await add({ mustProve: true })
    await seed(database.db, { sessions: 1 })
  })
  const event = (columns: string, values: string) =>
    `insert into event (id, position, occurred_at, body, ${columns}) values ('evt_x', 99, now(), '{}', ${values})`

  test.each([
    ['a rate of nothing', `update endpoint set rate_per_second = 0`, 'endpoint_rate_positive'],
    ['a rate below nothing', `update endpoint set rate_per_second = -1`, 'endpoint_rate_positive'],
    ['a rate beyond sense', `update endpoint set rate_per_second = 10001`, 'endpoint_rate_positive'],
    ['a rate that is no number', `update endpoint set rate_per_second = 'NaN'`, 'endpoint_rate_positive'],
    ['batches of nothing', `update endpoint set batch_size = 0`, 'endpoint_batch_size_bounded'],
    ['batches beyond sense', `update endpoint set batch_size = 501`, 'endpoint_batch_size_bounded'],
    ['a pace of nothing', `update endpoint set pace = 0`, 'endpoint_pace_positive'],
    [
      'an active endpoint that has not proved itself',
      `update endpoint set state = 'active'`,
      'endpoint_active_is_proved',
    ],
    ['failures since no time', `update endpoint set failures = 1, pace = 1`, 'endpoint_failing_has_start'],
    ['a time of failing without failures', `update endpoint set failing_since = now()`, 'endpoint_failing_has_start'],
    [
      'a failing endpoint at full pace',
      `update endpoint set failures = 1, failing_since = now()`,
      'endpoint_failing_is_slow',
    ],
    [
      'a secret of an unknown kind',
      `insert into endpoint_secret (endpoint_id, secret, kind) select id, 's', 'rsa' from endpoint limit 1`,
      'endpoint_secret_kind_known',
    ],
    ['an event of an unknown type', event('type', `'webhook.ping'`), 'event_type_known'],
    ['an event of a session without one', event('type', `'session.created'`), 'event_is_of_a_session'],
    [
      'an operator event of an account',
      event('type, account_id', `'tick.stalled', (select min(id) from account)`),
      'event_is_of_a_session',
    ],
    [
      'an event of a session without its revision',
      event(
        'type, account_id, incarnation_id',
        `'session.ready', (select min(id) from account), (select min(id) from session)`,
      ),
      'event_is_of_a_session',
    ],
    ['an operator event with a revision', event('type, revision', `'tick.stalled', 1`), 'event_is_of_a_session'],
  ])('%s', async (_, statement, constraint) => {
    await expect(sql.raw(statement).execute(database.db)).rejects.toMatchObject({ constraint })
  })

  test.each([
    `update endpoint set rate_per_second = 10000, batch_size = 500, pace = 1`,
    `update endpoint set failures = 1, failing_since = now(), pace = 1`,
    `update endpoint set state = 'active', proved_at = now()`,
    event('type', `'tick.stalled'`),
  ])('but not %s', async (statement) => {
    await expect(sql.raw(statement).execute(database.db)).resolves.toBeDefined()
  })
})
