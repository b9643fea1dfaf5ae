// How much memory does a fresh process need for a tick of 10,000 sessions? The built function, once with every session new and
// once with nothing changed, with an endpoint that wants all events, against a real Postgres and a double of the API.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { migrateToLatest } from '../lib/migrate.ts'
import type { TickResult } from '../lib/reconcile.ts'
import { openDatabase } from '../lib/store/database.ts'
import { addEndpoint } from '../lib/store/endpoint.ts'
import type { ApiDouble } from './api.ts'
import { withPostgres } from './postgres.ts'
import { ROOT, startProgram } from './program.ts'

const SESSIONS = 10_000

const TICK = `
  const before = process.cpuUsage()
  require(process.argv[1]).main_handler({ Type: 'Timer' }, { time_limit_in_ms: 60_000 }).then(({ accounts }) => {
    const { user, system } = process.cpuUsage(before)
    const { maxRSS } = process.resourceUsage()
    console.log('TICK ' + JSON.stringify({ accounts, peakMb: maxRSS / 1024, cpuMs: (user + system) / 1_000 }))
    process.exit(0)
  })`

/** What one tick in a fresh process took at most of memory, and of the processor; infinitely much where it ran out of heap. */
export interface Tick {
  peakMb: number
  cpuMs: number
}

/** `heapMb` null: as Node chooses it. */
export interface FirstTick {
  heapMb: number | null
  everyNew: Tick[]
  unchanged: Tick[]
}

/** So many rounds, each with all limits of the heap in turn. */
export function firstTicks(node: string, heapsMb: (number | null)[], rounds: number): Promise<FirstTick[]> {
  return withPostgres({}, async (url) => {
    const db = openDatabase(url)
    const api = await startProgram<ApiDouble>('api.ts')
    try {
      await migrateToLatest(db)
      await addEndpoint(db, { url: 'http://127.0.0.1:9/', account: null, events: ['*'], description: '' })
      const env = {
        DATABASE_URL: url,
        IVH_BASE_URL: await api.ask('open'),
        IVH_APPKEY: `bench-${SESSIONS}`,
        IVH_ACCESS_TOKEN: 'token',
      }
      const ticks = heapsMb.map((heapMb): FirstTick => ({ heapMb, everyNew: [], unchanged: [] }))
      for (let round = 0; round < rounds; round += 1) {
        for (const { heapMb, everyNew, unchanged } of ticks) {
          const its = { ...env, ROLLCALL_ACCOUNT: `heap-${heapMb}-round-${round}` }
          everyNew.push(await tick(node, heapMb, its, 'committed'))
          const isStored = everyNew.at(-1)?.peakMb !== Infinity
          if (isStored) unchanged.push(await tick(node, heapMb, its, 'unchanged'))
        }
      }
      return ticks
    } finally {
      await Promise.all([api.stop(), db.destroy()])
    }
  })
}

async function tick(
  node: string,
  heapMb: number | null,
  env: Record<string, string>,
  expected: TickResult['outcome'],
): Promise<Tick> {
  const limit = heapMb === null ? [] : [`--max-old-space-size=${heapMb}`]
  const code = [...limit, '-e', TICK, join(ROOT, 'dist/functions/reconcile.js')]
  const { stdout } = await promisify(execFile)(node, code, { env }).catch(noHeap)
  if (stdout === OUT_OF_HEAP) return { peakMb: Infinity, cpuMs: Infinity }
  const told = /^TICK (.*)$/m.exec(stdout)?.[1] ?? '{}'
  const { accounts, ...taken } = JSON.parse(told) as Tick & { accounts?: TickResult[] }
  if (accounts?.[0]?.outcome !== expected) throw new Error(`the tick was not ${expected}: ${stdout}`)
  return taken
}

const OUT_OF_HEAP = 'out of heap'

function noHeap(error: unknown): { stdout: string } {
  if (/heap limit|heap out of memory/.test(String((error as { stderr?: string }).stderr)))
    return { stdout: OUT_OF_HEAP }
  throw error
}
