// What a drain has claimed and not settled yet. It must never have more POSTs under way than there are places, in all or at
// one endpoint: what was claimed ahead waits for a place, so that POSTs need not wait for claims and settles.
import type { Held } from './store/claim.ts'

/** How many POSTs may be under way, in all and at one endpoint, and how one is sent. */
export interface PlacesOptions<Post> {
  concurrency: number
  perEndpoint: number
  /** Gives whether the endpoint took it. Never throws. */
  send: (post: Post) => Promise<boolean>
}

/** The events of one POST. */
interface Placed {
  endpointId: string
  claims: readonly unknown[]
  /** By `performance.now()`: what still waits for a place then is not sent. */
  startBy: number
}

/** What an endpoint takes in this time may be claimed ahead: a few times as long as a settle and a claim take. */
const AHEAD_MS = 100
/**
 * Only an endpoint that answers within it is claimed ahead: of a slower one that would save little, and keep other drains, which
 * cannot tell what waits from what is under way, from having as many under way as they may.
 */
const QUICK_MS = 50
/** POSTs ahead, in all: more would save hardly anything. */
const MOST_AHEAD = 400

/** A drain's places, all free. */
export function openPlaces<Post extends Placed>({ concurrency, perEndpoint, send }: PlacesOptions<Post>) {
  const endpoints = new Map<string, { underWay: number; unsettled: number; took: number }>()
  const failing = new Set<string>()
  let waiting: Post[] = []
  let ended: Post[] = []
  let unsent: Post[] = []
  let underWay = 0
  let askedAt = performance.now()
  let look = () => {}

  const of = (endpointId: string) => {
    const known = endpoints.get(endpointId)
    if (known) return known
    const endpoint = { underWay: 0, unsettled: 0, took: 0 }
    endpoints.set(endpointId, endpoint)
    return endpoint
  }
  const count = () => underWay + waiting.length

  const start = async (post: Post) => {
    const endpoint = of(post.endpointId)
    underWay += 1
    endpoint.underWay += 1
    const startedAt = performance.now()
    const isTaken = await send(post)
    underWay -= 1
    endpoint.underWay -= 1
    ended.push(post)
    if (!isTaken) fail(post.endpointId)
    else if (performance.now() - startedAt <= QUICK_MS) endpoint.took += 1
    startNext()
    look()
  }
  const hasPlace = ({ endpointId }: Post) => underWay < concurrency && of(endpointId).underWay < perEndpoint
  const startNext = () => {
    const index = waiting.findIndex(hasPlace)
    const [next] = index < 0 ? [] : waiting.splice(index, 1)
    if (!next) return
    if (performance.now() <= next.startBy) return void start(next)
    unsent.push(next)
    startNext()
  }
  const withdraw = (isOut: (post: Post) => boolean) => {
    unsent.push(...waiting.filter(isOut))
    waiting = waiting.filter((post) => !isOut(post))
  }
  /** What it gets next is for a claim to say that knows of it. */
  const fail = (endpointId: string) => {
    failing.add(endpointId)
    of(endpointId).took = 0
    withdraw((post) => post.endpointId === endpointId)
  }

  return {
    /** How many are held: under way, waiting, or not taken yet. */
    count: () => count() + ended.length + unsent.length,
    /** Takes what was claimed, and sends each once it has a place; but not to an endpoint that failed meanwhile. */
    add: (posts: readonly Post[]) => {
      for (const post of posts) {
        const endpoint = of(post.endpointId)
        endpoint.unsettled += post.claims.length
        if (failing.has(post.endpointId)) unsent.push(post)
        else if (hasPlace(post)) void start(post)
        else waiting.push(post)
      }
    },
    /** What has ended, to be settled, and what will not be sent, to be released, before `demand` is asked again. */
    take: () => {
      const now = performance.now()
      withdraw((post) => post.startBy < now)
      const taken = { ended, unsent }
      for (const post of [...ended, ...unsent]) of(post.endpointId).unsettled -= post.claims.length
      ended = []
      unsent = []
      failing.clear()
      return taken
    },
    /** What a claim is to ask for, in POSTs. */
    demand: (): { held: ReadonlyMap<string, Held>; limit: number } => {
      const now = performance.now()
      const share = AHEAD_MS / Math.max(1, now - askedAt)
      askedAt = now
      const held = new Map<string, Held>()
      const waitingOf = new Map<string, number>()
      for (const { endpointId } of waiting) waitingOf.set(endpointId, (waitingOf.get(endpointId) ?? 0) + 1)
      let allAhead = 0
      for (const [endpointId, endpoint] of endpoints) {
        const posts = endpoint.underWay + (waitingOf.get(endpointId) ?? 0)
        const ahead = Math.min(Math.floor(endpoint.took * share), MOST_AHEAD)
        allAhead += ahead
        held.set(endpointId, { posts, events: endpoint.unsettled, ahead })
        endpoint.took = 0
        if (posts === 0 && endpoint.unsettled === 0) endpoints.delete(endpointId)
      }
      const room = Math.max(0, Math.min(allAhead, MOST_AHEAD) - waiting.length)
      return { held, limit: concurrency - underWay + room }
    },
    /** Waits until one has ended, or so long; then for more of them, but not once half has ended. Gives whether one has. */
    untilEnded: async (ms: number, collectMs: number): Promise<boolean> => {
      const half = count() / 2
      const until = (holds: () => boolean, atMostMs: number) =>
        new Promise<void>((resolve) => {
          if (holds()) return resolve()
          const timer = setTimeout(resolve, atMostMs)
          look = () => {
            if (!holds()) return
            clearTimeout(timer)
            resolve()
          }
        })
      const hasEnded = () => ended.length + unsent.length > 0
      await until(hasEnded, ms)
      if (!hasEnded()) return false
      await until(() => count() <= half, collectMs)
      return true
    },
    /** Sends no more. */
    close: () => {
      waiting = []
    },
  }
}
