import type { Kysely } from 'kysely'
import { addressGuard } from '../../lib/address.ts'
import type { EventType } from '../../lib/core/event.ts'
import { createSimulator, type Settings, type Simulator } from '../../lib/local/simulator/simulator.ts'
import { serveSimulator } from '../../lib/local/simulator/server.ts'
import { openPoster } from '../../lib/post.ts'
import type { Account } from '../../lib/reconcile.ts'
import type { Database } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { openImpatient, testDatabase, type TestDatabase } from './database.ts'
import { openReceiver, type Receiver, type Reply, type Received } from './receiver.ts'

/** A poster that may reach loopback, where every test's receivers are. */
export const loopbackPoster = () => openPoster(addressGuard(['127.0.0.0/8']))

/** The API's clock of a test, set by hand: milliseconds since 1970. */
export interface Clock {
  now: number
}

export interface SimulatedAccount {
  account: Account
  simulator: Simulator
  clock: Clock
  /** What functions and the command line need to work on it, in this world's database. */
  env: Record<string, string>
}

/** Everything a test opened; `close` ends it. */
export interface World extends TestDatabase {
  /** Somebody else's connections, who fails where they have to wait for a lock for 2 s. */
  other: Kysely<Database>
  /** Serves a simulated account whose time stands still until `clock.now` is moved. */
  simulate(name: string, settings?: Partial<Settings>, seed?: number): Promise<SimulatedAccount>
  /** Registers a receiver for events; `id` is the endpoint's. */
  subscribe(
    options?: { events?: (EventType | '*')[]; account?: string; rate?: number; batchSize?: number },
    reply?: (request: Received, count: number) => Reply,
  ): Promise<Receiver & { id: string }>
  close(): Promise<void>
}

/** A database of its own, and what a test adds to it. */
export async function openWorld(): Promise<World> {
  const database = await testDatabase()
  const other = openImpatient(database.url)
  const undo: (() => Promise<void>)[] = [() => database.drop(), () => other.destroy()]
  return {
    ...database,
    other,
    simulate: async (name, settings = {}, seed = 1) => {
      const clock = { now: Date.parse('2026-01-01T00:00:00Z') }
      const simulator = createSimulator({ seed, now: () => clock.now, settings })
      const server = await serveSimulator(simulator)
      undo.push(() => server.close())
      const { appkey, accessToken } = simulator
      const env = {
        DATABASE_URL: database.url,
        IVH_BASE_URL: server.url,
        IVH_APPKEY: appkey,
        IVH_ACCESS_TOKEN: accessToken,
        WEBHOOK_ALLOW: '127.0.0.0/8',
      }
      return { account: { name, api: { baseUrl: server.url, appkey, accessToken } }, simulator, clock, env }
    },
    subscribe: async (options = {}, reply) => {
      const receiver = await openReceiver(reply)
      undo.push(() => receiver.close())
      const endpoint = { account: null, events: ['*'], description: '', ...options, url: receiver.url }
      const added = await addEndpoint(database.db, endpoint)
      receiver.secrets.push(added.secret)
      return Object.assign(receiver, { id: added.id })
    },
    close: async () => {
      for (const step of undo.reverse()) await step()
    },
  }
}
