// What a drain holds, without a database or network: what is sent ends when the test says so.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openPlaces } from '../lib/places.ts'

interface Post {
  endpointId: string
  claims: number[]
  startBy: number
  name: string
}

/** Places, and what is under way in them by name: `end` ends one. */
function places({ concurrency = 10, perEndpoint = 2 } = {}) {
  const ends = new Map<string, (isTaken: boolean) => void>()
  const opened = openPlaces<Post>({
    concurrency,
    perEndpoint,
    send: ({ name }) => new Promise((resolve) => ends.set(name, resolve)),
  })
  const end = async (name: string, isTaken = true) => {
    ends.get(name)?.(isTaken)
    ends.delete(name)
    await Promise.resolve()
  }
  const takeUnsent = () => opened.take().unsent.map(({ name }) => name)
  return { ...opened, end, takeUnsent, underWay: () => [...ends.keys()] }
}

const postsTo = (endpointId: string, count: number, startBy = Infinity): Post[] =>
  Array.from({ length: count }, (_, index) => ({ endpointId, claims: [index], startBy, name: `${endpointId}${index}` }))

test('of what is claimed for one endpoint no more than its places are under way, and the next begins as one ends', async () => {
  const { add, end, underWay } = places()
  add(postsTo('a', 4))
  const before = underWay()

  await end('a0')

  expect(before).toEqual(['a0', 'a1'])
  expect(underWay()).toEqual(['a1', 'a2'])
})

test('no more than all places are taken, whoever waits for them', async () => {
  const { add, end, underWay } = places({ concurrency: 3 })
  add([...postsTo('a', 2), ...postsTo('b', 2), ...postsTo('c', 1)])
  const before = underWay()

  await end('a0')
  await end('b0')

  expect(before).toEqual(['a0', 'a1', 'b0'])
  expect(underWay()).toEqual(['a1', 'b1', 'c0'])
})

test('what waits for an endpoint without a free place does not hold up others', async () => {
  const { add, end, underWay } = places({ concurrency: 3 })
  add([...postsTo('a', 4), ...postsTo('b', 2)])

  await end('b0')

  expect(underWay()).toEqual(['a0', 'a1', 'b1'])
})

test('what has waited too long is not sent when its turn comes, and the next is', async () => {
  const { add, end, underWay, takeUnsent } = places()
  add([...postsTo('a', 3, 0), { endpointId: 'a', claims: [3], startBy: Infinity, name: 'fresh' }])

  await end('a0')

  expect(underWay()).toEqual(['a1', 'fresh'])
  expect(takeUnsent()).toEqual(['a2'])
})

test('what has waited too long is taken for release though nothing ends', () => {
  const { add, count, takeUnsent, underWay } = places()
  add(postsTo('a', 3, 0))

  expect(takeUnsent()).toEqual(['a2'])
  expect(underWay()).toEqual(['a0', 'a1'])
  expect(count()).toBe(2)
})

test('what waits for an endpoint that fails is not sent, nor what a claim gives that did not know; the rest goes on', async () => {
  const { add, end, takeUnsent, underWay } = places()
  add([...postsTo('a', 4), ...postsTo('b', 3)])

  await end('a0', false)
  add([{ endpointId: 'a', claims: [9], startBy: Infinity, name: 'late' }])

  expect(underWay()).toEqual(['a1', 'b0', 'b1'])
  expect(takeUnsent()).toEqual(['a2', 'a3', 'late'])
})

test('an endpoint that failed is sent what is claimed once that is settled', async () => {
  const { add, end, take, underWay } = places()
  add(postsTo('a', 1))
  await end('a0', false)
  take()

  add([{ endpointId: 'a', claims: [9], startBy: Infinity, name: 'probe' }])

  expect(underWay()).toEqual(['probe'])
})

test('places that are free can be claimed for, however much waits for an endpoint that hangs', () => {
  const { add, demand } = places({ concurrency: 10, perEndpoint: 2 })
  add(postsTo('a', 100))

  expect(demand()).toEqual({ held: new Map([['a', { posts: 100, events: 100, ahead: 0 }]]), limit: 8 })
})

test('events count as held until they are taken to be settled', async () => {
  const { add, demand, end, take } = places()
  add([{ endpointId: 'a', claims: [1, 2, 3], startBy: Infinity, name: 'batch' }])
  await end('batch', false)

  const before = demand().held.get('a')
  take()

  expect(before).toEqual({ posts: 0, events: 3, ahead: 0 })
  expect(demand().held.get('a')).toMatchObject({ posts: 0, events: 0 })
})

describe('an endpoint may be claimed ahead for', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  /** An endpoint that takes so many POSTs after so long, of many that may be under way, and what a claim then asks for. */
  async function taking({ posts, afterMs }: { posts: number; afterMs: number }) {
    const opened = places({ concurrency: 1_010, perEndpoint: 1_000 })
    opened.add(postsTo('a', 1_000).concat(postsTo('b', 1)))
    vi.advanceTimersByTime(afterMs)
    for (let index = 0; index < posts; index += 1) await opened.end(`a${index}`)
    opened.take()
    const ask = () => {
      const { held, limit } = opened.demand()
      return { a: held.get('a')?.ahead, b: held.get('b')?.ahead, limit }
    }
    return { ...opened, ask }
  }

  test('as far as it takes in a tenth of a second, only while it takes something', async () => {
    const { ask } = await taking({ posts: 10, afterMs: 50 })
    const first = ask()
    vi.advanceTimersByTime(50)

    const second = ask()

    // 9 places were free and 10 have become so.
    expect(first).toEqual({ a: 20, b: 0, limit: 19 + 20 })
    expect(second).toEqual({ a: 0, b: 0, limit: 19 })
  })

  test('not beyond 400, less what waits', async () => {
    const { add, ask } = await taking({ posts: 300, afterMs: 50 })
    add(postsTo('a', 400))

    // Of them 300 have a place, and 100 wait.
    expect(ask()).toEqual({ a: 400, b: 0, limit: 9 + 300 })
  })

  test('unless it has failed since, or answers slowly: what waits would keep other drains from it', async () => {
    const failed = await taking({ posts: 10, afterMs: 50 })
    await failed.end('a10', false)
    const slow = await taking({ posts: 10, afterMs: 51 })

    expect([failed.ask().a, slow.ask().a]).toEqual([0, 0])
  })
})

test('an endpoint of which nothing is held is forgotten', async () => {
  const { add, demand, end, take } = places()
  add(postsTo('a', 1))
  await end('a0')
  take()

  const [last, later] = [demand().held, demand().held]

  expect([last.has('a'), later.has('a')]).toEqual([true, false])
})

test('who waits is told once one has ended, and then once half has', async () => {
  const { add, end, untilEnded } = places({ perEndpoint: 4 })
  add(postsTo('a', 4))
  let told = false

  const waiting = untilEnded(60_000, 60_000).then((has) => (told = has))
  await end('a0')
  await end('a0')
  const before = told
  await end('a1')
  await waiting

  expect([before, told]).toEqual([false, true])
})

test('who waits for what does not end is told so in time', async () => {
  const { add, untilEnded } = places()
  add(postsTo('a', 1))

  expect(await untilEnded(1, 60_000)).toBe(false)
})

test('nothing that waits is sent once they are closed', async () => {
  const { add, close, end, underWay } = places()
  add(postsTo('a', 3))

  close()
  await end('a0')

  expect(underWay()).toEqual(['a1'])
})
