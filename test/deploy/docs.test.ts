// docs/deploying.md says what the code does.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(join(import.meta.dirname, '..', '..', path), 'utf8')
const page = read('docs/deploying.md')

test('its policies are JSON, and who deploys may make every call that a deployment makes', () => {
  const policies = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => JSON.parse(text) as Policy)
  const [role, person] = policies.map(({ statement }) => statement.flatMap(({ action }) => action))
  const calls = [...read('lib/deploy/scf.ts').matchAll(/^ {2}(\w+): \[/gm)].map(([, action]) => `scf:${action}`)

  expect(calls.length).toBeGreaterThan(15)
  expect(calls.filter((call) => !person?.includes(call))).toEqual([])
  expect(person?.filter((action) => action.startsWith('scf:') && action !== 'scf:InvokeFunction').sort()).toEqual(
    calls.sort(),
  )
  expect(role).toEqual(['scf:InvokeFunction', 'scf:Invoke', 'ssm:GetSecretValue'])
})

test('its table has every parameter of serverless.yml, with its default', () => {
  const [, params = ''] = /^params:\n {2}default:\n([\s\S]*?)\n\n/m.exec(read('serverless.yml')) ?? []
  const declared = [...params.matchAll(/^ {4}(\w+): (.*)$/gm)].map(([, name, value]) => [
    name,
    value?.replaceAll("'", ''),
  ])
  const table = [...page.matchAll(/^\| (`\w+`(?:, `\w+`)*) +\|.*\| ([^|]+?) +\|$/gm)].flatMap(
    ([, names = '', values = '']) =>
      names.split(', ').map((name, i) => [name.replaceAll('`', ''), values.split(', ')[i] ?? values]),
  )

  expect(declared.length).toBeGreaterThan(10)
  const told = declared.map(([name]) => [name, table.find(([one]) => one === name)?.[1] ?? 'nothing'])
  // A default that is empty is told in words.
  const shown = told.map(([name, value = '']) => [name, /^`.*`$/.test(value) ? value.slice(1, -1) : ''])
  expect(told.map(([, value]) => value)).not.toContain('nothing')
  expect(shown).toEqual(declared)
})

interface Policy {
  statement: { action: string[] }[]
}
