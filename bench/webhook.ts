// The webhook function as the platform runs it: an invocation goes to an instance that is free, or to a new one. All
// instances are in this one process, each with connections of its own; that starting one takes time is left out.
import type { KyselyPlugin } from 'kysely'
import { addressGuard } from '../lib/address.ts'
import { drain } from '../lib/deliver.ts'
import { openPoster } from '../lib/post.ts'
import { openDatabase } from '../lib/store/database.ts'
import { answer } from './program.ts'

const [databaseUrl = '', most = 'Infinity'] = process.argv.slice(2)
const TIME_MS = 60_000

let dnsServers: string[] | undefined
let statements = 0
let drains = 0
let instances = 0
/** Invocations that found all instances busy, of which there are `most`. SCF would try them again, a minute later (583/41138). */
let throttled = 0
/** Of the loop that is to go on. */
let looping: AbortController | undefined
const running = new Set<Promise<unknown>>()
let failure: unknown

const counting: KyselyPlugin = {
  transformQuery: ({ node }) => {
    statements += 1
    return node
  },
  transformResult: async ({ result }) => result,
}

type Instance = ReturnType<typeof openInstance>
const openInstance = () => {
  instances += 1
  return { db: openDatabase(databaseUrl).withPlugin(counting), poster: open() }
}
const open = () => openPoster(addressGuard(['127.0.0.0/8']), dnsServers)
const free: Instance[] = []

async function drainOnce(): Promise<void> {
  const instance = free.pop() ?? (instances < Number(most) ? openInstance() : undefined)
  if (!instance) {
    throttled += 1
    return
  }
  drains += 1
  await drain(instance.db, instance.poster, { timeMs: TIME_MS })
  // The one used last is the warmest.
  free.push(instance)
}

function run(work: Promise<void>): void {
  const ended = work.catch((error: unknown) => (failure ??= error)).finally(() => running.delete(ended))
  running.add(ended)
}

async function loop({ signal }: AbortController): Promise<void> {
  while (!signal.aborted) await drainOnce()
}

const questions = {
  /** Has so many instances free, with what they need to begin at once. */
  warm: async (count: number) => {
    free.push(...Array.from({ length: Math.max(0, count - instances) }, openInstance))
    await Promise.all(Array.from({ length: free.length }, drainOnce))
  },
  /** As the reconcile function does after a commit. */
  invoke: () => run(drainOnce()),
  /** One instance, invoked again whenever it has ended. */
  loop: () => {
    looping = new AbortController()
    run(loop(looping))
  },
  /** From now on names are resolved by this DNS server only. */
  resolveBy: (server: string) => {
    dnsServers = [server]
    for (const instance of free) instance.poster = open()
  },
  counts: () => ({ statements, drains, running: running.size, instances, throttled }),
  /** Waits for what is under way. */
  rest: async () => {
    looping?.abort()
    while (running.size > 0) await Promise.all(running)
    if (failure instanceof Error) throw failure
  },
}
export type Webhook = typeof questions

answer(questions)
