import fc from 'fast-check'
import { simulate } from './run.ts'

const TIME_LIMIT_MS = 180_000

/** The fewest steps of a failing run that still fail, found by leaving steps out, as the command that runs them. */
export async function shrink(run: { seed: number; steps: number; server: string }): Promise<string> {
  const all = [...Array(run.steps).keys()]
  const holds = async (steps: number[]) => (await simulate({ ...run, steps })).breaches.length === 0
  const { counterexample } = await fc.check(fc.asyncProperty(fc.subarray(all), holds), {
    examples: [[all]],
    numRuns: 1,
    interruptAfterTimeLimit: TIME_LIMIT_MS,
  })
  const [steps] = counterexample ?? []
  return steps
    ? `  ${steps.length} of ${run.steps} steps are enough: npm run simulation -- --runs 1 --seed ${run.seed} --only ${steps.join(',')}`
    : '  it did not fail again: how many answers come in together is not decided by the seed'
}
