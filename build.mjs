// Builds dist/: every file of functions/ as one CommonJS bundle that SCF can load, the plugin of `serverless`, the verbs of
// `npm run ops`, the command line tool, and what subscribers import, with its types. It must never leave a stale file behind, nor take one away while it is in use.
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { build } from 'esbuild'

// The build of the functions is that of a deployment, in TypeScript: it is built first.
const bundler = await build({
  bundle: true,
  platform: 'node',
  format: 'esm',
  metafile: true,
  external: ['esbuild'],
  entryPoints: { 'deploy/bundle': 'lib/deploy/bundle.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
})
const { bundleFunctions, common, withPage } = await import('./dist/deploy/bundle.mjs')

const sources = readdirSync('functions').map((file) => [basename(file, '.ts'), `functions/${file}`])
const functions = await bundleFunctions(Object.fromEntries(sources), 'dist/functions')

/** What runs on the machine of a person. */
const tool = (entryPoints, { external = [], ...more }) =>
  build({
    ...common,
    target: 'node20',
    sourcemap: 'linked',
    entryPoints,
    outdir: 'dist',
    external: [...common.external, ...external],
    ...more,
  })

const deploy = await tool({ 'deploy/plugin': 'lib/deploy/plugin.ts' }, { external: ['esbuild'] })
const ops = await tool(
  { 'ops/serverless': 'lib/ops/serverless.ts' },
  {
    external: ['@serverless/core'],
    // The runner takes the class itself for a component, not what has it as its default.
    footer: { js: 'module.exports = module.exports.default' },
  },
)
const cli = await tool({ cli: 'lib/cli/main.ts' }, { banner: { js: '#!/usr/bin/env node' }, plugins: [withPage] })
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

const bundles = [bundler, deploy, ops, cli, ...subscriber].flatMap(({ metafile }) => Object.keys(metafile.outputs))
const built = new Set([...functions, ...bundles, ...types])
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name)
  if (entry.isFile() && !built.has(file)) rmSync(file)
}
