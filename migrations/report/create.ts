import { type Kysely, sql } from 'kysely'
import { FUNCTIONS } from './functions.ts'
import { VIEWS } from './views.ts'

/**
 * Makes the views and functions of the schema `report`, instead of those that an earlier version made: a migration that changes
 * any of them calls it again. They read the tables as their owner, so whoever reads them needs no right on any table, and
 * whoever might read them before still may. Fails where somebody has built views on them: these must go first.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function createReport(db: Kysely<any>): Promise<void> {
  const run = (statement: string) => sql.raw(statement).execute(db)
  const { schema, path } = await findTables(db)
  await run(refuseOthers(path))
  const grants = await readGrants(db)
  // All at once: they may stand on each other, and nothing of anybody else's goes with them.
  await run(`drop view if exists ${VIEWS.map(({ name }) => `report.${name}`).join(', ')}`)
  await run(`drop function if exists ${FUNCTIONS.map(({ name }) => `report.${name}`).join(', ')}`)
  for (const each of FUNCTIONS) await run(createFunction(each, path))
  for (const { name, about, columns, as } of VIEWS) {
    await run(`create view report.${name} (${Object.keys(columns).join(', ')}) as ${as}`)
    await run(`comment on view report.${name} is ${quote(about)}`)
    for (const [column, meaning] of Object.entries(columns)) {
      await run(`comment on column report.${name}.${column} is ${quote(meaning)}`)
    }
  }
  const views = VIEWS.map(({ name }) => `report.${name}`).join(', ')
  const functions = FUNCTIONS.map(({ name }) => `report.${name}`).join(', ')
  await run(`revoke all on function ${functions} from public`)
  // Where anybody may create (up to Postgres 14, by default), a function of a better fitting type would run as the owner.
  await run(unlessRefused(`revoke create on schema ${schema} from public`))
  // Each by itself: who may grant may not always alter the role. Where it is missing, whoever makes it grants it.
  await run(unlessRefused('grant usage on schema report to rollcall_report'))
  await run(unlessRefused(`grant select on ${views} to rollcall_report`))
  await run(unlessRefused(`grant execute on function ${functions} to rollcall_report`))
  await run(unlessRefused('alter role rollcall_report set search_path = report'))
  for (const grant of grants) await run(grant)
}

/** Replaces a function that has the same arguments and columns as before: nobody who uses it, or builds on it, notices. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export async function replaceFunction(db: Kysely<any>, name: string): Promise<void> {
  const { path } = await findTables(db)
  await sql.raw(refuseOthers(path)).execute(db)
  const changed = FUNCTIONS.find((each) => each.name === name)!
  await sql.raw(createFunction(changed, path)).execute(db)
}

/** Where the tables are; and last, in the path of functions, where a caller could put tables of the same name. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
async function findTables(db: Kysely<any>): Promise<{ schema: string; path: string }> {
  const { rows } = await sql<{ schema: string }>`select quote_ident(current_schema()) as schema`.execute(db)
  const { schema } = rows[0]!
  return { schema, path: `${schema}, pg_temp` }
}

const createFunction = ({ name, about, takes, gives, as }: (typeof FUNCTIONS)[number], path: string) => `
  create or replace function report.${name}(${takes}) returns table (${gives}) language plpgsql stable
    security definer set search_path = ${path} set work_mem = '64MB' as $body$${as}$body$;
  comment on function report.${name} is ${quote(about)}`

/** The rights that roles were given on what is to be made again, as statements that give them. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
async function readGrants(db: Kysely<any>): Promise<string[]> {
  const names = [...VIEWS, ...FUNCTIONS].map(({ name }) => name)
  const { rows } = await sql<{ statement: string }>`
    select format('grant %s on %s report.%I to %I%s', privilege, kind, name, pg_get_userbyid(grantee),
      case when may_grant then ' with grant option' end) as statement
    from (
      select 'table' as kind, relname as name, relowner as owner, relacl as acl
      from pg_class where relnamespace = to_regnamespace('report')
      union all
      select 'function', proname, proowner, proacl from pg_proc where pronamespace = to_regnamespace('report')
    ) as object, aclexplode(acl) as given (grantor, grantee, privilege, may_grant)
    where name = any(${names}) and grantee not in (0, owner)`.execute(db)
  return rows.map(({ statement }) => statement)
}

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`

const unlessRefused = (statement: string) => `do $$ begin
    ${statement};
  exception
    when undefined_object or insufficient_privilege then null;
  end $$`

/** There is one schema `report` in a database: that of an installation whose tables are elsewhere must not be replaced. */
const refuseOthers = (path: string) => `do $$ begin
    if exists (
      select from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
      where nspname = 'report' and proname = 'sessions_at' and not proconfig @> array[${quote(`search_path=${path}`)}]
    ) then
      raise exception 'the schema report belongs to an installation of Rollcall in another schema: use another database';
    end if;
  end $$`
