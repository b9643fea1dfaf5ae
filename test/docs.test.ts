// The documents name what exists: files, commands and tests.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const documents = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]

describe.each(documents)('%s', (document) => {
  const text = readFileSync(join(root, document), 'utf8')

  test('links only to files that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? '')

    expect(links.filter((link) => !existsSync(join(root, dirname(document), link)))).toEqual([])
  })

  test('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? '')

    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})

test('docs/reliability.md names oracles that exist', () => {
  const text = readFileSync(join(root, 'docs/reliability.md'), 'utf8')
  const sources = ['oracles.ts', 'judge.ts']
    .map((name) => readFileSync(join(root, 'test/simulation', name), 'utf8'))
    .join()
  const named = [...text.matchAll(/`([a-z]+[A-Z]\w+|fold|gapless|rebuild)`/g)].map((match) => match[1] ?? '')

  expect(named.length).toBeGreaterThan(7)
  expect(named.filter((name) => !sources.includes(name))).toEqual([])
})
