// A tick and a drain are stopped at every point between two statements, found by running them once and counting; then they
// run again. Whatever the point, the end is the same. Tencent's API is the simulator.
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drain } from '../../lib/deliver.ts'
import { tick } from '../../lib/reconcile.ts'
import type { Database } from '../../lib/store/database.ts'
import { loopbackPoster, type SimulatedAccount } from '../support/world.ts'
import { type Fate, Killed, startActor } from './actor.ts'
import { brink, tickTwice, visible } from './brink.ts'

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
        const here = await brink()
        const { world, api } = here
        await workUntil(world.url, tickOf(api), at, fate)
        await tickTwice(here)

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
