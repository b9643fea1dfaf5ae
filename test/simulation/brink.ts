// A world right before a tick or a drain that has something of everything to do, and what can be seen of it afterwards:
// for tests that stop the one or the other at every point.
import { sql } from 'kysely'
import { closeSession, createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { tick } from '../../lib/reconcile.ts'
import { eventually } from '../support/receiver.ts'
import { openWorld, type SimulatedAccount, type World } from '../support/world.ts'

export interface Brink {
  world: World
  api: SimulatedAccount
  receiver: Awaited<ReturnType<World['subscribe']>>
}

/** A world at the brink of a tick that has something of everything to tell: a start, an end, a readiness, a new session. */
export async function brink(reply?: Parameters<World['subscribe']>[1]): Promise<Brink> {
  const world = await openWorld()
  const api = await world.simulate('default', { preparingSeconds: [10, 10] })
  const receiver = await world.subscribe({}, reply)
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

/** Two ticks to their end, whoever was stopped before them. */
export async function tickTwice({ world, api }: Brink): Promise<void> {
  // The server may take a moment to notice that the one who held the lock is gone.
  const again = async () => (await tick(world.db, api.account)).outcome !== 'skipped'
  await eventually('the lock is free', again)
  await eventually('a second tick is done', again)
}

/** Everything a consumer or a report can see, but for times and random ids. */
export async function visible({ db }: World): Promise<unknown> {
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
    // What failed or found nothing new differs with who was stopped when.
    snapshots:
      await rows(sql`select session_count, created_count, ready_count, started_count, closed_count, failed_count
      from snapshot where outcome = 'committed' order by listed_at`),
  }
}
