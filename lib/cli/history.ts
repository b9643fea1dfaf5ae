import { type Command, Option } from 'commander'
import { listDeliveries, listEvents, onlyAccount, readSessions } from '../store/history.ts'
import { argument } from './arguments.ts'
import { print, table, withDatabase } from './shell.ts'

interface Options {
  json?: boolean
}

/** What was and is: `sessions`, `events`, `deliveries`. */
export function addHistory(program: Command): void {
  program
    .command('sessions')
    .description('sessions, the newest first')
    .option('--live', 'only those live now')
    .option('--at <time>', 'those live at that moment, as they were then', argument.time)
    .option('--account <name>', 'only this account', argument.account)
    .option('--limit <n>', 'at most so many (default: all)', argument.wholeNumber)
    .option('--json', 'print one JSON value')
    .action(async (options: Options & { live?: boolean; at?: Date; account?: string; limit?: number }) => {
      const sessions = await withDatabase([], (db) => readSessions(db, options))
      print(sessions, options, () =>
        table(
          sessions.map(({ id, account, userId, status, started, firstSeenAt, endedAt, endReason, error }) => {
            return { id, account, userId, status, started, firstSeenAt, endedAt, endReason, error: error?.code }
          }),
          'no sessions',
        ),
      )
    })

  program
    .command('events')
    .description('events of an account by cursor, as they were sent')
    .option('--account <name>', 'whose (default: the only one there is, or ROLLCALL_ACCOUNT)', argument.account)
    .option('--after <position>', 'only those after this position', argument.wholeNumber, 0)
    .option('--limit <n>', 'at most so many', argument.wholeNumber, 1_000)
    .option('--json', 'print one JSON value')
    .action(async (options: Options & { account?: string; after: number; limit: number }) => {
      const page = await withDatabase(['accountName'], async (db, { accountName }) => {
        const account = options.account ?? (await onlyAccount(db)) ?? accountName
        return listEvents(db, { ...options, account })
      })
      if (options.json) {
        const { events, ...cursor } = page
        // The bodies go out as the bytes they are, not parsed and written anew.
        const bodies = events.map((event) => event.body).join(',')
        return void process.stdout.write(`{"events":[${bodies}],${JSON.stringify(cursor).slice(1)}\n`)
      }
      const rows = page.events.map(({ position, body }) => {
        const { type, subject, time, data } = JSON.parse(body) as Record<string, unknown> & {
          data: { reason: unknown }
        }
        return { position, time, type, session: subject, reason: data.reason }
      })
      print(rows, options, () => table(rows, 'no events'))
    })

  program
    .command('deliveries')
    .description('deliveries, the newest first')
    .option('--endpoint <id>', 'only to this endpoint')
    .addOption(new Option('--state <state>', 'only in this state').choices(['pending', 'delivered', 'dead']))
    .option('--limit <n>', 'at most so many (default: all with --json, else 100)', argument.wholeNumber)
    .option('--json', 'print one JSON value')
    .action(async (options: Options & { endpoint?: string; state?: string; limit?: number }) => {
      const deliveries = await withDatabase([], (db) =>
        listDeliveries(db, { ...options, limit: options.limit ?? (options.json ? null : 100) }),
      )
      print(deliveries, options, () =>
        table(
          deliveries.map(({ eventId, type, sessionId, state, attempts, outcome, status, dueAt }) => {
            return { eventId, type, sessionId, state, attempts, outcome, status, dueAt }
          }),
          'no deliveries',
        ),
      )
    })
}
