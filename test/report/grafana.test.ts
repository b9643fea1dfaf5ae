// The dashboard's queries, with Grafana's macros and variables filled in as its PostgreSQL data source does, for an analyst who has
// the role and nothing else. A real Postgres with the known data; Grafana itself is not here.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openKnownData } from './analyst.ts'

interface Panel {
  id: number
  title: string
  description: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets: { rawSql: string; format: 'table' | 'time_series' }[]
}
interface Dashboard {
  panels: Panel[]
  templating: { list: { name: string; type: string; query: string }[] }
}

const dashboard = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../docs/grafana/rollcall.json'), 'utf8'),
) as Dashboard
const queries = dashboard.panels.flatMap(({ title, targets }) => targets.map((target) => ({ title, ...target })))

let known: Awaited<ReturnType<typeof openKnownData>>
beforeAll(async () => {
  known = await openKnownData()
})
afterAll(() => known.close())

const FROM = `'2026-03-02T00:00:00Z'`
const TO = `'2026-03-10T12:00:00Z'`

const asGrafana = (text: string, interval: string) =>
  text
    .replaceAll(/\$__timeFilter\((\w+)\)/g, `$1 BETWEEN ${FROM} AND ${TO}`)
    .replaceAll('$__timeFrom()', FROM)
    .replaceAll('$__timeTo()', TO)
    .replaceAll('$__interval', interval)
    .replaceAll('${account:sqlstring}', `'clinic','shop'`)
    .replaceAll('$channels', '8')

test.each(queries)('the panel "$title" has something to show', async ({ rawSql, format }) => {
  for (const interval of ['30s', '15m', '1h', '1d', '7d']) {
    const text = asGrafana(rawSql, interval)
    expect(text).not.toContain('$')

    const { rows, fields } = await known.analyst.client.query<Record<string, unknown>>(text)

    expect(rows.length).toBeGreaterThan(0)
    if (format !== 'time_series') continue
    // What the data source makes series of: a time, a name, a number; the oldest first.
    expect(fields.map((field) => field.name).slice(0, 2)).toEqual(['time', 'metric'])
    expect(fields).toHaveLength(3)
    const times = rows.map(({ time }) => (time as Date).getTime())
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(Number.isFinite(Number(rows[0]?.[fields[2]!.name]))).toBe(true)
  }
})

test('panels have a title and a description, and do not lie upon each other', () => {
  const covers = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
  )

  expect(new Set(covers).size).toBe(covers.length)
  expect(dashboard.panels.filter(({ title, description }) => !title || !description)).toEqual([])
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
})

test('the variable of accounts lists them', async () => {
  const [account] = dashboard.templating.list.filter(({ type }) => type === 'query')

  const { rows } = await known.analyst.client.query(account!.query)

  expect(rows).toEqual([{ account: 'clinic' }, { account: 'shop' }])
})
