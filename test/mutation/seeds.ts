// The simulation with fixed seeds, for mutants that the tests of the store let live. Not part of `npm test`.
import { expect, inject, test } from 'vitest'
import { simulate } from '../simulation/run.ts'

test.each([1, 2, 3])(
  'seed %i holds the law',
  async (seed) => {
    const { breaches } = await simulate({ seed, steps: 150, server: inject('postgresUrl') })

    expect(breaches).toEqual([])
  },
  60_000,
)
