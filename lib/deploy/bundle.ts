// How TypeScript becomes what runs: one CommonJS file for each entry, with everything in it. Used by build.mjs and by
// `serverless package`; the same sources must give the same bytes, or every deployment would send what did not change.
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { withPage } from './page.ts'

export { withPage }

/** What all bundles have in common. */
export const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  // Optional natives of pg that are not installed.
  external: ['pg-native', 'pg-cloudflare'],
  // pg looks for Cloudflare by making a Response where there is no navigator, for which Node loads its whole fetch: 10 ms and more.
  define: { navigator: '{"userAgent":"Node.js"}' },
  alias: {
    // It is for multipart bodies only, which nothing here sends; left out, with 150 KB of MIME types.
    'form-data': 'node:stream',
    // The same client as ES modules, of which only what is used is bundled: no credentials of files, roles or metadata services.
    'tencentcloud-sdk-nodejs-common': 'tencentcloud-sdk-nodejs-common/es/common/common_client.js',
    'json-bigint': './lib/in-place-of/json-bigint.ts',
    uuid: './lib/in-place-of/uuid.ts',
    'node-fetch': './lib/in-place-of/node-fetch.ts',
    // Only for a call without an agent where http_proxy is set; lib/tencent.ts always gives one. Without it 14 KB less.
    'https-proxy-agent': 'node:https',
  },
} satisfies BuildOptions

/**
 * What kysely brings along for whoever changes tables, rewrites queries for another schema, or merges: a third of it. To compile
 * that is 2 of the 24 ms of CPU that a cold load of a function takes.
 */
const UNASKED =
  /kysely.dist.esm.(schema.|plugin.with-schema.|operation-node.operation-node-transformer|query-builder.merge|dialect.postgres.postgres-introspector)/
/** It makes a table. */
const MIGRATOR = /kysely.dist.esm.migration.migrator.js$/

const leaveOut: Plugin = {
  name: 'leave-out',
  setup: (building) => {
    building.onLoad({ filter: UNASKED }, async ({ path }) => {
      const names = [...(await readFile(path, 'utf8')).matchAll(/^export class (\w+)/gm)].map(([, name]) => name)
      const fault = (name: string | undefined) =>
        `throw new Error('${name} of kysely is left out by lib/deploy/bundle.ts')`
      return { contents: names.map((name) => `export class ${name} { constructor() { ${fault(name)} } }`).join('\n') }
    })
  },
}

/** Bundles the entries (output name → source file), minified, each with its source map beside it; gives all files written. */
export async function bundleFunctions(entryPoints: Record<string, string>, outdir: string): Promise<string[]> {
  const bundle = (entries: Record<string, string>, plugins: Plugin[]) =>
    build({
      ...common,
      // SCF documents Node 18.15 as its newest runtime.
      target: 'node18.15',
      minify: true,
      sourcemap: 'external',
      entryPoints: entries,
      outdir,
      plugins: [withPage, ...plugins],
    })
  const { metafile } = await bundle(entryPoints, [leaveOut])
  const { outputs } = metafile
  const migrating = Object.keys(outputs).filter((file) => hasMigrator(outputs[file]?.inputs ?? {}))
  const whole = Object.entries(entryPoints).filter(([name]) =>
    migrating.some((file) => basename(file) === `${name}.js`),
  )
  if (whole.length > 0) await bundle(Object.fromEntries(whole), [])
  return Object.keys(outputs)
}

/** Of the module, all have some bytes. */
const hasMigrator = (inputs: Record<string, { bytesInOutput: number }>) =>
  Object.entries(inputs).some(([path, { bytesInOutput }]) => MIGRATOR.test(path) && bytesInOutput > 1_000)
