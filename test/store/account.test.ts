// What a tick does to the tables, beside other accounts and at the same time as others. Tencent's API is the simulator.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql, type Transaction } from 'kysely'
import { closeSession, createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { tick } from '../../lib/reconcile.ts'
import { advanceAccount, ensureAccount, lockAccount, lockAccounts } from '../../lib/store/account.ts'
import type { Database } from '../../lib/store/database.ts'
import { lockEndpoint } from '../../lib/store/endpoint.ts'
import { saveFailure, saveUnchanged } from '../../lib/store/snapshot.ts'
import { eventually } from '../support/receiver.ts'
import { openWorld, type SimulatedAccount, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const read = async <Row>(query: ReturnType<typeof sql<Row>>) => (await query.execute(world.db)).rows
const sessionRows = () =>
  read(sql`select name, session_id, incarnation, end_reason from session join account on account.id = account_id
    order by name, session_id, incarnation`)
const accountRow = (name: string) =>
  world.db.selectFrom('account').selectAll().where('name', '=', name).executeTakeFirstOrThrow()

describe('two accounts', () => {
  let [one, other]: SimulatedAccount[] = []

  beforeEach(async () => {
    one = await world.simulate('one', {}, 1)
    other = await world.simulate('other', {}, 2)
    await world.subscribe()
  })

  const create = (sessionId: string, ...apis: (SimulatedAccount | undefined)[]) => {
    for (const api of apis) if (api) createSession(api.simulator, { userId: sessionId, projectId: 'p', sessionId })
  }
  const tickOf = (api: SimulatedAccount | undefined) => {
    if (!api) throw new Error('no account')
    api.clock.now += 1_000
    return tick(world.db, api.account)
  }

  test('with the same session ids are told apart, and each counts its own positions', async () => {
    create('m1', one, other)
    await tickOf(one)
    await tickOf(other)
    const before = await accountRow('other')
    if (one) closeSession(one.simulator, 'm1')

    const closed = await tickOf(one)
    const again = await tickOf(other)

    expect([closed.outcome, closed.events, again.outcome]).toEqual(['committed', 1, 'unchanged'])
    expect(await sessionRows()).toEqual([
      { name: 'one', session_id: 'm1', incarnation: 1, end_reason: 'reported' },
      { name: 'other', session_id: 'm1', incarnation: 1, end_reason: null },
    ])
    expect(await accountRow('other')).toMatchObject({ position: before.position, digest: before.digest })
    const made = await read(sql<{ name: string; position: number }>`
      select name, delivery.position from delivery join event on event.id = event_id
        join account on account.id = account_id order by delivery.id`)
    expect(made.map(({ name, position }) => `${name} ${position}`)).toEqual(['one 1', 'other 1', 'one 2'])
  })

  test('count the incarnations of an id each for itself, also of one that comes back', async () => {
    for (const id of ['m1', 'm2']) create(id, other)
    await tickOf(other)
    if (other) for (const id of ['m1', 'm2']) closeSession(other.simulator, id)
    await tickOf(other)
    create('m1', one, other)

    await tickOf(one)
    await tickOf(other)

    expect(await sessionRows()).toEqual([
      { name: 'one', session_id: 'm1', incarnation: 1, end_reason: null },
      { name: 'other', session_id: 'm1', incarnation: 1, end_reason: 'reported' },
      { name: 'other', session_id: 'm1', incarnation: 2, end_reason: null },
      { name: 'other', session_id: 'm2', incarnation: 1, end_reason: 'reported' },
    ])
  })

  test('with equal listings: that one has nothing new is not told of the other', async () => {
    await tickOf(one)
    await tickOf(other)
    const before = await accountRow('other')

    const result = await tickOf(one)

    expect(result.outcome).toBe('unchanged')
    expect(await accountRow('other')).toEqual(before)
    expect(await read(sql`select name from snapshot join account on id = account_id order by name`)).toEqual([
      { name: 'one' },
      { name: 'one' },
      { name: 'other' },
    ])
    const after = await accountRow('one')
    expect(after.complete_at).toEqual(after.listed_at)
    expect(Number(after.listed_at)).toBeGreaterThan(Number(before.listed_at))
  })
})

test('a session that changes keeps each of its looks with the time it had it, one after the other', async () => {
  const api = await world.simulate('default', { preparingSeconds: [10, 10] })
  createSession(api.simulator, { userId: 'abc', projectId: 'p', sessionId: 'm1' })
  const times: unknown[] = []
  for (const step of [() => undefined, () => undefined, () => startSession(api.simulator, 'm1')]) {
    step()
    api.clock.now += 6_000
    await tick(world.db, api.account)
    times.push((await accountRow('default')).listed_at)
  }

  const versions = await read(
    sql`select valid_from, valid_to, status, started from session_version order by valid_from`,
  )

  expect(versions).toEqual([
    { valid_from: times[0], valid_to: times[1], status: 3, started: false },
    { valid_from: times[1], valid_to: times[2], status: 1, started: false },
    { valid_from: times[2], valid_to: null, status: 1, started: true },
  ])
})

describe('an account', () => {
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second))
  const unchanged = (accountId: number, rest: { digest?: string; listedAt?: Date } = {}) => ({
    accountId,
    listedAt: at(2),
    digest: 'same',
    answerDigest: 'answer',
    sessionCount: 0,
    durationMs: 1,
    ...rest,
  })
  let id = 0

  beforeEach(async () => {
    id = (await ensureAccount(world.db, 'default')).id
    const to = {
      listedAt: at(1),
      completeAt: at(1),
      digest: 'same',
      fingerprints: null,
      answerDigest: null,
      position: 0,
    }
    await world.db.transaction().execute((tx) => advanceAccount(tx, id, to))
  })

  test('that another tick has locked is given to nobody else, and nobody waits for it', async () => {
    const [ours, theirs, saved] = await world.db.transaction().execute(async (tx) => {
      const locked = await lockAccount(tx, id)
      const second = await world.other.transaction().execute((another) => lockAccount(another, id))
      return [locked, second, await saveUnchanged(world.other, unchanged(id))]
    })

    expect(ours).toMatchObject({ listedAt: at(1) })
    expect([theirs, saved]).toEqual([undefined, false])
  })

  test.each([
    ['an equal, newer listing', {}, true],
    ['another listing', { digest: 'other' }, false],
    ['one that is as old', { listedAt: at(1) }, false],
    ['an older one', { listedAt: at(0) }, false],
  ])('is unchanged by %s: %j is %s', async (_, rest, saved) => {
    expect(await saveUnchanged(world.db, unchanged(id, rest))).toBe(saved)

    const snapshots = await read(sql`select listed_at from snapshot`)
    expect(snapshots).toEqual(saved ? [{ listed_at: at(2) }] : [])
    expect(await accountRow('default')).toMatchObject({ listed_at: at(saved ? 2 : 1), complete_at: at(saved ? 2 : 1) })
  })

  test('that two make at the same time is made once', async () => {
    const isWaiting = async () =>
      (await read(sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`))
        .length > 0
    let second: ReturnType<typeof ensureAccount> | undefined
    await world.db.transaction().execute(async (tx) => {
      await ensureAccount(tx, 'new')
      second = ensureAccount(world.db, 'new')
      await eventually('the second waits', isWaiting)
    })

    expect(await second).toMatchObject({ id: (await accountRow('new')).id })
  })

  test('of which a tick failed at a time that has its snapshot keeps that one', async () => {
    const failure = { accountId: id, listedAt: at(2), durationMs: 1 }
    await saveFailure(world.db, { ...failure, error: 'first' })

    await saveFailure(world.db, { ...failure, error: 'second' })

    expect(await read(sql`select error from snapshot`)).toEqual([{ error: 'first' }])
  })
})

test.each<[string, (tx: Transaction<Database>, endpoint: string) => Promise<unknown>]>([
  ['an account', async (tx) => lockAccount(tx, (await ensureAccount(world.db, 'one')).id)],
  ['all accounts', (tx) => lockAccounts(tx, null)],
  ['an endpoint', (tx, endpoint) => lockEndpoint(tx, endpoint)],
  ['an endpoint alone', (tx, endpoint) => lockEndpoint(tx, endpoint, { alone: true })],
])('whoever is frozen, or stops waiting, with the lock of %s loses it', async (_, lock) => {
  await ensureAccount(world.db, 'one')
  const { id } = await world.subscribe()

  const limits = await world.db.transaction().execute(async (tx) => {
    await lock(tx, id)
    const { rows } = await sql`select current_setting('idle_in_transaction_session_timeout') as idle,
      current_setting('statement_timeout') as statement`.execute(tx)
    return rows
  })

  expect(limits).toEqual([{ idle: '15s', statement: '25s' }])
})
