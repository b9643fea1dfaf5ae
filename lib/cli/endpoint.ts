import { type Command, Option } from 'commander'
import { DEFAULT_EVENT_TYPES } from '../core/event.ts'
import {
  addEndpoint,
  type Endpoint,
  type EndpointSettings,
  listEndpoints,
  removeEndpoint,
  rotateSecrets,
  showEndpoint,
  updateEndpoint,
} from '../store/endpoint.ts'
import { disableEndpoint, enableEndpoint, MISSED, type Missed, pauseEndpoint } from '../store/endpoint-state.ts'
import type { Secrets } from '../store/secret.ts'
import { openPoster } from '../post.ts'
import { ping } from '../ping.ts'
import { checkEndpoint } from '../resolve.ts'
import { argument } from './arguments.ts'
import { print, table, withDatabase } from './shell.ts'

interface Options {
  json?: boolean
}

/** What `add` and `update` have in common, as commander gives it. */
interface SettingOptions extends Options {
  events?: string[]
  account?: string
  description?: string
  header?: Record<string, string>
  /** False: no limit. */
  rate?: number | false
  batch?: number
}

/** `endpoint add | list | show | update | rotate | ping | pause | enable | disable | remove`. */
export function addEndpointCommands(program: Command): void {
  const endpoint = program.command('endpoint').description('the URLs that events are sent to')
  addSettings(endpoint)
  addStates(endpoint)

  command(endpoint, 'list', 'all endpoints').action(async (options: Options) => {
    const endpoints = await withDatabase([], (db) => listEndpoints(db))
    print(endpoints, options, () =>
      table(
        endpoints.map(({ id, state, url, pending, dead, events }) => {
          return { id, state, pending, dead, url, events: events.join(',') }
        }),
        'no endpoints; `rollcall endpoint add --url URL` registers one',
      ),
    )
  })

  command(endpoint, 'show <id>', 'one endpoint: its settings and state').action(
    async (id: string, options: Options) => {
      print(await withDatabase([], (db) => showEndpoint(db, id)), options, describeEndpoint)
    },
  )

  command(endpoint, 'remove <id>', 'forget it and its deliveries; events stay').action(
    async (id: string, options: Options) => {
      await withDatabase([], (db) => removeEndpoint(db, id))
      print({ removed: id }, options, () => `removed ${id}`)
    },
  )
}

const command = (endpoint: Command, name: string, description: string) =>
  endpoint.command(name).description(description).option('--json', 'print one JSON value')

function addSettings(endpoint: Command): void {
  const setting = (name: string, description: string) =>
    command(endpoint, name, description)
      .option('--account <name>', 'only this account (default: every account)', argument.account)
      .option('--description <text>', 'for people')
      .option('--header <name: value>', 'sent with each POST; may be given several times', argument.header)
      .option('--rate <n>', 'at most so many POSTs a second', argument.rate)
      .option('--batch <n>', 'up to so many events in one POST', argument.batchSize)

  setting('add', 'register a URL; its secret is shown this once')
    .requiredOption('--url <url>', 'where events are POSTed')
    .option('--events <types>', 'comma-separated, or * for all of sessions', argument.eventTypes, [
      ...DEFAULT_EVENT_TYPES,
    ])
    .addOption(
      new Option('--from-now', 'begin with the events from now on (default)').conflicts(['fromStart', 'withSnapshot']),
    )
    .addOption(new Option('--from-start', 'begin with all events that are kept').conflicts('withSnapshot'))
    .option('--with-snapshot', 'begin with all events of the sessions that live now')
    .option('--ed25519', 'sign with a private key, too, for those who verify with a public one')
    .option('--challenge', 'send nothing until `endpoint ping` was answered with its challenge')
    .action(
      async ({
        url,
        events = [...DEFAULT_EVENT_TYPES],
        fromStart,
        withSnapshot,
        ed25519 = false,
        challenge: mustProve = false,
        ...options
      }: SettingOptions & {
        url: string
        fromStart?: boolean
        withSnapshot?: boolean
        ed25519?: boolean
        challenge?: boolean
      }) => {
        const from = fromStart ? 'start' : withSnapshot ? 'snapshot' : 'now'
        const settings = { ...settingsOf(options), events, from, ed25519, mustProve } as const
        const added = await withDatabase(['addressGuard', 'keyring'], async (db, { addressGuard, keyring }) =>
          addEndpoint(db, { ...settings, url: await checkEndpoint(addressGuard, url) }, keyring),
        )
        print(added, options, ({ secret, publicKey, ...shown }) =>
          [describeEndpoint(shown), describeSecrets({ secret, ...(publicKey && { publicKey }) })].join('\n'),
        )
      },
    )

  setting('update <id>', 'change what is given, for events from now on')
    .option('--url <url>', 'where events are POSTed; what is pending goes there, too')
    .option('--events <types>', 'comma-separated, or * for all of sessions', argument.eventTypes)
    .option('--all-accounts', 'no longer only one account')
    .option('--no-headers', 'no headers of its own')
    .option('--no-rate', 'no limit a second')
    .action(
      async (
        id: string,
        options: SettingOptions & {
          url?: string
          allAccounts?: boolean
          headers: boolean
        },
      ) => {
        const { url, allAccounts, headers, ...given } = options
        const settings: Partial<EndpointSettings> = {
          ...settingsOf(given),
          ...(allAccounts && { account: null }),
          ...(!headers && { headers: {} }),
        }
        const updated = await withDatabase(['addressGuard', 'keyring'], async (db, { addressGuard, keyring }) => {
          const moved = url === undefined ? {} : { url: await checkEndpoint(addressGuard, url) }
          return updateEndpoint(db, id, { ...settings, ...moved }, keyring)
        })
        print(updated, options, describeEndpoint)
      },
    )

  command(endpoint, 'rotate <id>', 'new secrets, shown this once; the old ones sign too for a while')
    .option('--grace <hours>', 'for how long', argument.hours, 24)
    .action(async (id: string, options: Options & { grace: number }) => {
      const secrets = await withDatabase(['keyring'], (db, { keyring }) =>
        rotateSecrets(db, id, options.grace, keyring),
      )
      print(secrets, options, describeSecrets)
    })
}

function settingsOf({ events, account, description, header, rate, batch }: SettingOptions): Partial<EndpointSettings> {
  return {
    ...(events && { events }),
    ...(account !== undefined && { account }),
    ...(description !== undefined && { description }),
    ...(header && { headers: header }),
    ...(rate !== undefined && { rate: rate || null }),
    ...(batch !== undefined && { batchSize: batch }),
  }
}

function addStates(endpoint: Command): void {
  command(endpoint, 'enable <id>', 'let it receive again')
    .addOption(new Option('--missed <which>', 'what to deliver of what it missed').choices(MISSED).default('all'))
    .action(async (id: string, options: Options & { missed: Missed }) => {
      const enabled = await withDatabase([], (db) => enableEndpoint(db, id, options.missed))
      print(
        enabled,
        options,
        ({ missed, queued }) => `enabled: it missed ${missed}, of which ${queued} will be delivered`,
      )
    })

  command(endpoint, 'ping <id>', 'send it one signed event, `webhook.ping`, now').action(
    async (id: string, options: Options) => {
      const result = await withDatabase(['addressGuard', 'keyring'], (db, { addressGuard, keyring }) =>
        ping(db, openPoster(addressGuard), id, keyring),
      )
      print(result, options, ({ outcome, status, proved }) => {
        const proof =
          proved === null ? '' : proved ? ', with its challenge' : ', but not with its challenge as the whole body'
        return status === null ? `no answer: ${outcome}` : `${outcome}: answered ${status}${proof}`
      })
    },
  )

  for (const [name, description, stop] of [
    ['pause <id>', 'stop delivering to it for a while; its events are kept', pauseEndpoint],
    ['disable <id>', 'stop delivering to it, and announce it; its events are kept', disableEndpoint],
  ] as const) {
    command(endpoint, name, description).action(async (id: string, options: Options) => {
      const stopped = await withDatabase([], async (db) => {
        await stop(db, id, 'by command')
        return showEndpoint(db, id)
      })
      print(stopped, options, describeEndpoint)
    })
  }
}

function describeEndpoint(endpoint: Endpoint): string {
  const rows = Object.entries(endpoint).map(([setting, value]) => ({ setting, value: value as unknown }))
  return table(rows, '')
}

function describeSecrets({ secret, publicKey }: Secrets): string {
  const shown = publicKey ? [`public key  ${publicKey}`] : []
  return [...shown, `secret  ${secret}`, '(shown this once)'].join('\n')
}
