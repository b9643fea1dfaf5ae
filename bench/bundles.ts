// How large is what SCF loads, and how long does a fresh process take to load it? Bundles take turns with an empty file, so that
// whatever else the machine does falls on all. `npm run bench -- bundles --rounds N`; with `--beside FOLDER`, those of another
// build take part, too.
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { NODES } from '../test/support/nodes.ts'
import type { Report } from './main.ts'
import { ROOT } from './program.ts'
import { median, rounded } from './statistics.ts'

const LOAD = `
  const beganAt = performance.now()
  const before = process.cpuUsage()
  require(process.argv[1])
  const ms = performance.now() - beganAt
  const { user, system } = process.cpuUsage(before)
  console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1_000 }))
  process.exit(0)`

/** What one load took: as time went by, and of the processor, which other work on the machine disturbs less. */
interface Load {
  ms: number
  cpuMs: number
}

interface Bundle {
  name: string
  file: string
  /** Of each round, by version of Node. */
  loads: Record<string, Load[]>
}

export async function bundles(args: string[]): Promise<Report> {
  const options = { rounds: { type: 'string', default: '25' }, beside: { type: 'string' } } as const
  const { values } = parseArgs({ args, options })
  execFileSync(process.execPath, ['build.mjs'], { cwd: ROOT, stdio: 'inherit' })
  const peers = [emptyFile(), ...(values.beside === undefined ? [] : bundlesIn(values.beside, 'beside: '))]
  const all = [...bundlesIn(join(ROOT, 'dist/functions')), ...peers]
  const nodes = await Promise.all(NODES.map(([, path]) => path()))
  const versions = new Map(nodes.map((node) => [node, execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()]))

  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const bundle of all) {
      for (const [node, version] of versions) (bundle.loads[version] ??= []).push(await load(node, bundle.file))
    }
  }
  return { table: Object.fromEntries(all.map((bundle) => [bundle.name, row(bundle)])), figures: all }
}

function bundlesIn(folder: string, prefix = ''): Bundle[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.js'))
    .map((file) => ({ name: prefix + basename(file, '.js'), file: join(folder, file), loads: {} }))
}

function emptyFile(): Bundle {
  const folder = join(ROOT, 'node_modules/.rollcall')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'empty.js')
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
  ])
  return { bytes: content.length, gzip: gzipSync(content).length, ...(Object.fromEntries(times) as object) }
}
