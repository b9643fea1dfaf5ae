// A tick and a drain are stopped at every point between two statements, found by running them once and counting; then they
// run again. Whatever the point, the end is the same. Tencent's API is the simulator.
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drain } from '../../lib/deliver.ts'
import { closeSession, createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { tick } from '../../lib/reconcile.ts'
import type { Database } from '../../lib/store/database.ts'
import { eventually } from '../support/receiver.ts'
import { loopbackPoster, openWorld, type SimulatedAccount, type World } from '../support/world.ts'
import { type Fate, Killed, startActor } from './actor.ts'

/** Works until its `at`-th statement (from 1), which meets its fate; gives how many statements there were. */
async function workUntil(url: string, work: (db: Kysely<Database>) => Promise<unknown>, at: number, fate: Fate) {
  let thrown: unknown
  const actor = startActor('work', url, work, (_, error) => (thrown = error))
  let statements = 0
  while (!actor.done) {
    await actor.settled(5_000)
    if (actor.waitsAt() === undefined) continue
    statements += 1
    actor.proceed(statements === at ? fate : 'go on')
  }
  if (thrown instanceof Error && !(thrown instanceof Killed)) throw thrown
  return statements
}

/** A world at the brink of a tick that has something of everything to tell: a start, an end, a readiness, a new session. */
async function brink(): Promise<{
  world: World
  api: SimulatedAccount
  receiver: Awaited<ReturnType<World['subscribe']>>
}> {
  const world = await openWorld()
  const api = await world.simulate('default', { preparingSeconds: [10, 10] })
  const receiver = await world.subscribe()
  const { simulator, clock } = api
  const create = (userId: string) => {
    const created = createSession(simulator, { userId, projectId: 'p' })
    return 'ok' in created ? created.ok.id : ''
  }
  const [started = '', closed = ''] = ['started', 'closed'].map(create)
  clock.now += 11_000
  create('ready')
  await tick(world.db, api.account)
  startSession(simulator, started)
  closeSession(simulator, closed)
  clock.now += 11_000
  create('new')
  return { world, api, receiver }
}

/** Everything a consumer or a report can see, but for times and random ids. */
async function visible({ db }: World): Promise<unknown> {
  const rows = async (query: ReturnType<typeof sql>) => (await query.execute(db)).rows
  return {
    events: await rows(sql`select position, type, session_id, event.revision from event
      join session on session.id = incarnation_id order by position`),
    sessions: await rows(sql`select session_id, incarnation, status, started, revision, end_reason, missing_times
      from session order by session_id`),
    versions: await rows(sql`select session_id, version.status, version.started, valid_to is null as open
      from session_version version join session on session.id = incarnation_id order by session_id, valid_from`),
    deliveries: await rows(sql`select position, delivery.state from delivery order by position`),
    account: await rows(sql`select position from account`),
  }
}

const tickOf = (api: SimulatedAccount) => (db: Kysely<Database>) => tick(db, api.account)

describe('a tick', () => {
  let points = 0
  let expected: unknown

  beforeAll(async () => {
    const { world, api } = await brink()
    points = await workUntil(world.url, tickOf(api), 0, 'go on')
    await tick(world.db, api.account)
    expected = await visible(world)
    await world.close()
  })
  afterAll(() => console.log(`crash: a tick was stopped before and after each of ${points} statements`))

  test.each(['die before', 'die after'] as const)(
    'stopped at any statement (%s) and run again tells the same',
    async (fate) => {
      expect(points).toBeGreaterThan(8)
      for (let at = 1; at <= points; at += 1) {
        const { world, api } = await brink()
        await workUntil(world.url, tickOf(api), at, fate)
        // The server may take a moment to notice that the one who held the lock is gone.
        const again = async () => (await tick(world.db, api.account)).outcome !== 'skipped'
        await eventually('the lock is free', again)
        await eventually('a second tick is done', again)

        expect([at, await visible(world)]).toEqual([at, expected])
        await world.close()
      }
    },
    120_000,
  )
})

describe('a drain', () => {
  const drainOf = (db: Kysely<Database>) => drain(db, loopbackPoster(), { timeMs: 60_000 })
  let points = 0

  beforeAll(async () => {
    const { world, api } = await brink()
    await tick(world.db, api.account)
    points = await workUntil(world.url, drainOf, 0, 'go on')
    await world.close()
  })
  afterAll(() => console.log(`crash: a drain was stopped before and after each of ${points} statements`))

  test.each(['die before', 'die after'] as const)(
    'stopped at any statement (%s) and run again delivers all, in order',
    async (fate) => {
      expect(points).toBeGreaterThan(4)
      for (let at = 1; at <= points; at += 1) {
        const { world, api, receiver } = await brink()
        await tick(world.db, api.account)
        await workUntil(world.url, drainOf, at, fate)
        await sql`update delivery set due_at = now() where state = 'pending'`.execute(world.db)
        await drainOf(world.db)

        const first = receiver.received.filter(({ id }, index, all) => all.findIndex((one) => one.id === id) === index)
        const pending = await world.db.selectFrom('delivery').select('id').where('state', '<>', 'delivered').execute()
        expect([at, pending]).toEqual([at, []])
        expect([at, first.length]).toEqual([at, 9])
        for (const subject of new Set(first.map(({ event }) => event.subject))) {
          const revisions = first
            .filter(({ event }) => event.subject === subject)
            .map(({ event }) => event.data.revision)
          expect([at, revisions]).toEqual([at, revisions.map((_, index) => index + 1)])
        }
        await world.close()
      }
    },
    120_000,
  )
})
