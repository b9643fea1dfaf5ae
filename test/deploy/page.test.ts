// How a page becomes part of a bundle: a small one in a folder of its own, in place of the module that has no files.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Asset } from '../../lib/console/assets.ts'
import { withPage } from '../../lib/deploy/page.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-page-test-'))
  mkdirSync(join(folder, 'lib/console/page'), { recursive: true })
  writeFileSync(join(folder, 'lib/console/assets.ts'), 'export const assets = {}')
  write('index.html', '<link rel="stylesheet" href="/style.css"><script type="module" src="/main.js"></script>')
  write('main.tsx', 'document.title = "ü" + "</script>"')
  write('style.css', 'body { color: red }')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, text: string) => writeFileSync(join(folder, 'lib/console/page', name), text)

async function assetsOf(): Promise<Record<string, Asset>> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'lib/console/assets.ts')],
    bundle: true,
    format: 'esm',
    write: false,
    plugins: [withPage],
  })
  const url = `data:text/javascript;base64,${Buffer.from(outputFiles[0]?.text ?? '').toString('base64')}`
  return ((await import(url)) as { assets: Record<string, Asset> }).assets
}

test('its files are texts whose names have their hash, and its HTML names them so', async () => {
  const assets = await assetsOf()
  const paths = Object.keys(assets)
  const html = assets['/']

  expect(paths.sort()).toEqual([
    '/',
    expect.stringMatching(/^\/main-[A-Z0-9]{8}\.js$/),
    expect.stringMatching(/^\/style-[A-Z0-9]{8}\.css$/),
  ])
  expect(html).toEqual({
    type: 'text/html; charset=utf-8',
    body: `<link rel="stylesheet" href="${paths[2]}"><script type="module" src="${paths[1]}"></script>`,
    immutable: false,
  })
  expect(assets[paths[1] ?? '']).toMatchObject({ type: 'text/javascript; charset=utf-8', immutable: true })
  expect(assets[paths[2] ?? '']).toMatchObject({ type: 'text/css; charset=utf-8', body: 'body{color:red}\n' })
})

test('the same sources give the same names and bytes, others another name', async () => {
  const [first, second] = [await assetsOf(), await assetsOf()]
  write('style.css', 'body { color: blue }')
  const third = await assetsOf()

  expect(second).toEqual(first)
  expect(Object.keys(third).filter((path) => !(path in first))).toEqual([expect.stringMatching(/^\/style-/)])
})

test('a page that is not there is a fault, and no empty console', async () => {
  rmSync(join(folder, 'lib/console/page'), { recursive: true })

  await expect(assetsOf()).rejects.toThrow(/main\.tsx/)
})
