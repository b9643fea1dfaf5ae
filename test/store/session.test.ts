// What a tick reads of an account's sessions. Tencent's API is the simulator.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { closeSession, createSession } from '../../lib/local/simulator/simulator.ts'
import { tick } from '../../lib/reconcile.ts'
import { ensureAccount } from '../../lib/store/account.ts'
import { readKnown } from '../../lib/store/session.ts'
import { item, listing } from '../core/build.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

test('of all that ever ended, only the ids that the listing names are read', async () => {
  const { simulator, account, clock } = await world.simulate('default')
  for (const id of ['m1', 'm2', 'm3']) createSession(simulator, { userId: id, projectId: 'p', sessionId: id })
  await tick(world.db, account)
  for (const id of ['m1', 'm2']) closeSession(simulator, id)
  clock.now += 1_000
  await tick(world.db, account)
  const { id } = await ensureAccount(world.db, 'default')

  const known = await readKnown(world.db, id, listing([item('m1', 1), item('m3', 1), item('m4', 1)]))

  expect(known.open.map((session) => session.id)).toEqual(['m3'])
  expect(known.ended).toEqual(new Map([['m1', 1]]))
})
