// The documents name what exists: files, commands and tests.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OPERATOR_EVENT_TYPES } from '../lib/core/event.ts'
import { longestDelayMs, longestPauseMs } from '../lib/core/retry.ts'

const root = join(import.meta.dirname, '..')
const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
const documents = ['README.md', ...pages.map((name) => `docs/${name}`)]

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

test('docs/delivery.md has the delays and pauses that the code has', () => {
  const text = readFileSync(join(root, 'docs/delivery.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (\d+)(?: and later)? +\| (\d+) s +\|$/gm)].map((row) =>
    [row[1], row[2]].map(Number),
  )
  const pauses = [60, 120, 600].map((seconds) => longestPauseMs(5, seconds * 1_000) / 1_000)

  expect(rows).toEqual(Array.from({ length: 14 }, (_, index) => [index + 1, longestDelayMs(index + 1) / 1_000]))
  expect(text).toContain('a quarter to half of the time it has been failing, but never more than a minute')
  expect(pauses).toEqual([30, 60, 60])
})

test('docs/delivery.md names the operator events that there are', () => {
  const text = readFileSync(join(root, 'docs/delivery.md'), 'utf8')
  const named = [...text.matchAll(/^\| `(\w+\.\w+)` +\|/gm)].map((row) => row[1])

  expect(named).toEqual([...OPERATOR_EVENT_TYPES, 'webhook.ping'])
})

test('docs/comparison.md has a test, by its file and name, for each thing that Rollcall is said to do', () => {
  const text = readFileSync(join(root, 'docs/comparison.md'), 'utf8')
  const numbered = [...text.matchAll(/^\| (\d+) +\| (.+?) +\| (.+?) +\|/gm)]
  const features = numbered.filter(([, , cell = '']) => !cell.startsWith('['))
  const tests = numbered
    .filter(([, , cell = '']) => cell.startsWith('['))
    .map(([, no, link = '', title = '']) => {
      return { no, file: /\(\.\.\/(.+)\)/.exec(link)?.[1] ?? '', title }
    })
  const done = features.filter(([, , , rollcall = '']) => !/^no\b/.test(rollcall)).map(([, no]) => no)
  const isThere = ({ file, title }: { file: string; title: string }) =>
    existsSync(join(root, file)) && readFileSync(join(root, file), 'utf8').includes(`'${title}'`)

  expect(features.map(([, no]) => no)).toEqual(Array.from({ length: 39 }, (_, index) => String(index + 1)))
  expect([...new Set(tests.map(({ no }) => no))]).toEqual(done)
  expect(tests.filter((one) => !isThere(one))).toEqual([])
})
