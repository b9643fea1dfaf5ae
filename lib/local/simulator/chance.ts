import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'

/** A seeded source of randomness; every draw moves it on. */
export type Chance = RandomGenerator

/** Lowest and highest value, both possible. */
export type Range = [low: number, high: number]

/** Independent sources of one seed, so that a draw from one (an answer's order) never changes another (who fails). */
export function chances<Name extends string>(seed: number, names: readonly Name[]): Record<Name, Chance> {
  const source = xoroshiro128plus(seed | 0)
  // The first draws of neighbouring seeds resemble each other; the jump of 2^64 does away with that too.
  const jumped = names.map((name): [Name, Chance] => {
    source.jump()
    return [name, source.clone()]
  })
  return Object.fromEntries(jumped) as Record<Name, Chance>
}

/** True for this share (0 to 1) of the draws. */
export function happens(chance: Chance, share: number): boolean {
  return uniformFloat64(chance) < share
}

/** A real number of the range, evenly spread. */
export function between(chance: Chance, [low, high]: Range): number {
  return low + uniformFloat64(chance) * (high - low)
}

/** One of the items; undefined when there are none. */
export function pick<Item>(chance: Chance, items: readonly Item[]): Item | undefined {
  return items[Math.floor(uniformFloat64(chance) * items.length)]
}

/** A text of this length, made of the alphabet's characters. */
export function text(chance: Chance, alphabet: string, length: number): string {
  return Array.from({ length }, () => pick(chance, [...alphabet])).join('')
}

/** The items in random order, as a new array. */
export function shuffled<Item>(chance: Chance, items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, rank: uniformFloat64(chance) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}
