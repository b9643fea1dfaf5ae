// `npm run simulation -- --runs N [--steps N] [--seed N]`: many runs, one verdict.
import { startTestServer } from '../support/clone.ts'
import { simulate } from './run.ts'

const argument = (name: string, fallback: number) => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : Number(process.argv[at + 1])
}
const runs = argument('runs', 20)
const steps = argument('steps', 1_500)
const first = argument('seed', Date.now() % 1_000_000_000)

const server = await startTestServer()
const totals: Record<string, number> = {}
let broken = 0
try {
  for (let seed = first; seed < first + runs; seed += 1) {
    const { breaches, counts } = await simulate({ seed, steps, server: server.url })
    for (const [what, n] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + n
    if (breaches.length > 0) broken += 1
    if (breaches.length > 0)
      console.log(`seed ${seed}: ${breaches.length} breaches\n  ${breaches.slice(0, 10).join('\n  ')}`)
    else if (runs <= 50 || (seed - first + 1) % 25 === 0) console.log(`seed ${seed}: ${JSON.stringify(counts)}`)
  }
} finally {
  await server.stop()
}
console.log(`${runs} runs of ${steps} steps from seed ${first}, ${broken} with breaches`)
console.table(totals)
process.exitCode = broken > 0 ? 1 : 0
