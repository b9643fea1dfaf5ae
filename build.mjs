// Builds dist/: every file of functions/ as one CommonJS bundle that SCF can load, and the command line tool.
// It must never leave a stale bundle behind, so dist/ is made anew each time.
import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { build } from 'esbuild'

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  // Optional natives of pg that are not installed.
  external: ['pg-native', 'pg-cloudflare'],
}

rmSync('dist', { recursive: true, force: true })

await build({
  ...common,
  // SCF documents Node 18.15 as its newest runtime.
  target: 'node18.15',
  minify: true,
  keepNames: true,
  sourcemap: 'external',
  entryPoints: readdirSync('functions').map((file) => `functions/${file}`),
  outdir: 'dist/functions',
})

await build({
  ...common,
  target: 'node20',
  sourcemap: 'linked',
  entryPoints: { cli: 'lib/cli/main.ts' },
  outdir: 'dist',
  banner: { js: '#!/usr/bin/env node' },
})
chmodSync('dist/cli.js', 0o755)
