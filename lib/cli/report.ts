import { type Command, Option } from 'commander'
import { stringify } from 'csv-stringify/sync'
import { inert } from '../inert.ts'
import { type Asked, findQuestion, type Report, runReport } from '../store/report.ts'
import { QUESTIONS } from '../store/report/cookbook.ts'
import type { Question } from '../store/report/question.ts'
import { argument } from './arguments.ts'
import { plot } from './plot.ts'
import { table, withDatabase } from './shell.ts'

const FORMATS = ['table', 'csv', 'json'] as const

interface Options extends Asked {
  list?: boolean
  format: (typeof FORMATS)[number]
  json?: boolean
}

/** `report`: the questions of the cookbook, answered. */
export function addReport(program: Command): void {
  program
    .command('report')
    .description('questions about the past, answered by SQL; without a name, the list of them')
    .argument('[name]', 'the question, as docs/reporting.md names it')
    .option('--list', 'list the questions')
    .option('--account <name>', 'only this account (default: every account)', argument.account)
    .option(
      '--from <time>',
      'a time or a day (default: 30 days before --to; for those about deliveries, 7)',
      argument.moment,
    )
    .option('--to <time>', 'up to this time, or up to the beginning of this day (default: now)', argument.moment)
    .option(
      '--timezone <name>',
      'whose days and hours are meant, such as Asia/Shanghai (default: that of the database)',
    )
    .option('--channels <n>', 'how many were bought, for those that compare with it', argument.channels)
    .addOption(new Option('--format <format>', 'how it is printed').choices(FORMATS).default('table'))
    .addOption(new Option('--json', 'print one JSON value').conflicts('format'))
    .action(async (name: string | undefined, { list, format, json, ...asked }: Options) => {
      const question = name === undefined || list ? undefined : findQuestion(name)
      const report = question ? await withDatabase([], (db) => runReport(db, question, asked)) : questions()
      process.stdout.write(`${render(report, json ? 'json' : format, question)}\n`)
    })
}

const questions = (): Report => ({
  columns: ['name', 'question'],
  rows: QUESTIONS.map(({ name, asks }) => ({ name, question: asks })),
})

function render(report: Report, format: Options['format'], question: Question | undefined): string {
  switch (format) {
    case 'json':
      return JSON.stringify(report.rows)
    case 'csv':
      return toCsv(report)
    case 'table':
      return process.stdout.isTTY ? forTerminal(report, question, process.stdout.columns) : toTable(report)
  }
}

/**
 * What a user named themselves could be a formula where a spreadsheet opens it: such texts begin with an apostrophe. Or move the
 * cursor where a terminal shows it: only as JSON is a text exact.
 */
export const toCsv = ({ columns, rows }: Report): string =>
  stringify(rows, { header: true, columns, escape_formulas: true, cast: { boolean: String, string: inert } }).trimEnd()

export const toTable = ({ rows }: Report): string => table(rows, 'nothing in that time')

/** The table and, where a curve says more, its plot. */
export function forTerminal(report: Report, question: Question | undefined, columns: number): string {
  const width = Math.min(100, Math.max(20, columns - 12))
  const curve = question?.plot ? plot(report, question.plot, width) : ''
  return [toTable(report), curve].filter((text) => text !== '').join('\n\n')
}
