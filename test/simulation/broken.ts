import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import type * as run from './run.ts'

const ROOT = join(import.meta.dirname, '../..')

/** The simulation over a copy of the code in which one file says something else, to see that an oracle notices. */
export async function breakCode(file: string, from: string, to: string): Promise<typeof run.simulate> {
  const source = readFileSync(join(ROOT, file), 'utf8')
  if (!source.includes(from)) throw new Error(`${file} no longer says: ${from}`)
  // Inside the project, where the packages are found.
  const folder = mkdtempSync(join(ROOT, 'node_modules/.rollcall-broken-'))
  try {
    const outfile = join(folder, 'run.mjs')
    await build({
      entryPoints: [join(ROOT, 'test/simulation/run.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      logLevel: 'warning',
      plugins: [
        {
          name: 'break',
          setup: (bundler) => {
            bundler.onLoad({ filter: /\.ts$/ }, ({ path }) =>
              path === join(ROOT, file) ? { contents: source.replace(from, () => to), loader: 'ts' } : undefined,
            )
          },
        },
      ],
    })
    return ((await import(pathToFileURL(outfile).href)) as typeof run).simulate
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
