// What contestants have in common: how they are asked, what is measured of them, and the POST of those that have none.
import { setTimeout as sleep } from 'node:timers/promises'
import { sign } from '../../lib/core/signature.ts'
import { openAgents, send } from '../../lib/http.ts'
import type { Target, Terms } from './work.ts'

/** What a contestant answers, in a process of its own. */
export interface Contestant {
  /** Makes what it needs in the database; once. */
  open(databaseUrl: string): Promise<void>
  /** So many deliveries become due, to these endpoints, and nothing else is. */
  fill(deliveries: number, targets: Target[], terms: Terms): Promise<void>
  /** Makes them. Throws when one is left over. */
  drain(): Promise<Drained>
  close(): Promise<void>
}

export interface Drained {
  ms: number
  statements: number
  /** Bytes of memory once a quarter of the time was over, and at the end. */
  quarterRss: number
  endRss: number
}

let statements = 0

/** From now on the statements count that clients of this kind send. Packages may have their own copy of pg. */
export function countStatements(Client: { prototype: object }): void {
  const query = Reflect.get(Client.prototype, 'query') as (...args: unknown[]) => unknown
  Reflect.set(Client.prototype, 'query', function count(this: unknown, ...args: unknown[]) {
    statements += 1
    return query.apply(this, args)
  })
}

const SAMPLE_MS = 50

/** Does the work and measures it, with the statements that were sent meanwhile. */
export async function measured(work: () => Promise<unknown>): Promise<Drained> {
  const rss = [process.memoryUsage.rss()]
  const sampling = setInterval(() => rss.push(process.memoryUsage.rss()), SAMPLE_MS)
  const [beganAt, before] = [performance.now(), statements]
  try {
    await work()
  } finally {
    clearInterval(sampling)
  }
  const ms = performance.now() - beganAt
  const quarterRss = rss[Math.floor(rss.length / 4)] ?? 0
  return { ms, statements: statements - before, quarterRss, endRss: process.memoryUsage.rss() }
}

/** Does so many pieces of work, by number, so many at once. */
export async function inTurn(count: number, atOnce: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const line = async () => {
    while (next < count) {
      const index = next
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, line))
}

/** The headers of Rollcall's POST with one event. */
export function headersOf({ secret }: Target, id: string, body: string): Record<string, string> {
  return {
    'user-agent': 'Bench',
    'content-type': 'application/cloudevents+json',
    ...sign(id, new Date(), body, [secret]),
  }
}

const agents = openAgents()
const urls = new Map<string, URL>()

/** One POST by Rollcall's own HTTP client and signature, for whoever has none. Throws unless it is answered 2xx. */
export async function postSigned(target: Target, id: string, body: string): Promise<void> {
  const url = urls.get(target.url) ?? new URL(target.url)
  urls.set(target.url, url)
  const headers = headersOf(target, id, body)
  const { status } = await send(agents, url, { method: 'POST', headers, body, deadlineMs: 15_000, maxBytes: 16_384 })
  if (status >= 300) throw new Error(`answered ${status}`)
}

/** Waits until it holds; looks often, for a contestant that does not tell when it is done. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(1)
}
