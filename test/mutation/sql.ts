// Runs the tests of the store once for each mutant of its statements. Nothing is written into lib/: vitest loads the
// mutant instead of the file.
import { resolve } from 'node:path'
import pMap from 'p-map'
import pg from 'pg'
import { startVitest } from 'vitest/node'
import { cloneDatabase, startTestServer } from '../support/clone.ts'
import type { Tested } from './main.ts'
import { type Mutant, mutantsOf } from './sql-mutants.ts'

const FILES = ['claim', 'settle', 'event', 'operator', 'account', 'snapshot', 'session'].map(
  (name) => `lib/store/${name}.ts`,
)
/** The quickest first: only what survives one comes to the next. */
const STAGES = [
  ['test/store/delivery.test.ts', 'test/store/pace.test.ts'],
  ['test/store/*.test.ts'],
  ['test/deliver.test.ts', 'test/reconcile.test.ts'],
  ['test/simulation/crash.test.ts', 'test/mutation/seeds.ts'],
]
/** The tests mostly wait. */
const AT_ONCE = 3

/** Each mutant of the statements of deliveries and of a tick, and whether a test fails with it. */
export async function testSql(only = ''): Promise<Tested[]> {
  const server = await startTestServer()
  try {
    const found = await Promise.all(FILES.map(mutantsOf))
    const all = await withoutNonsense(
      server.url,
      found.flatMap(({ mutants }) => mutants),
    )
    const mutants = all.filter(({ file, line, what }) => `${file}:${line}: ${what}`.includes(only))
    // Statements that are only parsed and printed show that a kill is neither the printer's nor a test's own doing.
    const unchanged = only === '' ? found.flatMap((one) => one.unchanged) : []
    await pMap(unchanged, (one) => assertSurvives(one, server.url), { concurrency: AT_ONCE })
    let done = 0
    const test = async (mutant: Mutant) => {
      const killed = await isKilled(mutant, server.url)
      done += 1
      if (!killed || done % 20 === 0)
        console.log(
          `${done} of ${mutants.length}${killed ? '' : `, survived: ${mutant.file}:${mutant.line}: ${mutant.what}`}`,
        )
      return { ...mutant, killed }
    }
    return await pMap(mutants, test, { concurrency: AT_ONCE })
  } finally {
    await server.stop()
  }
}

async function assertSurvives(unchanged: Mutant, postgresUrl: string): Promise<void> {
  if (await isKilled(unchanged, postgresUrl)) {
    throw new Error(`the tests fail although ${unchanged.file}:${unchanged.line} says what it said: mend that first`)
  }
}

async function isKilled(mutant: Mutant, postgresUrl: string): Promise<boolean> {
  for (const stage of STAGES) if (await fails(stage, mutant, postgresUrl)) return true
  return false
}

/** Whether one of the tests fails, twice: a mutant must not count as killed because the machine was busy. */
async function fails(include: string[], { file, source }: Mutant, postgresUrl: string): Promise<boolean> {
  const mutate = {
    name: 'mutate',
    enforce: 'pre' as const,
    load: (id: string) => (id === resolve(file) ? source : null),
  }
  const vitest = await startVitest(
    'test',
    [],
    {
      config: false,
      watch: false,
      reporters: [{}],
      include,
      provide: { postgresUrl },
      pool: 'forks',
      maxWorkers: 2,
      bail: 1,
      retry: 1,
      testTimeout: 20_000,
      hookTimeout: 20_000,
    },
    { plugins: [mutate] },
  )
  const modules = vitest.state.getTestModules()
  const failed = !modules.every((module) => module.ok()) || vitest.state.getUnhandledErrors().length > 0
  if (modules.length === 0) throw new Error(`no tests in ${include.join(', ')}`)
  await vitest.close()
  // It is set by each run that fails.
  process.exitCode = 0
  return failed
}

/** Without those that Postgres refuses to prepare although it prepares the statement as it was: any test shows those. */
async function withoutNonsense(server: string, mutants: Mutant[]): Promise<Mutant[]> {
  const database = await cloneDatabase(server)
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const isAccepted = (statement: string) =>
    client
      .query(`prepare one as ${statement}`)
      .then(() => client.query('deallocate one'))
      .then(
        () => true,
        () => false,
      )
  try {
    const kept: Mutant[] = []
    for (const one of mutants) {
      const { before, after } = one.statements ?? {}
      const isNonsense = before && after && (await isAccepted(before)) && !(await isAccepted(after))
      if (!isNonsense) kept.push(one)
    }
    return kept
  } finally {
    await client.end()
    await database.drop()
  }
}
