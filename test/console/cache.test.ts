import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openCache } from '../../lib/console/cache.ts'

const counting = () => {
  let reads = 0
  return { read: () => Promise.resolve((reads += 1)), count: () => reads }
}

it('who asks within the time shares one read, and who asks later gets another', async () => {
  const clock = { now: 1_000 }
  const cached = openCache(() => clock.now)
  const { read, count } = counting()

  const together = await Promise.all([cached('a', { forMs: 100 }, read), cached('a', { forMs: 100 }, read)])
  clock.now += 99
  const soon = await cached('a', { forMs: 100 }, read)
  clock.now += 1
  const late = await cached('a', { forMs: 100 }, read)
  const other = await cached('b', { forMs: 100 }, read)

  expect([together, soon, late, other, count()]).toEqual([[1, 1], 1, 2, 3, 3])
})

it('a read that takes longer than it is kept is shared all the same, and kept from its end on', async () => {
  const clock = { now: 0 }
  const cached = openCache(() => clock.now)
  const { read, count } = counting()
  let end = () => {}
  const slow = async () => {
    await new Promise<void>((resolve) => (end = resolve))
    return read()
  }

  const first = cached('a', { forMs: 100 }, slow)
  clock.now = 101
  const second = cached('a', { forMs: 100 }, slow)
  end()
  await Promise.all([first, second])
  clock.now = 101 + 1_009
  await cached('a', { forMs: 100 }, read)

  expect(count()).toBe(1)
})

it('what takes long to read is kept ten times as long', async () => {
  const clock = { now: 0 }
  const cached = openCache(() => clock.now)
  const { read, count } = counting()
  const slow = () => {
    clock.now += 1_000
    return read()
  }

  await cached('a', { forMs: 100 }, slow)
  clock.now += 9_999
  await cached('a', { forMs: 100 }, slow)
  clock.now += 1
  await cached('a', { forMs: 100 }, slow)

  expect(count()).toBe(2)
})

it('a clock that is set back makes nothing last', async () => {
  const clock = { now: 3_600_000 }
  const cached = openCache(() => clock.now)
  const { read } = counting()

  const before = await cached('a', { forMs: 100 }, read)
  clock.now = 0
  const after = await cached('a', { forMs: 100 }, read)
  clock.now = 99
  const soon = await cached('a', { forMs: 100 }, read)

  expect([before, after, soon]).toEqual([1, 2, 2])
})

it('what is cleared is read anew, and a read that was under way is not taken for a new one', async () => {
  const cached = openCache(() => 0)
  const { read } = counting()

  const before = cached('a', { forMs: 100 }, read)
  cached.clear()
  const after = cached('a', { forMs: 100 }, read)

  expect(await Promise.all([before, after, cached('a', { forMs: 100 }, read)])).toEqual([1, 2, 2])
})

it('what is of another version is read anew at once', async () => {
  const cached = openCache(() => 0)
  const { read } = counting()

  const versions = ['x', 'x', 'y', 'x'].map((version) => cached('a', { forMs: 100, version }, read))

  expect(await Promise.all(versions)).toEqual([1, 1, 2, 3])
})

it('a read that fails fails for who shares it, and is not kept', async () => {
  const cached = openCache(() => 0)
  const fail = () => Promise.reject(new Error('away'))

  const failed = await Promise.allSettled([cached('a', { forMs: 100 }, fail), cached('a', { forMs: 100 }, fail)])
  await turn()
  const again = await cached('a', { forMs: 100 }, () => Promise.resolve('back'))

  expect([failed.map(({ status }) => status), again]).toEqual([['rejected', 'rejected'], 'back'])
})

it('no more than 1,000 names are kept, however many are asked for', async () => {
  const cached = openCache(() => 0)
  const { read, count } = counting()
  for (let i = 0; i <= 1_000; i += 1) await cached(`name ${i}`, { forMs: 100 }, read)

  await cached('name 1000', { forMs: 100 }, read)
  await cached('name 0', { forMs: 100 }, read)

  expect(count()).toBe(1_002)
})
