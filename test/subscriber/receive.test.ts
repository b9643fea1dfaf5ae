// Each event once, in the subscriber's own Postgres. A real one, and no doubles.
import fc from 'fast-check'
import { CompiledQuery } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Client, type Event, INBOX_SQL, receive } from '../../lib/subscriber/index.ts'
import { runs } from '../fuzz/effort.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/receiver.ts'
import { eventOf, M1, operatorBody } from './messages.ts'

const [created, ready, started, closed] = M1.map(eventOf) as [Event, Event, Event, Event]

let database: TestDatabase
let pool: pg.Pool

beforeAll(async () => {
  database = await testDatabase()
  pool = new pg.Pool({ connectionString: database.url })
  await pool.query(INBOX_SQL)
  await pool.query(INBOX_SQL)
  // No order of its own: rows as they were inserted, and one event may be worked several times, if receive lets it.
  await pool.query('create table worked (place bigint generated always as identity, id text, late boolean)')
})
beforeEach(() => pool.query('truncate worked, rollcall_inbox, rollcall_lane'))
afterAll(async () => {
  await pool.end()
  await database.drop()
})

/** Runs an action in a transaction, as the subscriber would. */
async function inTransaction<Result>(
  action: (client: pg.PoolClient) => Promise<Result>,
  begin = 'begin',
): Promise<Result> {
  const client = await pool.connect()
  try {
    await client.query(begin)
    const result = await action(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

const workIn =
  (client: Client) =>
  (event: Event, { late }: { late: boolean }) =>
    client.query('insert into worked (id, late) values ($1, $2)', [event.id, late])

/** One delivery of these, wholly taken. */
const deliver = (...events: Event[]) => inTransaction((client) => receive(client, events, workIn(client)))

/** What was worked, in order; late ones with a word. */
async function worked(): Promise<string[]> {
  const { rows } = await pool.query<{ id: string; late: boolean }>('select id, late from worked order by place')
  return rows.map(({ id, late }) => (late ? `${id} late` : id))
}

/** Waits until so many sessions of the database wait for a lock. */
const waiting = (count: number) =>
  eventually(`${count} wait for a lock`, async () => {
    const { rows } = await pool.query<{ count: number }>(
      `select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows[0]?.count === count
  })

/** A promise, and what ends it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

test('an event that comes again is worked once', async () => {
  await deliver(created)
  await deliver(created)
  await deliver(ready, ready)
  await deliver(created, ready)

  expect(await worked()).toEqual([created.id, ready.id])
})

test('of twenty deliveries of one event at once, one is worked', async () => {
  await Promise.all(Array.from({ length: 20 }, () => deliver(created)))

  expect(await worked()).toEqual([created.id])
})

test('a duplicate waits for the one that is under way, and is worked when that one is rolled back', async () => {
  for (const fails of [false, true]) {
    await pool.query('truncate worked, rollcall_inbox, rollcall_lane')
    const [inside, hold] = [gate(), gate()]
    const first = inTransaction((client) =>
      receive(client, [created], async () => {
        inside.open()
        await hold.opened
        if (fails) throw new Error('out of paper')
      }),
    ).catch((error: Error) => error.message)
    await inside.opened
    const second = deliver(created)
    await waiting(1)
    hold.open()

    expect(await first).toBe(fails ? 'out of paper' : undefined)
    await second
    expect(await worked()).toEqual(fails ? [created.id] : [])
  }
})

test('work that fails leaves nothing behind, and the next try brings all of it', async () => {
  const failing = inTransaction((client) =>
    receive(client, [created, ready, started], async (event, order) => {
      await workIn(client)(event, order)
      if (event === ready) throw new Error('out of paper')
    }),
  )

  await expect(failing).rejects.toThrow('out of paper')
  expect(await worked()).toEqual([])
  await deliver(created, ready, started)
  expect(await worked()).toEqual([created.id, ready.id, started.id])
})

test('a subscriber that dies before its commit has done nothing', async () => {
  const client = new pg.Client({ connectionString: database.url })
  client.on('error', () => undefined)
  await client.connect()
  await client.query('begin')
  await receive(client, [created, ready], workIn(client))
  await pool.query('select pg_terminate_backend($1)', [Reflect.get(client, 'processID')])

  await deliver(created)
  await deliver(ready)
  expect(await worked()).toEqual([created.id, ready.id])
  await client.end()
})

test('a batch that was partly seen is worked as far as it is new, in order', async () => {
  await deliver(created)
  await deliver(started)

  await deliver(created, ready, started, closed)
  expect(await worked()).toEqual([created.id, started.id, `${ready.id} late`, closed.id])
})

test('a dead one that is replayed is worked, and told to be late once something newer was', async () => {
  await deliver(created)
  await deliver(closed)
  await deliver(started)
  await deliver(ready)

  expect(await worked()).toEqual([created.id, closed.id, `${started.id} late`, `${ready.id} late`])
})

test('late is said within one session only: others, of other accounts too, have an order of their own', async () => {
  const elsewhere = { ...created, id: 'evt_elsewhere', source: '/accounts/other' } as Event
  const other = { ...created, id: 'evt_other', subject: 'm9', partitionkey: 'm9' } as Event
  const operator = eventOf(operatorBody('webhook.ping', 'm1', { endpoint: 'm1' }))

  await deliver(closed)
  await deliver(elsewhere, other, operator)

  expect(await worked()).toEqual([closed.id, elsewhere.id, other.id, operator.id])
})

test.each([[[]], [[created]]])(
  'an old one that is replayed beside a newer one under way waits, and is late: %#',
  async (before) => {
    await deliver(...before)
    const [inside, hold] = [gate(), gate()]
    const newer = inTransaction((client) =>
      receive(client, [started], async (event, order) => {
        inside.open()
        await hold.opened
        await workIn(client)(event, order)
      }),
    )
    await inside.opened
    const older = deliver(ready)
    await waiting(1)
    hold.open()
    await Promise.all([newer, older])

    expect(await worked()).toEqual([...before.map(({ id }) => id), started.id, `${ready.id} late`])
  },
)

test.each(['repeatable read', 'serializable'])(
  'under %s too, what cannot be judged fails and is tried again',
  async (level) => {
    const once = () =>
      inTransaction((client) => receive(client, [created], workIn(client)), `begin isolation level ${level}`)
    const results = await Promise.allSettled([once(), once(), once(), once()])

    const failures = results.filter((result) => result.status === 'rejected')
    expect(failures.map(({ reason }) => (reason as { code: string }).code).filter((code) => code !== '40001')).toEqual(
      [],
    )
    await once()
    expect(await worked()).toEqual([created.id])
  },
)

test('outside of a transaction it is refused before anything is remembered', async () => {
  const never = () => Promise.reject(new Error('worked'))

  // A pool looks like a client.
  await expect(receive(pool, [created], never)).rejects.toThrow('can only be used in transaction blocks')
  const client = await pool.connect()
  await expect(receive(client, [created], never)).rejects.toThrow('can only be used in transaction blocks')
  client.release()
  await deliver(created)
  expect(await worked()).toEqual([created.id])
})

test('work that hides the error of a failed statement, or ends the transaction, is not taken for done', async () => {
  const hiding = inTransaction((client) =>
    receive(client, [created], () => client.query('select 1/0').catch(() => undefined)),
  )
  await expect(hiding).rejects.toThrow('current transaction is aborted')
  const ending = inTransaction((client) => receive(client, [ready], () => client.query('rollback')))
  await expect(ending).rejects.toThrow('can only be used in transaction blocks')

  await deliver(created, ready)
  expect(await worked()).toEqual([created.id, ready.id])
})

test('any deliveries, repeated, batched, replayed and failing: each event is worked once, and late exactly after a newer one', async () => {
  const lives = [
    ...M1.map(eventOf),
    ...M1.map((body) => ({ ...eventOf(body), id: `${eventOf(body).id}_b`, subject: 'm2' })),
  ]
  const deliveries = fc.array(
    fc.record({ events: fc.subarray(lives, { minLength: 1 }), failsAt: fc.option(fc.nat(3), { freq: 3 }) }),
    { maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(deliveries, async (tries) => {
      await pool.query('truncate worked, rollcall_inbox, rollcall_lane')
      const expected: string[] = []
      const newest = new Map<string, string>()
      for (const { events, failsAt } of tries) {
        const fresh = events.filter(({ id }) => !expected.some((line) => line.split(' ')[0] === id))
        let count = 0
        const delivery = inTransaction((client) =>
          receive(client, events, async (event, order) => {
            await workIn(client)(event, order)
            if (count++ === failsAt) throw new Error('out of paper')
          }),
        )
        const fails = failsAt !== null && failsAt < fresh.length
        const outcome = await delivery.then(
          () => 'worked',
          (error: Error) => error.message,
        )
        expect(outcome).toBe(fails ? 'out of paper' : 'worked')
        if (fails) continue
        for (const { id, subject, sequence } of fresh) {
          const last = newest.get(subject) ?? ''
          expected.push(sequence < last ? `${id} late` : id)
          newest.set(subject, sequence < last ? last : sequence)
        }
      }

      expect(await worked()).toEqual(expected)
    }),
    runs(30),
  )
})

test("Kysely's transactions serve as well, with an adapter of one line", async () => {
  await database.db.transaction().execute(async (tx) => {
    const client: Client = { query: (text, values) => tx.executeQuery(CompiledQuery.raw(text, values)) }
    await receive(client, [created, created], workIn(client))
  })

  expect(await worked()).toEqual([created.id])
})
