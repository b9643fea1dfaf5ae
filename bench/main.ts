// `npm run bench -- NAME [options]`: runs one benchmark, prints its table, and keeps all its figures in bench/results/.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { bundles } from './bundles.ts'
import { costs } from './costs.ts'
import { fairness } from './fairness.ts'
import { reports } from './reports.ts'
import { ROOT } from './program.ts'

/** What a benchmark gives: a row for each thing compared, and every figure that went into it. */
export interface Report {
  table: Record<string, Record<string, string | number>>
  figures: unknown
}

const BENCHMARKS: Record<string, (args: string[]) => Promise<Report>> = { bundles, costs, fairness, reports }

const [name = '', ...args] = process.argv.slice(2)
const benchmark = BENCHMARKS[name]
if (benchmark) {
  const at = new Date().toISOString()
  const { table, figures } = await benchmark(args)
  console.table(table)
  const folder = join(ROOT, 'bench/results')
  mkdirSync(folder, { recursive: true })
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, system: release(), node: process.version }
  const file = join(folder, `${name}-${at.replaceAll(':', '')}.json`)
  writeFileSync(file, JSON.stringify({ name, args, at, machine, table, figures }, null, 2))
  console.log(`all figures: ${file}`)
} else {
  console.error(`npm run bench -- NAME, one of: ${Object.keys(BENCHMARKS).join(', ')}`)
  process.exitCode = 2
}
