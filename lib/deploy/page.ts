// Puts the console's page into bundles as text: no file lies beside a function, and what a page needs comes from nowhere else.
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import type { Asset } from '../console/assets.ts'

/** In place of the module that has no files. */
const EMPTY = /lib.console.assets\.ts$/

/** Bundles with lib/console/assets.ts in them have the page in its place. */
export const withPage: Plugin = {
  name: 'with-page',
  setup: (building) => {
    building.onLoad({ filter: EMPTY }, async ({ path }) => {
      const page = await buildPage(join(dirname(path), 'page'))
      return { contents: `export const assets = ${JSON.stringify(page)}` }
    })
  },
}

/** The page's files by their paths: the same sources give the same names and bytes. */
async function buildPage(folder: string): Promise<Record<string, Asset>> {
  const { outputFiles } = await build({
    entryPoints: { main: join(folder, 'main.tsx'), style: join(folder, 'style.css') },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    charset: 'utf8',
    entryNames: '[name]-[hash]',
    outdir: folder,
    write: false,
    logLevel: 'warning',
  })
  const files = outputFiles.map(({ path, text }) => ({ path: path.slice(folder.length).replaceAll('\\', '/'), text }))
  // index.html names them as if they had no hash.
  const html = files.reduce(
    (text, { path }) => text.replaceAll(path.replace(/-[A-Z0-9]+\./, '.'), path),
    await readFile(join(folder, 'index.html'), 'utf8'),
  )
  return {
    '/': { type: 'text/html; charset=utf-8', body: html, immutable: false },
    ...Object.fromEntries(files.map(({ path, text }) => [path, { type: typeOf(path), body: text, immutable: true }])),
  }
}

const typeOf = (path: string) => `${path.endsWith('.css') ? 'text/css' : 'text/javascript'}; charset=utf-8`
