// How long does one instance take for a tick of 1,000 accounts of 50 sessions, where the API takes 200 ms to answer? The built
// function in a process of its own, warm, against a real Postgres; the double of the API is a process of its own, too.
// `npm run bench -- accounts --accounts N --sessions N --rounds N --api-ms MS`
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { migrateToLatest } from '../lib/migrate.ts'
import type { TickResult } from '../lib/reconcile.ts'
import { openDatabase } from '../lib/store/database.ts'
import { startInstance, type WarmInstance } from '../test/support/bundle.ts'
import type { ApiDouble } from './api.ts'
import type { Report } from './main.ts'
import { withPostgres } from './postgres.ts'
import { ROOT, startProgram } from './program.ts'
import { median, rounded } from './statistics.ts'

const MOST_SECONDS = 5

/** What became of every account in a tick: nothing changed, or in each a session ended, of which the API is asked, and one began. */
type Kind = 'all new' | 'unchanged' | 'changed'

interface Tick {
  kind: Kind
  seconds: number
  /** Of the API, at once. */
  mostCalls: number
  calls: number
  outcomes: Record<string, number>
}

export async function accounts(args: string[]): Promise<Report> {
  const { values } = parseArgs({
    args,
    options: {
      accounts: { type: 'string', default: '1000' },
      sessions: { type: 'string', default: '50' },
      rounds: { type: 'string', default: '3' },
      'api-ms': { type: 'string', default: '200' },
    },
  })
  execFileSync(process.execPath, ['build.mjs'], { cwd: ROOT, stdio: 'inherit' })
  const ticks = await withPostgres({}, async (url) => {
    const db = openDatabase(url)
    await migrateToLatest(db)
    const api = await startProgram<ApiDouble>('api.ts', values['api-ms'])
    const list = Array.from({ length: Number(values.accounts) }, (_, index) => ({
      name: `account${index}`,
      appkey: `key${index}-${values.sessions}`,
      accessToken: 'token',
    }))
    const env = { DATABASE_URL: url, IVH_BASE_URL: await api.ask('open'), IVH_ACCOUNTS: JSON.stringify(list) }
    const instance = startInstance('reconcile', env)
    try {
      const measured: Tick[] = [await tick(instance, api, 'all new')]
      for (let round = 0; round < Number(values.rounds); round += 1) {
        measured.push(await tick(instance, api, 'unchanged'))
        await api.ask('advance')
        measured.push(await tick(instance, api, 'changed'))
      }
      return measured
    } finally {
      await Promise.all([instance.stop(), api.stop(), db.destroy()])
    }
  })
  const kinds = [...new Set(ticks.map(({ kind }) => kind))]
  const secondsOf = (kind: Kind) => ticks.filter((one) => one.kind === kind).map(({ seconds }) => seconds)
  return {
    table: Object.fromEntries(kinds.map((kind) => [kind, row(ticks.filter((one) => one.kind === kind))])),
    figures: ticks,
    ratios: (['unchanged', 'changed'] as const).map((kind) => ({
      name: `${values.accounts} accounts, ${kind}: seconds of a tick`,
      values: secondsOf(kind),
      target: { atMost: MOST_SECONDS },
    })),
  }
}

async function tick(instance: WarmInstance, api: Awaited<ReturnType<typeof startProgram<ApiDouble>>>, kind: Kind) {
  await api.ask('counts')
  const beganAt = performance.now()
  const { result, thrown } = await instance.invoke()
  const seconds = (performance.now() - beganAt) / 1_000
  if (thrown !== undefined) throw new Error(thrown)
  const { calls, mostUnderWay: mostCalls } = await api.ask('counts')
  const outcomes: Record<string, number> = {}
  for (const { outcome } of (result as { accounts: TickResult[] }).accounts) {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  console.log(`${kind}: ${rounded(seconds)} s, ${calls} calls, ${mostCalls} at once, ${JSON.stringify(outcomes)}`)
  return { kind, seconds, calls, mostCalls, outcomes }
}

/** Medians. */
function row(ticks: Tick[]): Report['table'][string] {
  const of = (key: 'seconds' | 'calls' | 'mostCalls') => rounded(median(ticks.map((one) => one[key])))
  return { seconds: of('seconds'), 'calls of the API': of('calls'), 'at once': of('mostCalls') }
}
