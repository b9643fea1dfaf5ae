// The role that analysts are given: it sees the schema `report` and nothing else. A real Postgres, no doubles.
import { sql } from 'kysely'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createReport } from '../../migrations/report/create.ts'
import { seed } from '../support/seed.ts'
import { openWorld, type World } from '../support/world.ts'
import { type Analyst, openAnalyst } from './analyst.ts'

let world: World
let own: Analyst
/** Of an analyst who has the role and no other right. */
let analyst: pg.Client

beforeAll(async () => {
  world = await openWorld()
  await world.subscribe()
  await seed(world.db, { sessions: 3, perSession: 3 })
  own = await openAnalyst(world)
  analyst = own.client
})
afterAll(async () => {
  await own.leave()
  await world.close()
})

const columns = `
  select table_name as view, column_name as column, col_description(format('report.%I', table_name)::regclass, ordinal_position) as about
  from information_schema.columns where table_schema = 'report' order by table_name, ordinal_position`

describe('an analyst', () => {
  test('reads every view and calls every function', async () => {
    const { rows } = await analyst.query<{ view: string }>(
      `select table_name as view from information_schema.tables where table_schema = 'report'`,
    )
    for (const { view } of rows) await analyst.query(`select * from report.${view}`)
    await analyst.query(`select * from report.sessions_at(now())`)
    await analyst.query(`select * from report.concurrency(now() - interval '1 day', now(), interval '1 hour')`)
    await analyst.query(`select * from report.capacity(1), report.gaps(), report.leaks()`)

    expect(rows.length).toBeGreaterThanOrEqual(7)
    expect((await analyst.query('select from report.sessions')).rowCount).toBe(3)
  })

  test.each([
    'select * from session',
    'select * from session_version',
    'select body from event',
    'select * from endpoint',
    'select * from endpoint_secret',
    'select * from delivery',
    'select * from account',
    `select * from session_between('-infinity', 'infinity')`,
    'update report.sessions set user_id = null',
    'delete from report.ticks',
    `insert into report.error_codes values (1, 'a', 'b')`,
    'create view report.mine as select 1',
    'drop view report.sessions',
    'create table mine (id int)',
    `comment on view report.sessions is 'mine'`,
  ])('may not: %s', async (statement) => {
    await expect(analyst.query(statement)).rejects.toThrow(
      /permission denied|must be owner|cannot (update|delete|insert)/,
    )
  })

  test('is not shown tables of their own instead of the real ones', async () => {
    await analyst.query(`create temporary table session as select * from report.sessions limit 0`)
    await analyst.query(`create temporary table account (id integer, name text)`)

    const { rowCount } = await analyst.query(
      `select from report.concurrency(now() - interval '1 hour', now(), interval '1 hour') where peak = 3`,
    )
    await analyst.query('drop table pg_temp.session, pg_temp.account')

    expect(rowCount).toBe(1)
  })

  test('may not bring functions that would run as the owner, also where anybody could create', async () => {
    await sql`grant create on schema public to public`.execute(world.db)
    const bring = () =>
      analyst.query(`create or replace function public.width_bucket(timestamptz, timestamptz[]) returns integer
        language plpgsql as 'begin perform body from event; return 1; end'`)
    await bring()
    await analyst.query('drop function public.width_bucket')

    await world.db.transaction().execute((tx) => createReport(tx))

    await expect(bring()).rejects.toThrow('permission denied for schema public')
    await analyst.query('select * from report.capacity(1)')
  })

  test('keeps what it was granted by name when the reports are made again, and the public gets nothing', async () => {
    await sql`create role "an ""analyst"""`.execute(world.db)
    await sql`grant select on report.usage_daily to "an ""analyst""" with grant option`.execute(world.db)
    await sql`grant execute on function report.gaps to "an ""analyst"""`.execute(world.db)

    await world.db.transaction().execute((tx) => createReport(tx))

    const { rows } = await sql`
      select grantee, privilege_type, is_grantable from information_schema.table_privileges
      where table_schema = 'report' and grantee like '%analyst%'
      union all
      select grantee, routine_name || ' ' || privilege_type, is_grantable from information_schema.routine_privileges
      where routine_schema = 'report' and (grantee like '%analyst%' or grantee = 'PUBLIC')
      order by 2`.execute(world.db)
    await sql`drop owned by "an ""analyst"""`.execute(world.db)
    await sql`drop role "an ""analyst"""`.execute(world.db)
    expect(rows).toEqual([
      { grantee: 'an "analyst"', privilege_type: 'SELECT', is_grantable: 'YES' },
      { grantee: 'an "analyst"', privilege_type: 'gaps EXECUTE', is_grantable: 'NO' },
    ])
  })

  test('sees no stream address, secret, body or header: no column has them', async () => {
    const { rows } = await analyst.query<{ view: string; column: string }>(columns)

    const hidden = rows.filter(({ column }) => /addr|secret|body|header|url|extra|token|key$/.test(column))
    expect(hidden.map(({ view, column }) => `${view}.${column}`)).toEqual([
      'sessions.asset_key',
      'usage_daily.asset_key',
    ])
  })
})

test('every view, column and function says what it means', async () => {
  const { rows } = await analyst.query<{ view: string; column: string; about: string | null }>(columns)
  const objects = await analyst.query<{ name: string; about: string | null }>(`
    select relname as name, obj_description(oid, 'pg_class') as about from pg_class where relnamespace = 'report'::regnamespace
    union all
    select proname, obj_description(oid, 'pg_proc') from pg_proc where pronamespace = 'report'::regnamespace`)

  expect(rows.length).toBeGreaterThan(80)
  expect(objects.rows.length).toBeGreaterThan(11)
  const silent = [...rows.map(({ view, column, about }) => ({ name: `${view}.${column}`, about })), ...objects.rows]
  expect(silent.filter(({ about }) => !about)).toEqual([])
})
