// Builds dist/: every file of functions/ as one CommonJS bundle that SCF can load, and the command line tool.
// It must never leave a stale bundle behind, nor take one away while it is in use.
import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  // Optional natives of pg that are not installed.
  external: ['pg-native', 'pg-cloudflare'],
  alias: {
    // The Tencent SDK's fetch asks for a URL class: Node's own saves 290 KB of Unicode tables.
    'whatwg-url': 'node:url',
    // It is for multipart bodies only, which nothing here sends; left out, with 150 KB of MIME types.
    'form-data': 'node:stream',
  },
}

const functions = await build({
  ...common,
  // SCF documents Node 18.15 as its newest runtime.
  target: 'node18.15',
  minify: true,
  sourcemap: 'external',
  entryPoints: readdirSync('functions').map((file) => `functions/${file}`),
  outdir: 'dist/functions',
})

const cli = await build({
  ...common,
  target: 'node20',
  sourcemap: 'linked',
  entryPoints: { cli: 'lib/cli/main.ts' },
  outdir: 'dist',
  banner: { js: '#!/usr/bin/env node' },
})
chmodSync('dist/cli.js', 0o755)

const built = new Set([functions, cli].flatMap(({ metafile }) => Object.keys(metafile.outputs)))
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name)
  if (entry.isFile() && !built.has(file)) rmSync(file)
}
