// How large is what SCF loads, and what does a fresh process need to load it, and for a first tick? In turns, so that whatever
// else the machine does falls on all: each function, the same with its packages left in node_modules, the driver of Postgres alone
// bundled the same way, and an empty file. `npm run bench -- bundles --rounds N`; with `--beside FOLDER`, bundles of another
// build take part, too.
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { bundleFunctions, common } from '../lib/deploy/bundle.ts'
import { NODES } from '../test/support/nodes.ts'
import { type FirstTick, firstTicks, type Tick } from './first-tick.ts'
import type { Report } from './main.ts'
import { ROOT } from './program.ts'
import { type Ratio, ratioOf } from './ratio.ts'
import { median, rounded } from './statistics.ts'

const LOAD = `
  const beganAt = performance.now()
  const before = process.cpuUsage()
  require(process.argv[1])
  const ms = performance.now() - beganAt
  const { user, system } = process.cpuUsage(before)
  console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1_000, rssMb: process.memoryUsage.rss() / 2 ** 20 }))
  process.exit(0)`

/** Those that run all the time. */
const HOT = ['reconcile', 'webhook']
const DRIVER = 'pg alone'
const MOST_BYTES = 350_000
const MOST_OF_DRIVER = 1.5
/** What a function of 128 MB may need, and a limit of the heap that leaves room for the rest of Node in it. */
const MOST_MB = 128
const HEAPS_MB = [null, 80]
const TICK_ROUNDS = 3

/** What one load took: as time went by, and of the processor, which other work on the machine disturbs less. */
interface Load {
  ms: number
  cpuMs: number
  /** Of the whole process, afterwards. */
  rssMb: number
}

interface Bundle {
  name: string
  file: string
  /** Of each round, by version of Node. */
  loads: Record<string, Load[]>
}

export async function bundles(args: string[]): Promise<Report> {
  const options = { rounds: { type: 'string', default: '15' }, beside: { type: 'string' } } as const
  const { values } = parseArgs({ args, options })
  execFileSync(process.execPath, ['build.mjs'], { cwd: ROOT, stdio: 'inherit' })
  const others = values.beside === undefined ? [] : bundlesIn(values.beside, 'beside: ')
  const all = [
    ...bundlesIn(join(ROOT, 'dist/functions')),
    ...(await unbundled()),
    await driver(),
    emptyFile(),
    ...others,
  ]
  const nodes = await Promise.all(NODES.map(([, path]) => path()))
  const versions = new Map(nodes.map((node) => [node, execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()]))

  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const bundle of all) {
      for (const [node, version] of versions) (bundle.loads[version] ??= []).push(await load(node, bundle.file))
    }
  }
  const ticks: Record<string, FirstTick[]> = {}
  for (const [node, version] of versions) ticks[version] = await firstTicks(node, HEAPS_MB, TICK_ROUNDS)
  console.table(
    Object.fromEntries(Object.entries(ticks).flatMap(([version, tried]) => tried.map((one) => tickRow(version, one)))),
  )
  return {
    table: Object.fromEntries(all.map((bundle) => [bundle.name, row(bundle)])),
    figures: { loads: all, ticks },
    ratios: ratiosOf(all, ticks),
  }
}

function ratiosOf(all: Bundle[], ticks: Record<string, FirstTick[]>): Ratio[] {
  const hot = all.filter(({ name }) => HOT.includes(name))
  const alone = all.find(({ name }) => name === DRIVER)
  const versions = Object.keys(ticks)
  const cpuMs = (bundle: Bundle | undefined, version: string) => bundle?.loads[version]?.map((one) => one.cpuMs) ?? []
  return [
    ...hot.map(({ name, file }) => ({
      name: `${name}: bytes`,
      values: [readFileSync(file).length],
      target: { atMost: MOST_BYTES },
    })),
    ...hot.flatMap((bundle) =>
      versions.map((version) => {
        const name = `${bundle.name}: CPU of a cold load ÷ ${DRIVER}, ${version}`
        return ratioOf(name, cpuMs(bundle, version), cpuMs(alone, version), { atMost: MOST_OF_DRIVER })
      }),
    ),
    ...versions.flatMap((version) =>
      (ticks[version] ?? []).map(({ heapMb, everyNew }) => ({
        name: `reconcile: peak MB, first tick of 10,000, ${version}, ${limitOf(heapMb)}`,
        values: everyNew.map(({ peakMb }) => peakMb),
        target: { atMost: MOST_MB },
      })),
    ),
  ]
}

function bundlesIn(folder: string, prefix = ''): Bundle[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.js'))
    .map((file) => ({ name: prefix + basename(file, '.js'), file: join(folder, file), loads: {} }))
}

/** Below the root, where node_modules is found. */
const PEERS = join(ROOT, 'node_modules/.rollcall/peers')

async function driver(): Promise<Bundle> {
  mkdirSync(PEERS, { recursive: true })
  const source = join(PEERS, 'driver.ts')
  writeFileSync(source, `export { default } from 'pg'`)
  await bundleFunctions({ driver: source }, PEERS)
  return { name: DRIVER, file: join(PEERS, 'driver.js'), loads: {} }
}

async function unbundled(): Promise<Bundle[]> {
  await build({
    ...common,
    target: 'node18.15',
    entryPoints: HOT.map((name) => join(ROOT, 'functions', `${name}.ts`)),
    outdir: join(PEERS, 'unbundled'),
    // Not p-map, which Node 18 could not require.
    external: [...common.external, 'pg', 'kysely', 'valibot', 'standardwebhooks', 'tencentcloud-sdk-nodejs-common'],
    alias: {},
  })
  return bundlesIn(join(PEERS, 'unbundled'), 'unbundled: ')
}

function emptyFile(): Bundle {
  mkdirSync(PEERS, { recursive: true })
  const file = join(PEERS, 'empty.js')
  writeFileSync(file, '')
  return { name: 'an empty file', file, loads: {} }
}

async function load(node: string, file: string): Promise<Load> {
  const { stdout } = await promisify(execFile)(node, ['-e', LOAD, file], { env: {} })
  return JSON.parse(stdout) as Load
}

function row({ file, loads }: Bundle): Report['table'][string] {
  const content = readFileSync(file)
  const times = Object.entries(loads).flatMap(([version, taken]) => [
    [`${version} ms`, rounded(median(taken.map(({ ms }) => ms)))],
    [`${version} cpu ms`, rounded(median(taken.map(({ cpuMs }) => cpuMs)))],
    [`${version} RSS MB`, rounded(median(taken.map(({ rssMb }) => rssMb)))],
  ])
  return { bytes: content.length, gzip: gzipSync(content).length, ...(Object.fromEntries(times) as object) }
}

function tickRow(
  version: string,
  { heapMb, everyNew, unchanged }: FirstTick,
): [string, Record<string, string | number>] {
  const of = (ticks: Tick[], key: keyof Tick) => rounded(median(ticks.map((tick) => tick[key])))
  const cells = {
    'all new: peak MB': of(everyNew, 'peakMb'),
    'all new: cpu ms': of(everyNew, 'cpuMs'),
    'unchanged: peak MB': of(unchanged, 'peakMb'),
    'unchanged: cpu ms': of(unchanged, 'cpuMs'),
  }
  return [`10,000 sessions, ${version}, ${limitOf(heapMb)}`, cells]
}

const limitOf = (heapMb: number | null) => (heapMb === null ? 'no limit' : `heap ${heapMb} MB`)
