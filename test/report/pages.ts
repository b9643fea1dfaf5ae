// What docs/reporting.md and docs/schema.md print of a database with the known data.
import { type Kysely, sql } from 'kysely'
import { plot } from '../../lib/cli/plot.ts'
import { toTable } from '../../lib/cli/report.ts'
import { runReport } from '../../lib/store/report.ts'
import { CHAPTERS } from '../../lib/store/report/cookbook.ts'
import type { Question } from '../../lib/store/report/question.ts'
import type { Database } from '../../lib/store/database.ts'

/** What the results of the cookbook were asked for. */
export const ASKED = { from: '2026-03-02', to: '2026-03-09 15:00', timezone: 'UTC', channels: 12 }
const LONGEST = 12

const read = async <Row>(db: Kysely<Database>, query: ReturnType<typeof sql<Row>>) => (await query.execute(db)).rows
const fence = (language: string, text: string) => `\`\`\`${language}\n${text}\n\`\`\``
const row = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
const markdownTable = (headings: string[], rows: string[][]) =>
  [row(headings), row(headings.map(() => '---')), ...rows.map(row)].join('\n')

/** The cookbook: each question with its query and the result. */
export async function cookbook(db: Kysely<Database>): Promise<string> {
  const settings = [
    `set timezone = '${ASKED.timezone}';`,
    String.raw`\set account '*'`,
    String.raw`\set from '${ASKED.from}'`,
    String.raw`\set to '${ASKED.to}'`,
    String.raw`\set channels ${ASKED.channels}`,
  ]
  const parts = ['## Cookbook', ABOUT_COOKBOOK, fence('sql', settings.join('\n'))]
  for (const { title, questions } of CHAPTERS) {
    parts.push(`### ${title}`)
    for (const question of questions) {
      parts.push(`#### ${question.name}`, question.asks, fence('sql', `${question.sql};`))
      parts.push(fence('', await resultOf(db, question)))
    }
  }
  return parts.join('\n\n')
}

const ABOUT_COOKBOOK = `\`npx rollcall report NAME\` answers each of these. To ask them in psql, or to change them, say first what they
are about; \`'*'\` stands for every account. The results are of eight and a half days of two made-up accounts.`

async function resultOf(db: Kysely<Database>, question: Question): Promise<string> {
  const report = await runReport(db, question, ASKED)
  const shown = toTable({ ...report, rows: report.rows.slice(0, LONGEST) })
  const rest = report.rows.length - LONGEST
  const curve = question.plot ? plot(report, question.plot, 72) : ''
  return [shown + (rest > 0 ? `\n… and ${rest} more` : ''), curve].filter((text) => text !== '').join('\n\n')
}

/** The views and functions of the schema, in the words of their comments. */
export async function overview(db: Kysely<Database>): Promise<string> {
  const views = await read(
    db,
    sql<{ name: string; about: string }>`
    select relname as name, obj_description(oid, 'pg_class') as about from pg_class
    where relnamespace = 'report'::regnamespace and relkind = 'v' order by relname`,
  )
  const functions = await read(
    db,
    sql<{ name: string; about: string }>`
    select proname || '(' || pg_get_function_arguments(oid) || ')' as name, obj_description(oid, 'pg_proc') as about
    from pg_proc where pronamespace = 'report'::regnamespace order by proname`,
  )
  return [
    '## Views and functions',
    'Every column says in its comment what it means (`\\d+ report.sessions`); [schema.md](schema.md) has them all.',
    markdownTable(
      ['view', 'what it has'],
      views.map(({ name, about }) => [`\`report.${name}\``, about]),
    ),
    markdownTable(
      ['function', 'what it gives'],
      functions.map(({ name, about }) => [`\`report.${short(name)}\``, about]),
    ),
  ].join('\n\n')
}

const short = (type: string) =>
  type.replaceAll('timestamp with time zone', 'timestamptz').replaceAll('double precision', 'float8')

/** The whole of docs/schema.md. */
export async function schema(db: Kysely<Database>): Promise<string> {
  const tables = await columnsOf(db, 'public', 'r')
  const views = await columnsOf(db, 'report', 'v')
  const references = await referencesOf(db)
  const { intro, aboutViews } = SCHEMA
  return [
    intro,
    fence('mermaid', ['erDiagram', ...tables.map(entity), ...references].join('\n')),
    aboutViews,
    fence('mermaid', ['erDiagram', ...views.map(entity)].join('\n')),
    ...views.flatMap(({ name, columns }) => [
      `### ${name}`,
      markdownTable(
        ['column', 'type', 'meaning'],
        columns.map(({ column, type, about }) => [`\`${column}\``, type, about ?? '']),
      ),
    ]),
  ].join('\n\n')
}

const SCHEMA = {
  intro: `# The tables and views

Printed by \`npm run docs:reporting\` from a migrated database.

## Tables

Rollcall's own: they change when it needs them to. Times are the database's clock, but for \`attempt.sent_at\`.`,
  aboutViews: `## The schema \`report\`

For whoever asks about the past; [reporting.md](reporting.md) says how.`,
}

interface Relation {
  name: string
  columns: { column: string; type: string; keys: string[]; about: string | null }[]
}

const columnsOf = (db: Kysely<Database>, schemaName: string, kind: string) =>
  read(
    db,
    sql<Relation>`
    select case when nspname = 'report' then 'report.' else '' end || relname as name, json_agg(json_build_object(
      'column', attname, 'type', format_type(atttypid, atttypmod), 'about', col_description(pg_class.oid, attnum),
      'keys', array(
        select distinct case contype when 'p' then 'PK' else 'FK' end from pg_constraint
        where conrelid = pg_class.oid and contype in ('p', 'f') and attnum = any(conkey) order by 1 desc)
    ) order by attnum) as columns
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
    where nspname = ${schemaName} and relkind::text = ${kind} and relname not like 'kysely%'
    group by nspname, relname order by relname`,
  )

const entity = ({ name, columns }: Relation) =>
  [
    `  "${name}" {`,
    ...columns.map(({ column, type, keys }) => `    ${short(type)} ${column} ${keys.join(', ')}`.trimEnd()),
    '  }',
  ].join('\n')

async function referencesOf(db: Kysely<Database>): Promise<string[]> {
  const references = await read(
    db,
    sql<{ from: string; to: string; column: string; isOptional: boolean }>`
    select conrelid::regclass::text as "from", confrelid::regclass::text as "to", attname as "column", not attnotnull as "isOptional"
    from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[1]
    where contype = 'f' and connamespace = 'public'::regnamespace order by 2, 1, 3`,
  )
  return references.map(
    ({ from, to, column, isOptional }) => `  "${to}" ${isOptional ? '|o' : '||'}--o{ "${from}" : ${column}`,
  )
}
