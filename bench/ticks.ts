// What does a tick cost, by how many sessions are listed and how many of them changed? Beside Rollcall's tick stand two ways
// to do it row by row, a snapshot as dbt takes it, and what no tick can do without; all on one Postgres that really syncs, in
// turns. The others list the same over HTTP, but tell nobody: they write no events and no deliveries, nor ask why one ended.
// Of the ends that one tick sees 500 are missing from the listing, as many as it asks for, and those beyond are listed as
// closed: so all of them process the same number of changes.
// `npm run bench -- ticks --rounds N --sizes a,b --endpoints N`.
import { parseArgs } from 'node:util'
import { migrateToLatest } from '../lib/migrate.ts'
import { openDatabase } from '../lib/store/database.ts'
import type { Report } from './main.ts'
import { withPostgres } from './postgres.ts'
import { startProgram } from './program.ts'
import type { Api } from './ticks/api.ts'
import type { Plan } from './ticks/prepare.ts'
import { chartOf, ratiosOf, tableOf } from './ticks/results.ts'
import { type Case, measureSize } from './ticks/rounds.ts'

/** A size whose rounds take long has fewer. */
const LARGE = 100_000
const MOST_ROUNDS_LARGE = 3
/** Row by row, 10,000 sessions take 3 s, and 100,000 would take ten times as long. */
const ROW_BY_ROW_LARGE = 10_000
const MOST_ROUNDS_ROW_BY_ROW = 2

export async function ticks(args: string[]): Promise<Report> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '5' },
      sizes: { type: 'string', default: '100,1000,10000,100000' },
      endpoints: { type: 'string', default: '1' },
    },
  })
  const rounds = count('rounds', values.rounds)
  const plans = values.sizes.split(',').map((size) => planOf(count('sizes', size), rounds))
  const cases = await withPostgres({}, (url) => measure(url, plans, count('endpoints', values.endpoints, 0)))
  return { table: tableOf(cases), figures: cases, ratios: ratiosOf(cases), chart: await chartOf(cases) }
}

function count(option: string, text: string, least = 1): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least) return number
  throw new Error(`--${option} takes whole numbers from ${least} on, not ${JSON.stringify(text)}`)
}

function planOf(size: number, wanted: number): Plan {
  const rounds = size >= LARGE ? Math.min(wanted, MOST_ROUNDS_LARGE) : wanted
  const rowByRow = size >= ROW_BY_ROW_LARGE ? Math.min(wanted, MOST_ROUNDS_ROW_BY_ROW) : wanted
  return {
    size,
    warmUps: size >= ROW_BY_ROW_LARGE ? 1 : 3,
    rounds: {
      rollcall: rounds,
      'dbt-style': rounds,
      'change by change': rounds,
      ...(size < LARGE && { 'row by row': rowByRow }),
    },
  }
}

async function measure(databaseUrl: string, plans: Plan[], endpoints: number): Promise<Case[]> {
  const db = openDatabase(databaseUrl, { connections: 1, queryTimeoutMs: 120_000 })
  const api = await startProgram<Api>('ticks/api.ts')
  try {
    await migrateToLatest(db)
    const place = { db, databaseUrl, api, apiUrl: await api.ask('open'), endpoints }
    const cases: Case[] = []
    for (const plan of plans) {
      const beganAt = performance.now()
      cases.push(...(await measureSize(place, plan)))
      console.log(`${plan.size} sessions: ${Math.round((performance.now() - beganAt) / 1_000)} s`)
    }
    return cases
  } finally {
    await Promise.all([api.stop(), db.destroy()])
  }
}
