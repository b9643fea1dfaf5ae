// A tick and a drain, each the built bundle in a process of its own, are killed at every point at which they send something
// over the network, be it to Postgres, to the API or to a receiver; then they run again. Tencent's API is the simulator.
import { join } from 'node:path'
import { sql } from 'kysely'
import pMap from 'p-map'
import { beforeAll, expect, test } from 'vitest'
import { LEASE_MS } from '../../lib/core/retry.ts'
import { drain } from '../../lib/deliver.ts'
import { tick } from '../../lib/reconcile.ts'
import { invokeBundle } from '../support/bundle.ts'
import { eventually } from '../support/receiver.ts'
import { loopbackPoster } from '../support/world.ts'
import { type Brink, brink, tickTwice, visible } from './brink.ts'
import { tornApart } from './judge.ts'
import { NOBODY_ELSE, ORACLES } from './oracles.ts'

const PRELOAD = join(import.meta.dirname, 'kill-at.cjs')
const WHENS = ['before', 'after'] as const
const AT_ONCE = 3

/** Runs a function in a process of its own that is killed at its `at`-th point; gives whether it came that far. */
async function killAt(name: string, { api }: Brink, when: string, at: number): Promise<boolean> {
  const env = { ...api.env, LOG_LEVEL: 'error', KILL: `${when} ${at}` }
  const { thrown, signal } = await invokeBundle(name, env, { preload: PRELOAD })
  if (signal === null && thrown !== undefined) throw new Error(thrown)
  return signal === 'SIGKILL'
}

/** Does it for each point from the first on, until a process has come to its end; gives how many there were. */
async function atEveryPoint(one: (at: number) => Promise<boolean>): Promise<number> {
  let points = Infinity
  const numbers = function* () {
    for (let at = 1; at <= points; at += 1) yield at
  }
  await pMap(numbers(), async (at) => (await one(at)) || (points = Math.min(points, at - 1)), { concurrency: AT_ONCE })
  return points
}

let expected: unknown

beforeAll(async () => {
  const here = await brink()
  await tickTwice(here)
  expected = await visible(here.world)
  await here.world.close()
})

test.each(WHENS)(
  'a tick killed right %s anything it sends, and run again, tells the same',
  async (when) => {
    const points = await atEveryPoint(async (at) => {
      const here = await brink()
      const killed = await killAt('reconcile', here, when, at)
      await tickTwice(here)

      expect([at, await visible(here.world)]).toEqual([at, expected])
      await here.world.close()
      return killed
    })

    console.log(`kill: a tick was killed ${when} each of ${points} writes to the network`)
    expect(points).toBeGreaterThan(15)
  },
  300_000,
)

test.each(WHENS)(
  'a drain killed right %s anything it sends, and run again, delivers all, in order, and repeats only what it had claimed',
  async (when) => {
    let repetitions = 0
    const points = await atEveryPoint(async (at) => {
      // What comes after a refused event in its lane has to wait for it.
      const here = await brink((_, count) => (count === 1 ? 500 : 204))
      const { world, api, receiver } = here
      await tick(world.db, api.account)
      const killed = await killAt('webhook', here, when, at)
      const pending = world.db.selectFrom('delivery').select('event_id').where('state', '=', 'pending')
      const claimed = await pending.where('attempts', '>', 0).execute()
      await eventually('everything is delivered', async () => {
        // As if a lease's time were over; the last statement of the killed one may still be under way in the server.
        const inLease = sql<boolean>`due_at <= now() + ${LEASE_MS} * interval '1 millisecond'`
        await sql`update delivery set due_at = now() where state = 'pending' and ${inLease}`.execute(world.db)
        await drain(world.db, loopbackPoster(), { timeMs: 20_000 })
        return (await pending.execute()).length === 0
      })

      const requests = receiver.received.map((one, index) => {
        return { ...one, endpoint: 'only', answered: index === 0 ? 500 : 204 }
      })
      const { truth } = api.simulator
      const evidence = {
        truth,
        now: api.clock.now,
        listings: [],
        statFailed: false,
        requests,
        witness: 'only',
        ...NOBODY_ELSE,
      }
      const breaches = [...Object.values(ORACLES).flatMap((oracle) => oracle(evidence)), ...(await tornApart(world.db))]
      const ids = requests.filter(({ answered }) => answered === 204).map(({ id }) => id)
      const repeated = ids.filter((id, index) => ids.indexOf(id) !== index)
      const isClaimed = (id: string) => claimed.some(({ event_id }) => event_id === id)
      expect([at, breaches, new Set(ids).size]).toEqual([at, [], 9])
      expect([at, repeated.filter((id) => !isClaimed(id)), repeated.length]).toEqual([at, [], new Set(repeated).size])
      repetitions += repeated.length
      await world.close()
      return killed
    })

    console.log(
      `kill: a drain was killed ${when} each of ${points} writes to the network; ${repetitions} POSTs were repeated`,
    )
    expect(points).toBeGreaterThan(15)
  },
  300_000,
)
