// Removals against a real Postgres; where something is sent, to real receivers on loopback.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain } from '../../lib/deliver.ts'
import type { Verdict } from '../../lib/core/retry.ts'
import type { Claim } from '../../lib/store/claim.ts'
import { addEndpoint, BEING_REMOVED, removeEndpoint, showEndpoint, updateEndpoint } from '../../lib/store/endpoint.ts'
import { settle } from '../../lib/store/settle.ts'
import { disableEndpoint, enableEndpoint } from '../../lib/store/endpoint-state.ts'
import { claimAll } from '../support/claim.ts'
import { eventually } from '../support/receiver.ts'
import { seed } from '../support/seed.ts'
import { loopbackPoster, openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const settleAs = (claim: Claim, verdict: Verdict) =>
  settle(world.db, [
    {
      claim,
      sentAt: new Date(),
      durationMs: 1,
      outcome: { kind: 'answered', status: 410, retryAfterMs: null },
      verdict,
    },
  ])
const add = async () => (await addEndpoint(world.db, { url: 'http://127.0.0.1:9/', events: ['*'] })).id

describe('a removal', () => {
  test('takes all deliveries along, however many, and those of others stay', async () => {
    const [id, bystander] = [await add(), await add()]
    await seed(world.db, { sessions: 5_500, perSession: 2 })
    await claimAll(world.db)

    await removeEndpoint(world.db, id)

    expect(await world.db.selectFrom('endpoint').select('id').execute()).toEqual([{ id: bystander }])
    const { rows } = await sql<{ endpoint: string; count: number }>`
      select endpoint_id as endpoint, count(*)::integer as count from delivery group by 1`.execute(world.db)
    expect(rows).toEqual([{ endpoint: bystander, count: 11_000 }])
  })

  test('goes in steps that let a tick between them, and what the tick makes meanwhile goes along', async () => {
    const id = await add()
    await seed(world.db, { sessions: 10_001 })
    const [last] = await world.db.selectFrom('delivery').select('id').orderBy('id', 'desc').limit(1).execute()
    let removing: Promise<void> | undefined
    let claimed: unknown
    // Somebody has the last delivery: the removal is held up within its last step.
    await world.db.transaction().execute(async (tx) => {
      await sql`select from delivery where id = ${last?.id ?? 0} for update`.execute(tx)
      removing = removeEndpoint(world.db, id)
      await eventually('the first steps are done', async () => {
        const { count } = await world.other
          .selectFrom('delivery')
          .select(sql<number>`count(*)::integer`.as('count'))
          .executeTakeFirstOrThrow()
        return count === 1
      })
      // A tick that had to wait for it would fail.
      await seed(world.other, { sessions: 3 })
      claimed = await claimAll(world.db)
    })
    await removing

    // What is being forgotten is not sent any more.
    expect(claimed).toEqual([])
    expect(await world.db.selectFrom('endpoint').select('id').execute()).toEqual([])
    expect(await world.db.selectFrom('delivery').select('id').execute()).toEqual([])
  })

  test('that was stopped halfway can be done again, and meanwhile nobody gets half of their events', async () => {
    const id = await add()
    await seed(world.db, { sessions: 5_001 })
    const [last] = await world.db.selectFrom('delivery').select('id').orderBy('id', 'desc').limit(1).execute()
    await world.db.transaction().execute(async (tx) => {
      await sql`select from delivery where id = ${last?.id ?? 0} for update`.execute(tx)
      await expect(removeEndpoint(world.other, id)).rejects.toThrow(/lock timeout/)
    })

    await expect(enableEndpoint(world.db, id, 'all')).rejects.toThrow(/half removed: `rollcall endpoint remove/)
    await removeEndpoint(world.db, id)

    expect(await world.db.selectFrom('endpoint').select('id').execute()).toEqual([])
  })

  test.each<[string, (claims: Claim[]) => Promise<unknown>]>([
    ['somebody disables it', ([claim]) => disableEndpoint(world.db, claim!.endpointId, 'by a test')],
    ['what was under way says that it is gone', ([claim]) => settleAs(claim!, { kind: 'disable', reason: 'gone' })],
  ])('that was stopped halfway is not forgotten when %s', async (_, meanwhile) => {
    const id = await add()
    await seed(world.db, { sessions: 1 })
    const claims = await claimAll(world.db)
    await world.db.transaction().execute(async (tx) => {
      await sql`select from delivery for update`.execute(tx)
      await expect(removeEndpoint(world.other, id)).rejects.toThrow(/lock timeout/)
    })

    await meanwhile(claims)

    expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'paused', stateReason: BEING_REMOVED })
    await expect(enableEndpoint(world.db, id, 'all')).rejects.toThrow(/half removed/)
  })

  test('under drains that send and fail disturbs none of them, and others get everything', async () => {
    const removed = await world.subscribe({}, (_, count) => (count % 3 === 0 ? 500 : 204))
    const bystander = await world.subscribe({})
    await updateEndpoint(world.db, bystander.id, { batchSize: 500 })
    await seed(world.db, { sessions: 6_000 })
    const poster = loopbackPoster()

    const draining = Promise.all([
      drain(world.db, poster, { timeMs: 30_000 }),
      drain(world.other, poster, { timeMs: 30_000 }),
    ])
    await eventually('some of it was sent', () => removed.received.length > 5)
    await removeEndpoint(world.db, removed.id)
    await draining

    expect(await world.db.selectFrom('endpoint').select('id').execute()).toEqual([{ id: bystander.id }])
    expect(await showEndpoint(world.db, bystander.id)).toMatchObject({ pending: 0, dead: 0 })
    const ids = bystander.received.flatMap(({ body }) =>
      ([JSON.parse(body)].flat() as { id: string }[]).map((one) => one.id),
    )
    expect(new Set(ids).size).toBe(6_000)
  })
})
