// `rollcall report`, as it is built, asked by an analyst who has the role and nothing else. A real Postgres with the known data, no
// doubles.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forTerminal, toCsv } from '../../lib/cli/report.ts'
import { findQuestion, type Row } from '../../lib/store/report.ts'
import { QUESTIONS } from '../../lib/store/report/cookbook.ts'
import { rollcall } from '../support/run.ts'
import { openKnownData } from './analyst.ts'

let known: Awaited<ReturnType<typeof openKnownData>>
beforeAll(async () => {
  known = await openKnownData()
})
afterAll(() => known.close())

const run = (...args: string[]) => rollcall(['report', ...args], { env: { DATABASE_URL: known.analyst.url } })
const SPAN = ['--from', '2026-03-02', '--to', '2026-03-10', '--timezone', 'UTC']

async function rowsOf(...args: string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await run(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Row[]
}

async function failure(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^[^\n]+\n$/)
  return stderr.trim()
}

describe('rollcall report', () => {
  test('lists its questions, without a database too', async () => {
    const bare = await rollcall(['report'])
    const listed = await rollcall(['report', '--list', '--json'])

    expect(bare.code).toBe(0)
    for (const { name } of QUESTIONS) expect(bare.stdout).toMatch(new RegExp(`^${name} .*`, 'm'))
    expect(JSON.parse(listed.stdout)).toEqual(QUESTIONS.map(({ name, asks }) => ({ name, question: asks })))
  })

  test('answers as a table, as CSV and as JSON', async () => {
    const table = await run('dead-deliveries', ...SPAN)
    const csv = await run('dead-deliveries', ...SPAN, '--format', 'csv')
    const json = await run('dead-deliveries', ...SPAN, '--format', 'json')

    expect(table.stdout.split('\n')[0]).toMatch(/^endpoint +description +day +dead +delivered$/)
    expect(csv.stdout.split('\n').slice(0, 2)).toEqual([
      'endpoint,description,day,dead,delivered',
      expect.stringMatching(/^ep_legacy,the old dashboard,2026-03-07,\d+,0$/),
    ])
    expect(JSON.parse(json.stdout)).toEqual(await rowsOf('dead-deliveries', ...SPAN))
    expect(table.stdout.trim().split('\n')).toHaveLength((JSON.parse(json.stdout) as Row[]).length + 1)
  })

  test('has the columns in CSV, and no row, where nothing is to be told', async () => {
    const { stdout } = await run('dead-deliveries', '--from', '2026-01-01', '--to', '2026-01-02', '--format', 'csv')
    const table = await run('dead-deliveries', '--from', '2026-01-01', '--to', '2026-01-02')

    expect(stdout).toBe('endpoint,description,day,dead,delivered\n')
    expect(table.stdout).toBe('nothing in that time\n')
  })

  test('means the days of the time zone that is named', async () => {
    const days = ['--from', '2026-03-03', '--to', '2026-03-04']
    const [utc] = await rowsOf('peak-concurrency', ...days, '--channels', '9', '--timezone', 'utc')
    const shanghai = await rowsOf('concurrency', ...days, '--timezone', 'Asia/Shanghai', '--account', 'shop')

    expect(utc).toMatchObject({ account: 'clinic', day: '2026-03-03' })
    expect(shanghai).toHaveLength(24)
    expect(shanghai[0]).toMatchObject({ account: 'shop', hour: '2026-03-03T00:00:00+08:00' })
  })

  test('takes the last 30 days, or 7 of deliveries, when it is not told another span', async () => {
    const to = ['--to', '2026-03-10', '--timezone', 'UTC']
    const ticks = await rowsOf('ticks-by-day', ...to)
    const deliveries = await rowsOf('delivery-delay', ...to)

    expect(await rowsOf('ends')).toEqual([])
    expect(ticks[0]).toMatchObject({ day: '2026-03-02' })
    // By endpoint, then by day.
    expect(deliveries[0]).toMatchObject({ day: '2026-03-03' })
  })

  test.each([
    [['nonsense'], 'not_found: there is no report nonsense: `rollcall report --list` and `/api/reports` list all'],
    [['ends', '--from', '2026-03-10', '--to', '2026-03-02', '--timezone', 'UTC'], 'input_invalid: --from (2026-03-10'],
    [['ends', '--from', '2026-02-30'], 'input_invalid: --from or --to is no time that there is'],
    [['ends', '--timezone', 'Mars/Olympus'], 'input_invalid: Postgres knows no time zone Mars/Olympus'],
    [['ends', '--timezone', '5'], 'input_invalid: Postgres knows no time zone 5'],
    [['ends', '--account', 'nobody'], 'not_found: there is no account nobody; expected one of: clinic, shop'],
    [['peak-concurrency'], 'input_invalid: peak-concurrency needs --channels'],
    [['concurrency', '--from', '0001-01-01'], 'there are over a million steps of 01:00:00: ask for less time'],
  ])('%j fails with what is wrong and what to do', async (args, message) => {
    expect(await failure(...args)).toContain(message)
  })

  test.each([
    ['ends', '--from', '2026'],
    ['ends', '--to', 'yesterday'],
    ['peak-concurrency', '--channels', '0'],
    ['peak-concurrency', '--channels', '8.5'],
    ['ends', '--format', 'xml'],
    ['ends', '--format', 'csv', '--json'],
    ['ends', 'more'],
  ])('%s %s %s is a usage error', async (...args) => {
    const { code, stdout, stderr } = await run(...args)

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^error: /)
  })

  test.each(['ends', 'concurrency'])(
    '%s says that the database is not migrated, where the schema is missing',
    async (name) => {
      await sql`alter schema report rename to elsewhere`.execute(known.database.db)
      const said = await rollcall(['report', name], { env: { DATABASE_URL: known.database.url } })
      await sql`alter schema elsewhere rename to report`.execute(known.database.db)

      expect(said.stderr).toMatch(/^not_migrated: .*rollcall migrate/)
    },
  )
})

describe('the commands of docs/reporting.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/reporting.md'), 'utf8')
  const commands = [...text.matchAll(/^npx rollcall report ?(.*)$/gm)].map(([, args = '']) => args)

  test.each(commands)('npx rollcall report %s', async (args) => {
    const { code, stderr } = await run(...args.split(' ').filter((arg) => arg !== ''))

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
})

describe('what is printed', () => {
  test('is no formula where a spreadsheet opens it, and numbers stay numbers', () => {
    const rows = ['=1+1', '+1', '-1', '@SUM(A1)', 'a,"b"\nc', 'plain'].map((user) => ({ user, left: -2 }))

    expect(toCsv({ columns: ['user', 'left'], rows })).toBe(
      ['user,left', `'=1+1,-2`, `'+1,-2`, `'-1,-2`, `'@SUM(A1),-2`, `"a,""b""·c",-2`, 'plain,-2'].join('\n'),
    )
  })

  test('keeps what is null empty, and says true and false', () => {
    expect(toCsv({ columns: ['a', 'b', 'c'], rows: [{ a: null, b: true, c: false }] })).toBe('a,b,c\n,true,false')
  })

  test('on a terminal is a curve for each account under the table, with room for it', () => {
    const rows = ['clinic', 'shop'].flatMap((account) =>
      Array.from({ length: 500 }, (_, hour) => ({
        account,
        hour: new Date(Date.UTC(2026, 2, 2, hour)).toISOString(),
        peak: hour === 250 ? 77 : hour % 24,
      })),
    )
    const report = { columns: ['account', 'hour', 'peak'], rows }

    const shown = forTerminal(report, findQuestion('concurrency'), 80)

    const [, curve = ''] = shown.split('\n\n')
    expect(curve).toMatch(/^clinic: peak\n/)
    expect(curve).toContain('━')
    // However many points there are, the highest is among those that are drawn.
    expect(curve).toMatch(/^ *77┤.*[┏┓┛━]/m)
    expect(shown).toContain('\n\nshop: peak\n')
    expect(curve.split('\n').every((line) => line.length <= 80)).toBe(true)
  })

  test('has no curve for one point, nor for a question that has none', () => {
    const report = { columns: ['account', 'day', 'peak'], rows: [{ account: 'shop', day: '2026-03-02', peak: 3 }] }

    expect(forTerminal(report, findQuestion('peak-concurrency'), 80)).not.toContain('┤')
    expect(forTerminal(report, undefined, 80)).not.toContain('┤')
  })
})
