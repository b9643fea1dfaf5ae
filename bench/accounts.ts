// How long does a tick of 1,000 accounts of 50 sessions take, where the API takes 200 ms to answer, with one instance and with
// several that share them? The built function in processes of its own, warm, against a real Postgres; the double of the API is
// a process of its own, too. `npm run bench -- accounts --accounts N --sessions N --rounds N --api-ms MS --shares N`
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { type Kysely, sql } from 'kysely'
import { migrateToLatest } from '../lib/migrate.ts'
import type { TickResult } from '../lib/reconcile.ts'
import { type Database, openDatabase } from '../lib/store/database.ts'
import { startInstance, type WarmInstance } from '../test/support/bundle.ts'
import type { ApiDouble } from './api.ts'
import type { Report } from './main.ts'
import { withPostgres } from './postgres.ts'
import { type Program, ROOT, startProgram } from './program.ts'
import { median, rounded } from './statistics.ts'

const MOST_SECONDS = 5

/** What became of every account in a tick: nothing changed, or in each a session ended, of which the API is asked, and one began. */
type Kind = 'all new' | 'unchanged' | 'changed'

interface Tick {
  kind: Kind
  instances: number
  seconds: number
  /** Of the API, at once. */
  mostCalls: number
  calls: number
  outcomes: Record<string, number>
  /** Written by Postgres, for each account. */
  walBytes: number
}

export async function accounts(args: string[]): Promise<Report> {
  const { values } = parseArgs({
    args,
    options: {
      accounts: { type: 'string', default: '1000' },
      sessions: { type: 'string', default: '50' },
      rounds: { type: 'string', default: '2' },
      'api-ms': { type: 'string', default: '200' },
      shares: { type: 'string', default: '4' },
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
    const instances = Array.from({ length: Number(values.shares) }, () => startInstance('reconcile', env))
    const one = instances.slice(0, 1)
    try {
      const measured: Tick[] = [await tick(db, one, api, 'all new')]
      // They connect, and their code gets warm.
      await tick(db, instances, api, 'unchanged')
      for (let round = 0; round < Number(values.rounds); round += 1) {
        for (const several of [one, instances]) {
          measured.push(await tick(db, several, api, 'unchanged'))
          await api.ask('advance')
          measured.push(await tick(db, several, api, 'changed'))
        }
      }
      return measured
    } finally {
      await Promise.all([...instances.map((instance) => instance.stop()), api.stop(), db.destroy()])
    }
  })
  const names = [...new Set(ticks.map(nameOf))]
  const of = (name: string) => ticks.filter((one) => nameOf(one) === name)
  return {
    table: Object.fromEntries(names.map((name) => [name, row(of(name))])),
    figures: ticks,
    ratios: names
      .filter((name) => !name.startsWith('all new'))
      .map((name) => ({
        name: `${values.accounts} accounts, ${name}: seconds of a tick`,
        values: of(name).map(({ seconds }) => seconds),
        target: { atMost: MOST_SECONDS },
      })),
  }
}

const nameOf = ({ kind, instances }: Tick) => `${kind}, ${instances === 1 ? '1 instance' : `${instances} instances`}`

/** Each of several instances has its share, which the bench invokes it for as the first one would. */
async function tick(
  db: Kysely<Database>,
  instances: WarmInstance[],
  api: Program<ApiDouble>,
  kind: Kind,
): Promise<Tick> {
  await api.ask('counts')
  const walBefore = await walBytesOf(db)
  const beganAt = performance.now()
  const invoke = (instance: WarmInstance, index: number) => instance.invoke({ share: { index, of: instances.length } })
  const invocations = await Promise.all(instances.map(invoke))
  const seconds = (performance.now() - beganAt) / 1_000
  const { calls, mostUnderWay: mostCalls } = await api.ask('counts')
  const outcomes: Record<string, number> = {}
  for (const { result, thrown } of invocations) {
    if (thrown !== undefined) throw new Error(thrown)
    for (const { outcome } of (result as { accounts: TickResult[] }).accounts) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
  }
  const count = Object.values(outcomes).reduce((sum, one) => sum + one, 0)
  const walBytes = ((await walBytesOf(db)) - walBefore) / count
  const ticked = { kind, instances: instances.length, seconds, calls, mostCalls, outcomes, walBytes }
  console.log(`${nameOf(ticked)}: ${rounded(seconds)} s, ${mostCalls} calls at once, ${JSON.stringify(outcomes)}`)
  return ticked
}

/** Written since there is this Postgres. */
async function walBytesOf(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`select (pg_current_wal_insert_lsn() - '0/0')::float8 as bytes`.execute(
    db,
  )
  return rows[0]?.bytes ?? NaN
}

/** Medians. */
function row(ticks: Tick[]): Report['table'][string] {
  const of = (key: 'seconds' | 'calls' | 'mostCalls' | 'walBytes') => rounded(median(ticks.map((one) => one[key])))
  return {
    seconds: of('seconds'),
    'calls of the API': of('calls'),
    'at once': of('mostCalls'),
    'bytes of WAL an account': of('walBytes'),
  }
}
