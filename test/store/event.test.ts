// The fan-out of a tick against a real Postgres. Tencent's API is the simulator.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sql } from 'kysely'
import { createSession } from '../../lib/local/simulator/simulator.ts'
import { tick, type TickResult } from '../../lib/reconcile.ts'
import { eventually } from '../support/receiver.ts'
import { openWorld, type SimulatedAccount, type World } from '../support/world.ts'

let world: World
let api: SimulatedAccount

beforeEach(async () => {
  world = await openWorld()
  api = await world.simulate('default')
})
afterEach(() => world.close())

const create = (userId: string) => createSession(api.simulator, { userId, projectId: 'p' })

test('an endpoint that is being removed when its deliveries are made costs the tick nothing but those', async () => {
  const { id } = await world.subscribe()
  await world.subscribe()
  create('abc')
  const isWaiting = async () =>
    (
      await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(world.db)
    ).rows.length > 0

  let ticking: Promise<TickResult> | undefined
  await world.db.transaction().execute(async (tx) => {
    await sql`delete from endpoint where id = ${id}`.execute(tx)
    ticking = tick(world.db, api.account)
    await eventually('the tick waits', isWaiting)
  })

  expect(await ticking).toMatchObject({ outcome: 'committed', events: 1, deliveries: 1 })
})

test('a tick with more events than one statement appends has them all, in order', async () => {
  await world.subscribe()
  api.simulator.settings.capacity = 2_001
  for (let user = 0; user < 2_001; user += 1) create(String(user))

  const result = await tick(world.db, api.account)

  const stored = await world.db.selectFrom('event').select(['position', 'revision']).orderBy('position').execute()
  expect(result).toMatchObject({ outcome: 'committed', events: 2_001, deliveries: 2_001 })
  expect(stored).toEqual(Array.from({ length: 2_001 }, (_, index) => ({ position: index + 1, revision: 1 })))
})

test('deliveries are made in the order of positions, at every endpoint', async () => {
  await world.subscribe()
  await world.subscribe()
  for (const user of ['a', 'b', 'c', 'd']) create(user)
  await tick(world.db, api.account)

  const made = await world.db.selectFrom('delivery').select('position').orderBy('id').execute()

  expect(made.map(({ position }) => position)).toEqual([1, 1, 2, 2, 3, 3, 4, 4])
})

test('an endpoint gets the types it names, of the account it names', async () => {
  const several = await world.subscribe({ events: ['session.created', 'session.ready'] })
  const single = await world.subscribe({ events: ['session.ready'] })
  const own = await world.subscribe({ account: 'default' })
  const foreign = await world.subscribe({ account: 'other' })
  create('abc')
  await tick(world.db, api.account)
  api.clock.now += 60_000
  await tick(world.db, api.account)

  const { rows } = await sql<{ endpoint: string; types: string[] }>`
    select endpoint_id as endpoint, array_agg(type order by delivery.position) as types
    from delivery join event on event.id = event_id group by 1`.execute(world.db)

  const of = ({ id }: { id: string }) => rows.find(({ endpoint }) => endpoint === id)?.types ?? []
  expect(of(several)).toEqual(['session.created', 'session.ready'])
  expect(of(single)).toEqual(['session.ready'])
  expect(of(own)).toEqual(['session.created', 'session.ready'])
  expect(of(foreign)).toEqual([])
})
