// Builds dist/: every file of functions/ as one CommonJS bundle that SCF can load, the command line tool, and what subscribers
// import, with its types. It must never leave a stale file behind, nor take one away while it is in use.
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
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
    // The same client as ES modules, of which only what is used is bundled: no credentials of files, roles or metadata services.
    'tencentcloud-sdk-nodejs-common': 'tencentcloud-sdk-nodejs-common/es/common/common_client.js',
    'json-bigint': './lib/in-place-of/json-bigint.ts',
    uuid: './lib/in-place-of/uuid.ts',
    // Only for a call without an agent where http_proxy is set; lib/tencent.ts always gives one. Without it 14 KB less.
    'https-proxy-agent': 'node:https',
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

// Both, since a subscriber may be either; and named so, since the package's plain .js files are CommonJS.
const subscriber = await Promise.all(
  ['cjs', 'mjs'].map((extension) =>
    build({
      ...common,
      format: extension === 'mjs' ? 'esm' : 'cjs',
      target: 'node18.15',
      entryPoints: { subscriber: 'lib/subscriber/index.ts' },
      outdir: 'dist',
      outExtension: { '.js': `.${extension}` },
    }),
  ),
)

const compilerOptions =
  '--ignoreConfig --noCheck --declaration --emitDeclarationOnly --listEmittedFiles --types node --target es2022 ' +
  '--module esnext --moduleResolution bundler --allowImportingTsExtensions --rootDir lib/subscriber --outDir dist/subscriber'
const types = execFileSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', 'lib/subscriber/index.ts', ...compilerOptions.split(' ')],
  { encoding: 'utf8' },
)
  .split('\n')
  .filter((line) => line.startsWith('TSFILE: '))
  .map((line) => relative('.', line.slice('TSFILE: '.length).trim()))

const bundles = [functions, cli, ...subscriber].flatMap(({ metafile }) => Object.keys(metafile.outputs))
const built = new Set([...bundles, ...types])
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name)
  if (entry.isFile() && !built.has(file)) rmSync(file)
}
