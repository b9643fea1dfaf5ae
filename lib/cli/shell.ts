// What every command shares: its environment, its output and its database.
import type { Kysely } from 'kysely'
import { type Config, type Environment, readConfig, withoutBlanks } from '../config.ts'
import { inert } from '../inert.ts'
import { readRunning } from '../local/running.ts'
import { type Database, openDatabase } from '../store/database.ts'

/** Where `rollcall start` keeps its data, and tells the other commands how to reach what it runs. */
export const LOCAL_FOLDER = '.rollcall'

/** The process's environment; without a DATABASE_URL in it, that of a `rollcall start` running in this folder. */
function environment(): Environment {
  const own = withoutBlanks(process.env)
  return own.DATABASE_URL ? own : { ...readRunning(LOCAL_FOLDER), ...own }
}

/** Runs a command with the settings it wants and, opened for it, the database; closes it whatever happens. */
export async function withDatabase<Part extends keyof Config, Result>(
  wanted: Part[],
  run: (db: Kysely<Database>, config: Pick<Config, Part>) => Promise<Result>,
): Promise<Result> {
  const { databaseUrl, ...config } = await readConfig(environment(), ['databaseUrl', ...wanted])
  const db = openDatabase(databaseUrl)
  try {
    return await run(db, config as unknown as Pick<Config, Part>)
  } finally {
    await db.destroy()
  }
}

/** Prints a result: with --json the one JSON value, otherwise what is for people. */
export function print<Result>(
  result: Result,
  options: { json?: boolean },
  forPeople: (result: Result) => string,
): void {
  process.stdout.write(`${options.json ? JSON.stringify(result) : forPeople(result)}\n`)
}

/** Rows as columns under their headings; `nothing` when there are none. */
export function table(rows: object[], nothing: string): string {
  const [first] = rows
  if (!first) return nothing
  const headings = Object.keys(first)
  const lines = [headings, ...rows.map((row) => headings.map((heading) => cell(Reflect.get(row, heading))))]
  // Not Math.max(...): more rows than a call can have arguments must print, too.
  const widths = headings.map((_, column) =>
    lines.reduce((widest, line) => Math.max(widest, line[column]?.length ?? 0), 0),
  )
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '–'
  if (value instanceof Date) return value.toISOString()
  return inert(typeof value === 'string' ? value : JSON.stringify(value))
}
