// What delivering costs Postgres, counted at the driver, over a real Postgres and a real receiver on loopback.
import pg from 'pg'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { drain } from '../lib/deliver.ts'
import { seed } from './support/seed.ts'
import { loopbackPoster, openWorld, type World } from './support/world.ts'

let world: World
const statements = vi.spyOn(pg.Client.prototype, 'query')

beforeEach(async () => void (world = await openWorld()))
afterEach(() => world.close())
afterAll(() => statements.mockRestore())

test(
  'a thousand deliveries to one endpoint take at most a tenth of a statement each, and never more than eight at once',
  { retry: 5 },
  async () => {
    let [now, most] = [0, 0]
    const receiver = await world.subscribe({}, () => (response) => {
      now += 1
      most = Math.max(most, now)
      setImmediate(() => {
        now -= 1
        response.writeHead(204).end()
      })
    })
    await seed(world.db, { sessions: 1_000 })
    statements.mockClear()

    const result = await drain(world.db, loopbackPoster(), { timeMs: 60_000 })

    expect(result).toEqual({ claimed: 1_000, delivered: 1_000, retried: 0, dead: 0 })
    expect(receiver.received).toHaveLength(1_000)
    expect(most).toBe(8)
    // A hundredth each where nothing else runs; while a machine is busy fewer POSTs end together, hence the retries.
    expect(statements.mock.calls.length).toBeLessThanOrEqual(100)
  },
)
