// docs/reporting.md and docs/schema.md are what `npm run docs:reporting` prints, and every query works as printed, for an
// analyst who has the role and nothing else. A real Postgres with the known data, no doubles.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUESTIONS } from '../../lib/store/report/cookbook.ts'
import { runReport } from '../../lib/store/report.ts'
import { openKnownData } from './analyst.ts'
import { ASKED, cookbook, overview, schema } from './pages.ts'

const docs = join(import.meta.dirname, '../../docs')
const PRINTED = '<!-- The rest is printed by `npm run docs:reporting`. -->'

let known: Awaited<ReturnType<typeof openKnownData>>
beforeAll(async () => {
  known = await openKnownData()
})
afterAll(() => known.close())

const pretty = async (text: string) =>
  format(text, { ...(await resolveConfig(join(docs, 'reporting.md'))), parser: 'markdown' })
const page = () => readFileSync(join(docs, 'reporting.md'), 'utf8')

test('docs/reporting.md is what its script prints', async () => {
  const [intro = ''] = page().split(PRINTED)
  const printed = [intro.trim(), PRINTED, await overview(known.database.db), await cookbook(known.database.db)].join(
    '\n\n',
  )

  await expect(await pretty(printed)).toMatchFileSnapshot(join(docs, 'reporting.md'))
})

test('docs/schema.md is what its script prints', async () => {
  await expect(await pretty(await schema(known.database.db))).toMatchFileSnapshot(join(docs, 'schema.md'))
})

/** What psql makes of a line: its variables, and everything else as it is. */
function asPsql(text: string, variables: Map<string, string>): string {
  const value = (name: string) => {
    const found = variables.get(name)
    if (found === undefined) throw new Error(`psql knows no ${name}`)
    return found
  }
  return text
    .replaceAll(/:'(\w+)'/g, (_, name: string) => `'${value(name).replaceAll("'", "''")}'`)
    .replaceAll(/(?<![:\w]):([a-z]\w*)/g, (_, name: string) => value(name))
}

describe('as printed, for the role rollcall_report alone', () => {
  const blocks = [...page().matchAll(/#### (\S+)\n[^]*?```sql\n([^]*?)```/g)].map(([, question = '', query = '']) => ({
    question,
    query,
  }))
  const settings = /## Cookbook[^]*?```sql\n([^]*?)```/.exec(page())?.[1] ?? ''
  const variables = new Map(
    [...settings.matchAll(/^\\set (\w+) '?(.*?)'?$/gm)].map(([, key = '', value = '']) => [key, value]),
  )

  test('the page has every question, at least twenty', () => {
    expect(blocks.map(({ question }) => question)).toEqual(QUESTIONS.map(({ name }) => name))
    expect(blocks.length).toBeGreaterThanOrEqual(20)
  })

  const hasPsql = spawnSync('psql', ['--version']).status === 0
  test.skipIf(!hasPsql)('psql takes all of it, pasted in one piece', () => {
    const pasted = [settings, ...blocks.map(({ query }) => query)].join('\n')
    const psql = spawnSync('psql', ['--no-psqlrc', '--set=ON_ERROR_STOP=1', '--quiet', known.analyst.url], {
      input: pasted,
      encoding: 'utf8',
    })

    expect({ status: psql.status, stderr: psql.stderr }).toEqual({ status: 0, stderr: '' })
    expect([...psql.stdout.matchAll(/^\(\d+ rows?\)$/gm)]).toHaveLength(blocks.length)
  })

  test.each(blocks)('$question gives what the command gives', async ({ question, query }) => {
    const [timezone = ''] = settings.split('\n')
    await known.analyst.client.query(timezone)
    const text = asPsql(query.replace(/;\s*$/, ''), variables)
    const { rows } = await known.analyst.client.query<{ row: unknown }>(
      `select row_to_json(answer) as row from (${text}) as answer`,
    )
    const { rowCount, fields } = await known.analyst.client.query(asPsql(query, variables))

    const asked = QUESTIONS.find((one) => one.name === question)!
    const report = await runReport(known.database.db, asked, ASKED)
    expect(rows.map(({ row }) => row)).toEqual(report.rows)
    expect(rowCount).toBeGreaterThan(0)
    expect(fields.map((field) => field.name)).toEqual(report.columns)
  })
})

test('each plot is of columns that there are, for a curve that is in order', async () => {
  for (const question of QUESTIONS) {
    if (!question.plot) continue
    const { columns } = await runReport(known.database.db, question, ASKED)
    expect(columns).toEqual(expect.arrayContaining([question.plot.x, question.plot.y]))
  }
})
