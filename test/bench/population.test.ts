import { describe, expect, test } from 'vitest'
import { change, type Item, listing, populate, type Population } from '../../bench/ticks/population.ts'

const byId = (population: Population) => new Map(listing(population).map((item) => [item.SessionId, item]))
const isOpen = (item: Item | undefined) => item !== undefined && item.SessionStatus !== 2

/** How many sessions of two listings differ, by what a tick would see in them. */
function differences(before: Map<string, Item>, after: Map<string, Item>) {
  const seen = { created: 0, moved: 0, ended: 0 }
  for (const id of new Set([...before.keys(), ...after.keys()])) {
    const [then, now] = [before.get(id), after.get(id)]
    if (isOpen(now) && !isOpen(then)) seen.created += 1
    else if (isOpen(then) && !isOpen(now)) seen.ended += 1
    else if (isOpen(now) && JSON.stringify(then) !== JSON.stringify(now)) seen.moved += 1
  }
  return seen
}

describe('a population', () => {
  test('of a hundred has a preparing and a ready session for each 18 that are started', () => {
    const population = populate(100)

    const { preparing, ready, started } = population
    expect([preparing.length, ready.length, started.length]).toEqual([5, 5, 90])
    expect(new Set(listing(population).map((item) => item.SessionId)).size).toBe(100)
  })

  test.each([
    [100, 1],
    [100, 10],
    [1_000, 100],
    [10_000, 100],
  ])('of %i changes by %i sessions at each step, neither more nor fewer', (size, count) => {
    const population = populate(size)

    for (let step = 0; step < 12; step += 1) {
      const before = byId(population)
      const { created, moved, ended } = change(population, count)

      expect(created + moved + ended).toBe(count)
      expect(differences(before, byId(population))).toEqual({ created, moved, ended })
    }
  })

  test('has the size and the shares it began with after any number of steps', () => {
    const population = populate(1_000)

    for (let step = 0; step < 300; step += 1) change(population, 100)

    const { preparing, ready, started } = population
    expect([preparing.length, ready.length, started.length]).toEqual([50, 50, 900])
  })

  test('tells the events of a step: of 6 created 3 as started, each with 3 events, and 12 of the others', () => {
    expect(change(populate(1_000), 18)).toEqual({ created: 6, moved: 6, ended: 6, events: 3 + 9 + 6 + 6 })
  })

  test('lists ends beyond what a tick can ask for as closed, until the next change', () => {
    const population = populate(30_000)

    expect(change(population, 3_000).ended).toBe(1_000)
    expect(listing(population).filter((item) => item.SessionStatus === 2)).toHaveLength(500)

    change(population, 0)
    expect(listing(population).filter((item) => item.SessionStatus === 2)).toHaveLength(500)

    change(population, 3)
    expect(listing(population).filter((item) => item.SessionStatus === 2)).toHaveLength(0)
  })

  test('that is asked for more changes than it has sessions to change says so', () => {
    expect(() => change(populate(10), 9)).toThrow('9 changes are more than 10 sessions allow')
  })
})
