// Answers the questions of the cookbook. It must ask in one transaction that is read-only, and leave nothing behind in the
// connection: the time zone is the transaction's own.
import { CompiledQuery, type Kysely, sql, type Transaction } from 'kysely'
import { AppError, codeOf } from '../errors.ts'
import type { Database } from './database.ts'
import { QUESTIONS } from './report/cookbook.ts'
import type { Question } from './report/question.ts'

/** What a report is asked for. Times without an offset, such as dates, are of the time zone. */
export interface Asked {
  account?: string
  /** Default: the question's days before `to`. */
  from?: string
  /** Default: now. */
  to?: string
  /** Default: that of the database's user. */
  timezone?: string
  channels?: number
}

/** Rows as JSON has them: numbers are numbers, times have the offset of the time zone, days are `2026-11-22`. */
export interface Report {
  columns: string[]
  rows: Row[]
}

export type Row = Record<string, string | number | boolean | null>

/** The question of that name. Throws `not_found`. */
export function findQuestion(name: string): Question {
  const question = QUESTIONS.find((one) => one.name === name)
  if (!question)
    throw new AppError(
      'not_found',
      `there is no report ${name}: \`rollcall report --list\` and \`/api/reports\` list all`,
    )
  return question
}

/** How much an answer may cost. */
export interface Patience {
  /** What takes longer is refused. */
  withinMs?: number
  /** More rows are not read. Default: all are. */
  most?: number
}

/** The answer to a question. Throws `input_invalid`, or `not_found` for an account that does not exist. */
export function runReport(
  db: Kysely<Database>,
  question: Question,
  asked: Asked,
  { withinMs = 25_000, most }: Patience = {},
): Promise<Report> {
  if (asked.channels === undefined && takes(question, 'channels')) {
    throw new AppError('input_invalid', `${question.name} needs --channels, the number of channels that were bought`)
  }
  return db
    .transaction()
    .setAccessMode('read only')
    .execute(async (tx) => {
      // Whoever stops waiting for an answer does not stop the server's work at it.
      await sql`
        select set_config(name, least(nullif(setting::integer, 0), ${withinMs})::text, true)
        from pg_settings where name = 'statement_timeout'`.execute(tx)
      await setTimezone(tx, asked.timezone)
      await assertAccount(tx, asked.account)
      const span = await readSpan(tx, asked, question.days)
      return answer(tx, question, { ...span, account: asked.account ?? '*', channels: asked.channels }, most)
    })
    .catch((error: unknown) => {
      // What a function of the schema refuses, it says for people.
      const isRefused = error instanceof Error && codeOf(error) === INVALID_PARAMETER
      if (isRefused) throw new AppError('input_invalid', error.message)
      if (codeOf(error) !== QUERY_CANCELED) throw error
      throw new AppError('input_invalid', 'the answer takes too long: ask for less time')
    })
}

const INVALID_PARAMETER = '22023'
const QUERY_CANCELED = '57014'

async function setTimezone(tx: Transaction<Database>, timezone: string | undefined): Promise<void> {
  if (timezone === undefined) return
  // Postgres would take more than names, such as a number of hours.
  const { rows } = await sql<{ name: string }>`
    select name from pg_timezone_names where lower(name) = lower(${timezone})`.execute(tx)
  const [known] = rows
  if (!known) {
    throw new AppError(
      'input_invalid',
      `Postgres knows no time zone ${timezone}; expected a name such as Asia/Shanghai`,
    )
  }
  await sql`select set_config('timezone', ${known.name}, true)`.execute(tx)
}

async function assertAccount(tx: Transaction<Database>, account: string | undefined): Promise<void> {
  if (account === undefined) return
  const { rows } = await sql<{ account: string }>`select account from report.accounts order by account`.execute(tx)
  if (rows.some((row) => row.account === account)) return
  const names = rows.map((row) => row.account).join(', ')
  throw new AppError('not_found', `there is no account ${account}; expected one of: ${names || 'none yet'}`)
}

interface Span {
  from: string
  to: string
}

async function readSpan(tx: Transaction<Database>, { from, to }: Asked, days: number): Promise<Span> {
  const { rows } = await sql<Span & { isForward: boolean }>`
    select "from"::text, "to"::text, "from" <= "to" as "isForward"
    from (select coalesce(${to ?? null}::timestamptz, now()) as "to") as ends cross join lateral (
      select coalesce(${from ?? null}::timestamptz, "to" - ${days} * interval '1 day') as "from"
    ) as begins`
    .execute(tx)
    .catch((error: unknown) => {
      throw isNoTime(error) ? new AppError('input_invalid', `--from or --to is no time that there is`) : error
    })
  const [{ isForward, ...span }] = rows as [Span & { isForward: boolean }]
  if (!isForward) throw new AppError('input_invalid', `--from (${span.from}) is after --to (${span.to})`)
  return span
}

/** Class 22: the text is none, or its day is not in the calendar. */
const isNoTime = (error: unknown) => codeOf(error).startsWith('22')

type Parameters = Span & { account: string; channels: number | undefined }
type Parameter = keyof Parameters

/** As in psql, whose quoted variables are texts and whose others are put in as they are. */
const TYPES: Record<Parameter, { written: string; type: string }> = {
  account: { written: `:'account'`, type: 'text' },
  from: { written: `:'from'`, type: 'timestamptz' },
  to: { written: `:'to'`, type: 'timestamptz' },
  channels: { written: ':channels', type: 'integer' },
}

/** Whether a question has that parameter. */
export const takes = (question: Question, parameter: Parameter): boolean =>
  question.sql.includes(TYPES[parameter].written)

async function answer(
  tx: Transaction<Database>,
  question: Question,
  parameters: Parameters,
  most: number | undefined,
): Promise<Report> {
  const { text, values } = bind(question, parameters)
  const ask = (query: string) => tx.executeQuery<{ row: Row }>(CompiledQuery.raw(query, values))
  // As JSON, since the driver would make days into moments and exact numbers into texts.
  const { rows } = await ask(`select row_to_json(answer) as row from (${text}) as answer limit ${most ?? 'all'}`)
  if (rows[0]) return { columns: Object.keys(rows[0].row), rows: rows.map(({ row }) => row) }
  const nothing = await ask(
    `select row_to_json(answer) as row from (
      select answer.* from (values (1)) as one left join (select * from (${text}) as it limit 0) as answer on true
    ) as answer`,
  )
  return { columns: Object.keys(nothing.rows[0]?.row ?? {}), rows: [] }
}

/** The query with $1 … for psql's variables, and their values. */
function bind(question: Question, parameters: Parameters): { text: string; values: unknown[] } {
  const used = (Object.keys(TYPES) as Parameter[]).filter((name) => takes(question, name))
  const text = used.reduce(
    (query, name, index) => query.replaceAll(TYPES[name].written, `$${index + 1}::${TYPES[name].type}`),
    question.sql,
  )
  return { text, values: used.map((name) => parameters[name]) }
}
