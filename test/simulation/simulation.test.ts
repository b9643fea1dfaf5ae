// A short seeded simulation with a fresh seed each time. The one double is Tencent's API: the simulator, whose truth log is
// the oracle. `npm run simulation -- --runs 500` runs many.
import { expect, inject, test } from 'vitest'
import { simulate } from './run.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)

test(`seed ${SEED}: whatever overlaps, dies or lies, the law holds (SEED=${SEED} runs it again)`, async () => {
  const { breaches, counts } = await simulate({ seed: SEED, steps: 150, server: inject('postgresUrl') })

  expect(breaches).toEqual([])
  expect(counts.events).toBeGreaterThan(20)
}, 120_000)

const BROKEN: [what: string, notices: RegExp, from: string, to: string][] = [
  [
    'a claim without its lane',
    /^lane/,
    "and older.state = 'pending' and older.position < delivery.position)",
    "and older.state = 'pending' and older.position < delivery.position and false)",
  ],
  [
    'an event without its delivery',
    /^(gap|once|fold)/,
    "endpoint.event_types = '{*}')",
    "endpoint.event_types = '{*}' and event.position % 7 <> 3)",
  ],
  ['a version that is never closed', /^listing/, '"valid_to" is null', '"valid_to" is null and false'],
]

test.each(BROKEN)(
  '%s is noticed',
  async (_, notices, from, to) => {
    let found = false
    const rewrite = (statement: string) => {
      found ||= statement.includes(from)
      return statement.replace(from, () => to)
    }
    const breaches: string[] = []
    for (let seed = 1; seed <= 6 && !breaches.some((breach) => notices.test(breach)); seed += 1) {
      breaches.push(...(await simulate({ seed, steps: 150, server: inject('postgresUrl'), rewrite })).breaches)
    }

    expect(found).toBe(true)
    expect(breaches.filter((breach) => notices.test(breach))).not.toEqual([])
  },
  240_000,
)
