// How TypeScript becomes what runs: one CommonJS file for each entry, with everything in it. Used by build.mjs and by
// `serverless package`; the same sources must give the same bytes, or every deployment would send what did not change.
import { build, type BuildOptions } from 'esbuild'

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

/** Bundles the entries (output name → source file), minified, each with its source map beside it; gives all files written. */
export async function bundleFunctions(entryPoints: Record<string, string>, outdir: string): Promise<string[]> {
  const { metafile } = await build({
    ...common,
    // SCF documents Node 18.15 as its newest runtime.
    target: 'node18.15',
    minify: true,
    sourcemap: 'external',
    entryPoints,
    outdir,
  })
  return Object.keys(metafile.outputs)
}
