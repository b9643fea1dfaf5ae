// How much is tried: little in every test run, much when asked. `FC_RUNS=50 npx vitest run test/fuzz` tries fifty times as
// many cases. The seed is a fresh one each time; fast-check prints it, with the smallest case it found, when a law breaks.
import { vi } from 'vitest'

const TIMES = Number(process.env['FC_RUNS'] ?? 1)
vi.setConfig({ testTimeout: 60_000 * Math.max(1, TIMES) })

/** The parameters of a property that is tried `usual` times in an ordinary test run. */
export const runs = (usual: number) => ({ numRuns: Math.ceil(usual * TIMES) })
