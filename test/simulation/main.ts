// `npm run simulation -- [--runs N] [--steps N] [--seed N]`: many runs, one verdict. What fails is shrunk.
import { parseArgs } from 'node:util'
import { startTestServer } from '../support/clone.ts'
import { simulate } from './run.ts'
import { shrink } from './shrink.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    steps: { type: 'string', default: '150' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
  },
})
const [runs, steps, first] = [Number(values.runs), Number(values.steps), Number(values.seed)]
const only = values.only?.split(',').map(Number)

const server = await startTestServer()
// Ctrl-C and `timeout` must not leave the server behind.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void server.stop().finally(() => process.exit(130)))
}
const totals: Record<string, number> = {}
let broken = 0
try {
  for (let seed = first; seed < first + runs; seed += 1) {
    const { breaches, counts } = await simulate({ seed, steps: only ?? steps, server: server.url })
    for (const [what, n] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + n
    if (breaches.length > 0) {
      broken += 1
      console.log(`seed ${seed}: ${breaches.length} breaches\n  ${breaches.slice(0, 10).join('\n  ')}`)
      if (!only) console.log(await shrink({ seed, steps, server: server.url }))
    } else if (runs <= 50 || (seed - first + 1) % 25 === 0) console.log(`seed ${seed}: ${JSON.stringify(counts)}`)
  }
} finally {
  await server.stop()
}
console.log(`${runs} runs of ${only?.length ?? steps} steps from seed ${first}, ${broken} with breaches`)
console.table(totals)
process.exitCode = broken > 0 ? 1 : 0
