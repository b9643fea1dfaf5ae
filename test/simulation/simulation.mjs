// Bundles main.ts and runs it: Node 20 does not run TypeScript.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../', import.meta.url))
const outfile = `${root}node_modules/.cache/rollcall/simulation.mjs`
await build({
  entryPoints: [`${root}test/simulation/main.ts`],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'warning',
})
const { status } = spawnSync(process.execPath, ['--enable-source-maps', outfile, ...process.argv.slice(2)], {
  stdio: 'inherit',
})
process.exitCode = status ?? 1
