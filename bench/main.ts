// `npm run bench`: every benchmark that has a target, one after the other, and whether each target holds.
// `npm run bench -- NAME [options]`: that one. Prints its table and keeps all its figures, and its chart, in bench/results/.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { accounts } from './accounts.ts'
import { bundles } from './bundles.ts'
import { targetsChart } from './chart.ts'
import { costs } from './costs.ts'
import { drain } from './drain.ts'
import { fairness } from './fairness.ts'
import { news } from './news.ts'
import { ROOT } from './program.ts'
import { holds, type Ratio, showRatio } from './ratio.ts'
import { reports } from './reports.ts'
import { ticks } from './ticks.ts'

/** What a benchmark gives: a row for each thing compared, every figure that went into it, and what is to hold of them. */
export interface Report {
  table: Record<string, Record<string, string | number>>
  figures: unknown
  ratios?: Ratio[]
  /** SVG. */
  chart?: string
}

const RESULTS = join(ROOT, 'bench/results')

type Benchmark = (args: string[]) => Promise<Report>

/** Those with targets, in the order in which all of them run. */
const WITH_TARGETS: Record<string, Benchmark> = { ticks, drain, news, accounts, bundles }
const BENCHMARKS: Record<string, Benchmark> = { ...WITH_TARGETS, costs, fairness, reports }

async function run(name: string, benchmark: Benchmark, args: string[]): Promise<Ratio[]> {
  const at = new Date().toISOString()
  console.log(`\n${name}, load ${loadavg()[0]?.toFixed(1)}`)
  const { table, figures, ratios = [], chart } = await benchmark(args)
  console.table(table)
  mkdirSync(RESULTS, { recursive: true })
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, system: release(), node: process.version }
  const file = join(RESULTS, `${name}-${at.replaceAll(':', '')}`)
  writeFileSync(`${file}.json`, JSON.stringify({ name, args, at, machine, table, figures, ratios }, null, 2))
  if (chart !== undefined) writeFileSync(`${file}.svg`, chart)
  console.log(`all figures: ${file}.json`)
  return ratios
}

const [name, ...args] = process.argv.slice(2)
const benchmark = name === undefined ? undefined : BENCHMARKS[name]
if (name !== undefined && benchmark === undefined) {
  console.error(`npm run bench [-- NAME], one of: ${Object.keys(BENCHMARKS).join(', ')}`)
  process.exitCode = 2
} else {
  const chosen = name !== undefined && benchmark ? { [name]: benchmark } : WITH_TARGETS
  const ratios: Ratio[] = []
  for (const [one, work] of Object.entries(chosen)) ratios.push(...(await run(one, work, args)))
  if (ratios.length > 0) {
    console.table(Object.fromEntries(ratios.map((ratio) => [ratio.name, showRatio(ratio)])))
    const failed = ratios.filter((ratio) => !holds(ratio)).length
    console.log(`${ratios.length - failed} of ${ratios.length} targets hold`)
    const chart = join(RESULTS, 'targets.svg')
    writeFileSync(chart, await targetsChart(ratios))
    console.log(`a chart of them: ${chart}`)
  }
}
