// A sum is made once, and must be what it would be if it were made at the end of days. A real Postgres; the API is the
// simulator, which lies and fails; between ticks the whole database is moved into the past, so that hours go by.
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { between, chances, happens } from '../../lib/local/simulator/chance.ts'
import { traffic } from '../../lib/local/simulator/traffic.ts'
import { tick } from '../../lib/reconcile.ts'
import { rollUp } from '../../lib/roll-up.ts'
import { openWorld, type World } from '../support/world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const TICKS = 200
let world: World
let tries = 0

/** What of a row is a time. Quarters stay quarters. */
const TIMES: Record<string, string[]> = {
  account: ['listed_at', 'complete_at', 'stalled_at'],
  snapshot: ['listed_at'],
  session: ['first_seen', 'ready', 'started', 'ended']
    .flatMap((what) => [`${what}_after`, `${what}_at`])
    .concat('missing_since'),
  session_version: ['valid_from', 'valid_to'],
  event: ['occurred_at'],
  usage_until: ['until'],
  usage_level: ['at'],
  usage_quarter: ['quarter_at'],
}

async function passQuarters(many: number): Promise<void> {
  for (const [table, columns] of Object.entries(TIMES)) {
    const moved = columns.map((column) => `${column} = ${column} - ${many} * interval '15 minutes'`)
    await sql.raw(`update ${table} set ${moved.join(', ')}`).execute(world.db)
  }
}

beforeAll(async () => {
  console.log(`final: SEED=${SEED}`)
  world = await openWorld()
  const { simulator, clock, account } = await world.simulate('default', { lingerSeconds: 300, fields: 11 }, SEED)
  const people = traffic(simulator, { sessionsPerMinute: 0.2, lengthSeconds: [60, 5_400], displacedShare: 0.1 })
  const { draw } = chances(SEED, ['draw'])
  const { settings, faults } = simulator
  for (let i = 0; i < TICKS; i += 1) {
    settings.droppedShare = happens(draw, 0.3) ? 0.4 : 0
    settings.emptyListShare = happens(draw, 0.1) ? 1 : 0
    settings.statUnavailable = happens(draw, 0.4)
    settings.extraItems = happens(draw, 0.2) ? [{ SessionId: 7 }] : []
    if (happens(draw, 0.15)) faults.push({ kind: 'html', path: 'list', times: 3 })
    await tick(world.db, account, { listDeadlineMs: 100, statDeadlineMs: 100 }).catch(() => undefined)
    faults.length = 0
    const quarters = happens(draw, 0.6) ? Math.floor(between(draw, [1, 4])) : 0
    clock.now += quarters * 900_000
    people.step(clock.now)
    await passQuarters(quarters)
    if (happens(draw, 0.5)) tries += await rollUp(world.db, 60_000)
  }
}, 120_000)
afterAll(() => world.close())

test('what was summed as soon as it could be is what is added up at last', async () => {
  const { rows: reach } = await sql<{ from: Date; to: Date; missed: number }>`
    select until as "to", (select min(first_seen_at) from session) as "from",
      (select count(*) from session where end_reason = 'absent') as missed from usage_until`.execute(world.db)
  const { from, to, missed } = reach[0]!
  const tell = async () => {
    const { rows: levels } = await sql`select * from report.levels(${from}, ${to})`.execute(world.db)
    const usages = []
    for (let quarter = 0; quarter < 90; quarter += 7) {
      const lower = new Date(from.getTime() + quarter * 900_000 - 86_400_000)
      const { rows } = await sql`
        select * from report.usage(${lower}, least(${to}, ${lower}::timestamptz + ${quarter} * interval '20 minutes'))
        order by account, project_id, asset_key`.execute(world.db)
      usages.push(rows)
    }
    const { rows: whole } = await sql`select * from report.usage('2000-01-01', ${to}) order by 1, 2, 3`.execute(
      world.db,
    )
    return { levels, usages, whole }
  }

  const early = await tell()
  await sql`truncate usage_until, usage_level, usage_quarter`.execute(world.db)
  const late = await tell()

  expect(tries).toBeGreaterThan(50)
  expect(missed).toBeGreaterThan(0)
  expect(early.levels.length).toBeGreaterThan(20)
  expect(early).toEqual(late)
})
