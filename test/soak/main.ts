// `npm run soak -- --minutes N [--rate N] [--seed N] [--deliveries N]`: one long run, one verdict. `rate` is sessions a second;
// the run ends after that time or that many deliveries.
import { startTestServer } from '../support/clone.ts'
import type { Ledger } from './ledger.ts'
import type { Sample } from './samples.ts'
import { soak } from './soak.ts'
import { figures, sampleLine, verdict } from './report.ts'

const argument = (name: string, fallback: number) => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : Number(process.argv[at + 1])
}
const minutes = argument('minutes', 3)
const sessionsPerSecond = argument('rate', 100)
const seed = argument('seed', Date.now() % 1_000_000_000)

const server = await startTestServer()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  console.log(`soak: ${minutes} minutes of at most ${sessionsPerSecond} sessions a second, seed ${seed}`)
  const report = await soak({
    server: server.url,
    seed,
    deliveries: argument('deliveries', Infinity),
    runMs: minutes * 60_000,
    sessionsPerSecond,
    killEveryMs: 3_000,
    sampleEveryMs: 10_000,
    onSample: (sample: Sample, ledger: Ledger) => console.log(sampleLine(sample, ledger)),
  })
  console.table(figures(report))
  const { lines, held } = verdict(report.ledger)
  for (const line of lines) console.log(line)
  process.exitCode = held ? 0 : 1
} finally {
  await server.stop()
}
