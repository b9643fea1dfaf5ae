// Everything on one machine: a Postgres and a simulated API unless real ones are set, the ticks and drains that run as
// functions in the cloud, the console, and a sample subscriber. What it cannot start it must say, and end what it had started.
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import pc from 'picocolors'
import { addressGuard } from '../address.ts'
import { type Config, type Environment, readConfig, withoutBlanks } from '../config.ts'
import type { Keyring } from '../core/seal.ts'
import { drain } from '../deliver.ts'
import { describe } from '../errors.ts'
import { inert } from '../inert.ts'
import { migrateToLatest } from '../migrate.ts'
import { openPoster, type Poster } from '../post.ts'
import { prune, type Retention } from '../prune.ts'
import { rollUp } from '../roll-up.ts'
import { type Account, reconcile, type TickResult } from '../reconcile.ts'
import { type Database, openDatabase } from '../store/database.ts'
import { addEndpoint, listEndpoints, updateEndpoint } from '../store/endpoint.ts'
import { enableEndpoint, pauseEndpoint } from '../store/endpoint-state.ts'
import { explainDatabaseError } from '../store/fault.ts'
import { readSecrets } from '../store/secret.ts'
import { serveConsole } from './console.ts'
import { startPostgres } from './postgres.ts'
import { writeRunning } from './running.ts'
import { every } from './schedule.ts'
import { createSimulator } from './simulator/simulator.ts'
import { serveSimulator } from './simulator/server.ts'
import { lively, runTraffic } from './simulator/traffic.ts'
import { type ReceivedEvent, startSubscriber } from './subscriber.ts'

/** What `rollcall start` is given. */
export interface StartOptions {
  environment: Environment
  /** Where the database of one machine lies, and `running.json` tells other commands how to reach it. */
  folder: string
  tickSeconds: number
  /** Default: any that is free. */
  consolePort?: number
  /** Prints one line for people. */
  say: (line: string) => void
}

const SWEEP_SECONDS = 5
const CARE_SECONDS = 60
const CARE_MS = 2_000
/** What the simulated account bought: as good as never all in use at once. */
const SIMULATED_CHANNELS = 40
const SAMPLE = 'the sample subscriber of npm start'
const LOOPBACK = ['127.0.0.0/8', '::1/128']

/** Starts everything and gives what stops it again, in reverse order. Throws what could not be started. */
export async function start({
  environment,
  folder,
  tickSeconds,
  consolePort,
  say,
}: StartOptions): Promise<() => Promise<void>> {
  const given = withoutBlanks(environment)
  const { config, allow } = await readSettings(given)
  const undo: Undo = []
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const database = await openOwnOrGiven(config.databaseUrl, folder, undo)
    const { db } = database
    await migrateToLatest(db)
    const api = await apiOrSimulator(config, undo)
    const guard = config.addressGuard ?? addressGuard([])
    const poster = openPoster(guard)
    const { keyring = [], retention } = config
    const only = config.databaseUrl && !config.accounts ? (config.accountName ?? null) : null
    const subscriber = await subscribe(db, keyring, only, say, undo)

    const running = {
      // A secret that is named stays one.
      DATABASE_URL: given.DATABASE_URL ?? database.url,
      TENCENT_API_URL: given.TENCENT_API_URL,
      TENCENTCLOUD_REGION: given.TENCENTCLOUD_REGION,
      WEBHOOK_ALLOW: allow,
      ...api.environment,
    }
    undo.push(writeRunning(folder, running))
    // Its own connections: whoever asks it much must not make a tick wait for one.
    const consoleDb = openDatabase(database.url, { queryTimeoutMs: 20_000 })
    undo.push(() => consoleDb.destroy())
    const page = await serveConsole({
      db: consoleDb,
      keyring,
      poster,
      addressGuard: guard,
      channels: config.channels ?? (config.accounts ? null : SIMULATED_CHANNELS),
      ...(config.consoleTokens && { tokens: config.consoleTokens }),
      ...(consolePort !== undefined && { port: consolePort }),
      log: (level, message, fields) => void (level === 'error' && say(pc.red(`${message} ${JSON.stringify(fields)}`))),
    })
    undo.push(() => page.close())
    say(`database    ${database.where}`)
    say(`API         ${api.where}`)
    say(`subscriber  ${subscriber.url}`)
    say(`console     ${page.link}`)
    say(`also try    npx rollcall sessions --live · npx rollcall events · npx rollcall deliveries --state pending\n`)

    const deliver = () => drainAndTell(db, poster, keyring, say)
    const onFault = (error: unknown) =>
      say(pc.red(`${clock()}  ${describe(explainDatabaseError(error))}; will try again`))
    // Not waited for, as in the cloud: a receiver that hangs must not hold up the next tick.
    const drains = new Set<Promise<void>>()
    const invoke = () => {
      const one = deliver()
        .catch(onFault)
        .finally(() => drains.delete(one))
      drains.add(one)
    }
    undo.push(
      async () => void (await Promise.all(drains)),
      every(SWEEP_SECONDS, deliver, onFault),
      every(CARE_SECONDS, async () => void (await rollUp(db, CARE_MS)), onFault),
      every(CARE_SECONDS, () => pruneAndTell(db, retention, say), onFault),
      every(tickSeconds, () => tickAndTell(db, api.accounts, invoke, say), onFault),
    )
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}

type Undo = (() => Promise<void> | void)[]

/** All settings at once, before anything is touched. Endpoints may be on loopback, where the sample subscriber is. */
async function readSettings(environment: Environment) {
  const { DATABASE_URL, IVH_APPKEY, IVH_ACCESS_TOKEN, IVH_ACCOUNTS } = environment
  const { CONSOLE_READ_TOKENS, CONSOLE_WRITE_TOKENS } = environment
  const allow = [...LOOPBACK, environment.WEBHOOK_ALLOW].filter(Boolean).join(',')
  const isReal = IVH_APPKEY ?? IVH_ACCESS_TOKEN ?? IVH_ACCOUNTS
  const wanted: (keyof Config)[] = ['addressGuard', 'keyring', 'channels', isReal ? 'accounts' : 'accountName']
  if (DATABASE_URL) wanted.push('databaseUrl')
  if (CONSOLE_READ_TOKENS ?? CONSOLE_WRITE_TOKENS) wanted.push('consoleTokens')
  // In a database that others may use, what is simulated must not pass for the sessions of a real account.
  const ROLLCALL_ACCOUNT = environment.ROLLCALL_ACCOUNT ?? (DATABASE_URL && !isReal ? 'simulated' : undefined)
  const config: Partial<Config> & Pick<Config, 'retention'> = await readConfig(
    { ...environment, ROLLCALL_ACCOUNT, WEBHOOK_ALLOW: allow },
    ['retention', ...wanted],
  )
  return { config, allow }
}

async function openOwnOrGiven(given: string | undefined, folder: string, undo: Undo) {
  const postgres = given === undefined ? await startPostgres({ dataDir: join(folder, 'postgres') }) : undefined
  if (postgres) undo.push(() => postgres.stop())
  const url = postgres?.url ?? given ?? ''
  const db = openDatabase(url)
  undo.push(() => db.destroy())
  return { db, url, where: postgres ? `a Postgres of its own, data in ${folder}/` : 'the one of DATABASE_URL' }
}

async function apiOrSimulator(
  { accounts, accountName: name = 'default' }: Partial<Config>,
  undo: Undo,
): Promise<{ accounts: Account[]; where: string; environment: Environment }> {
  if (accounts) {
    return {
      accounts,
      where: accounts.map(({ api }) => new URL(api.baseUrl).host).join(', '),
      environment: { ROLLCALL_ACCOUNT: accounts[0]?.name },
    }
  }
  // A new seed each time, or the sessions of this run would have the ids of the last.
  const simulator = createSimulator({ seed: Date.now(), settings: lively.settings })
  const server = await serveSimulator(simulator)
  undo.push(() => server.close(), runTraffic(simulator))
  const { appkey, accessToken } = simulator
  return {
    accounts: [{ name, api: { baseUrl: server.url, appkey, accessToken } }],
    where: `simulated at ${server.url}, its truth at ${server.truthUrl}`,
    environment: {
      ROLLCALL_ACCOUNT: name,
      IVH_BASE_URL: server.url,
      IVH_APPKEY: appkey,
      IVH_ACCESS_TOKEN: accessToken,
    },
  }
}

/** The sample endpoint is kept between runs, so that what it missed reaches the subscriber at its new port. */
async function subscribe(
  db: Kysely<Database>,
  keyring: Keyring,
  account: string | null,
  say: (line: string) => void,
  undo: Undo,
) {
  let id = ''
  const subscriber = await startSubscriber({
    secrets: () => readSecrets(db, keyring, id),
    onEvent: (event) => say(describeEvent(event)),
    onRefused: (why) => say(pc.red(`refused     ${why}`)),
  })
  undo.push(() => subscriber.close())
  const sample = (await listEndpoints(db)).find((endpoint) => endpoint.description === SAMPLE)
  const endpoint = { url: subscriber.url, account, events: ['*'], description: SAMPLE }
  id = sample?.id ?? (await addEndpoint(db, endpoint, keyring)).id
  await updateEndpoint(db, id, { url: subscriber.url })
  await enableEndpoint(db, id, 'all')
  // Nobody is there while this does not run: whoever else drains this database must not try.
  undo.push(() => pauseEndpoint(db, id, 'npm start is not running'))
  return subscriber
}

async function tickAndTell(
  db: Kysely<Database>,
  accounts: Account[],
  invoke: () => void,
  say: (line: string) => void,
): Promise<void> {
  const results = await reconcile(db, accounts)
  for (const result of results) tell(result, say)
  if (results.some((result) => result.deliveries > 0)) invoke()
}

function tell(result: TickResult, say: (line: string) => void): void {
  const { account, outcome, listed, events, complete, reason } = result
  const what = `${outcome}${complete || reason ? '' : ', incomplete'}${reason ? `: ${reason}` : ''}`
  const line = `${clock()}  tick  ${account}  ${listed ?? '?'} live, ${events} events, ${what}`
  if (outcome === 'failed') say(pc.red(line))
  else if (events > 0 || !complete) say(line)
  else say(pc.dim(line))
}

async function drainAndTell(
  db: Kysely<Database>,
  poster: Poster,
  keyring: Keyring,
  say: (line: string) => void,
): Promise<void> {
  const options = { timeMs: 10_000, postDeadlineMs: 5_000, keyring }
  const { claimed, delivered, retried, dead } = await drain(db, poster, options)
  if (claimed > delivered) say(pc.yellow(`${clock()}  drain ${delivered} delivered, ${retried} to retry, ${dead} dead`))
}

async function pruneAndTell(db: Kysely<Database>, retention: Retention, say: (line: string) => void): Promise<void> {
  const { deliveries, events, ticks } = await prune(db, retention, CARE_MS)
  if (deliveries + events + ticks === 0) return
  say(
    pc.dim(
      `${clock()}  prune ${deliveries} deliveries, ${events} events, ${ticks} ticks removed, as old as they are kept`,
    ),
  )
}

function describeEvent({ type, subject, data }: ReceivedEvent): string {
  const colour = { 'session.started': pc.green, 'session.failed': pc.red, 'session.closed': pc.cyan }[type] ?? pc.dim
  const { reason, error, session } = data
  const why = [reason, error && `${error.code} ${error.message}`].filter(Boolean).join(', ')
  const text = inert(`${subject}  ${session?.userId ?? ''}${why && `  (${why})`}`)
  return `${clock()}    ${pc.green('✓')} ${colour(type.padEnd(15))}  ${text}`
}

const clock = () => new Date().toLocaleTimeString('en-GB')
