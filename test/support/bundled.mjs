// Runs a TypeScript program of the tests outside the test runner: Node 20 does not run TypeScript.
import { spawnSync } from 'node:child_process'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** Bundles the program at `entry`, below the root, runs it with our arguments, and ends as it ends. */
export async function runBundled(entry) {
  // Two folders below the root, as the sources are that look for the root from where they lie.
  const outfile = `${root}node_modules/.rollcall/${basename(dirname(entry))}.mjs`
  await build({
    entryPoints: [root + entry],
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
}
