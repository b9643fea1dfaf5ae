import { type Command, Option } from 'commander'
import { DEFAULT_EVENT_TYPES } from '../core/event.ts'
import {
  addEndpoint,
  disableEndpoint,
  enableEndpoint,
  type Endpoint,
  listEndpoints,
  MISSED,
  type Missed,
  removeEndpoint,
  showEndpoint,
} from '../store/endpoint.ts'
import { checkEndpoint } from '../resolve.ts'
import { argument } from './arguments.ts'
import { print, table, withDatabase } from './shell.ts'

interface Options {
  json?: boolean
}

/** `endpoint add | list | show | enable | disable | remove`. */
export function addEndpointCommands(program: Command): void {
  const endpoint = program.command('endpoint').description('the URLs that events are sent to')

  endpoint
    .command('add')
    .description('register a URL for all events from now on; its secret is shown this once')
    .requiredOption('--url <url>', 'where events are POSTed')
    .option('--events <types>', 'comma-separated, or * for all', argument.eventTypes, [...DEFAULT_EVENT_TYPES])
    .option('--account <name>', 'only this account (default: every account)', argument.account)
    .option('--description <text>', 'for people', '')
    .option('--json', 'print one JSON value')
    .action(async (options: Options & { url: string; events: string[]; account?: string; description: string }) => {
      const added = await withDatabase(['addressGuard'], async (db, { addressGuard }) => {
        const url = await checkEndpoint(addressGuard, options.url)
        return addEndpoint(db, { ...options, account: options.account ?? null, url })
      })
      print(
        added,
        options,
        ({ secret, ...shown }) => `${describeEndpoint(shown)}\nsecret  ${secret}\n(shown this once)`,
      )
    })

  endpoint
    .command('list')
    .description('all endpoints')
    .option('--json', 'print one JSON value')
    .action(async (options: Options) => {
      const endpoints = await withDatabase([], listEndpoints)
      print(endpoints, options, () =>
        table(
          endpoints.map(({ id, state, url, pending, dead, events }) => ({
            id,
            state,
            pending,
            dead,
            url,
            events: events.join(','),
          })),
          'no endpoints; `rollcall endpoint add --url URL` registers one',
        ),
      )
    })

  endpoint
    .command('show <id>')
    .description('one endpoint: its settings and state')
    .option('--json', 'print one JSON value')
    .action(async (id: string, options: Options) => {
      print(await withDatabase([], (db) => showEndpoint(db, id)), options, describeEndpoint)
    })

  endpoint
    .command('enable <id>')
    .description('let it receive again')
    .addOption(new Option('--missed <which>', 'what to deliver of what it missed').choices(MISSED).default('all'))
    .option('--json', 'print one JSON value')
    .action(async (id: string, options: Options & { missed: Missed }) => {
      const enabled = await withDatabase([], (db) => enableEndpoint(db, id, options.missed))
      print(
        enabled,
        options,
        ({ missed, queued }) => `enabled: it missed ${missed}, of which ${queued} will be delivered`,
      )
    })

  endpoint
    .command('disable <id>')
    .description('stop delivering to it; its events are kept')
    .option('--json', 'print one JSON value')
    .action(async (id: string, options: Options) => {
      const disabled = await withDatabase([], async (db) => {
        await disableEndpoint(db, id, 'by command')
        return showEndpoint(db, id)
      })
      print(disabled, options, describeEndpoint)
    })

  endpoint
    .command('remove <id>')
    .description('forget it and its deliveries; events stay')
    .option('--json', 'print one JSON value')
    .action(async (id: string, options: Options) => {
      await withDatabase([], (db) => removeEndpoint(db, id))
      print({ removed: id }, options, () => `removed ${id}`)
    })
}

function describeEndpoint(endpoint: Endpoint): string {
  const rows = Object.entries(endpoint).map(([setting, value]) => ({ setting, value: value as unknown }))
  return table(rows, '')
}
