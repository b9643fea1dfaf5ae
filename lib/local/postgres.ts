// A real Postgres for one machine, from the binaries that npm installed: no Docker, no user, no settings. It must never
// harm a server or data that it did not make.
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { AppError } from '../errors.ts'
import { type SystemUser, serverUser } from './postgres-user.ts'
import { type Binaries, findBinaries } from './postgres-binaries.ts'
import { prepareData } from './postgres-data.ts'
import { existingHome, newHome } from './postgres-home.ts'
import { CLUSTER_NAME, claimHome, stopLeftover } from './postgres-owner.ts'
import { launch, type Server } from './postgres-server.ts'

const DATABASE = 'rollcall'

/** A running server. `url` leads to its database `rollcall`; `home` is where data, password and server.log are. */
export interface LocalPostgres {
  url: string
  home: string
  /** Ends the server in order and resolves when it is gone; calling it twice is fine. */
  stop(): Promise<void>
}

/** Only `dataDir` is needed. */
export interface PostgresOptions {
  /** Made if missing. Its data is kept between runs; a link `data` in it leads to data that had to lie elsewhere. */
  dataDir: string
  /** By default the one of the last run, or any that is free. */
  port?: number
  /** False only for data that may be lost: the machine's crash then costs it. Default true. */
  fsync?: boolean
  /** Server settings by name. */
  settings?: Record<string, string>
  /** Where root finds a user for the server. */
  passwdFile?: string
}

/**
 * Starts Postgres on `dataDir`, at 127.0.0.1 with a random password that is kept beside the data; the first time takes about
 * a second. After a crash it takes over: a server left behind is stopped first. Throws `local_postgres_failed`, with what to do
 * about it, also when a living process uses the folder.
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  try {
    return await start(options)
  } catch (error) {
    if (error instanceof AppError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new AppError(
      'local_postgres_failed',
      `the local Postgres in ${options.dataDir} could not be started: ${reason}; ` +
        'if it belongs to another user, start as that one, use another data folder or set DATABASE_URL',
      { cause: error },
    )
  }
}

async function start(options: PostgresOptions): Promise<LocalPostgres> {
  const { fsync = true, passwdFile = '/etc/passwd' } = options
  mkdirSync(options.dataDir, { recursive: true })
  const dataDir = realpathSync(options.dataDir)
  const existing = existingHome(dataDir)
  const user = serverUser(existing, passwdFile)
  const binaries = await findBinaries(user)
  const home = existing ?? (await newHome(dataDir, binaries, user))
  const release = claimHome(home)
  try {
    await stopLeftover(join(home, 'data'))
    await prepareData(home, binaries, user, fsync)
    const { server, port } = await launchOnSomePort({ ...options, fsync }, home, binaries, user)
    const stop = async (): Promise<void> => {
      await server.stop()
      release()
    }
    try {
      const address = `postgres:${readFileSync(join(home, 'password'), 'utf8').trim()}@127.0.0.1:${port}`
      await createDatabase(`postgresql://${address}/postgres`)
      void server.ended.then(release)
      return { url: `postgresql://${address}/${DATABASE}?sslmode=disable`, home, stop }
    } catch (error) {
      await stop()
      throw error
    }
  } catch (error) {
    release()
    throw error
  }
}

async function launchOnSomePort(
  options: PostgresOptions,
  home: string,
  binaries: Binaries,
  user: SystemUser | undefined,
): Promise<{ server: Server; port: number }> {
  const data = join(home, 'data')
  const log = join(home, 'server.log')
  if (existsSync(log)) renameSync(log, `${log}.old`)
  let port = options.port ?? lastPort(data) ?? (await freePort())
  for (const deadline = Date.now() + 10_000; ;) {
    const program = join(binaries.folder, 'bin/postgres')
    const started = await launch(program, serverArguments(options, port), data, log, user)
    if (typeof started !== 'string') return { server: started, port }
    const portTaken = started.includes('Address already in use')
    if (portTaken && options.port !== undefined) {
      throw new AppError(
        'local_postgres_failed',
        `port ${port} is taken: choose another, or none to get one that is free`,
      )
    }
    // A killed server and its last children may live on for a moment, with its lock and its memory; one that really runs
    // was found before.
    const stillDying = /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(started)
    if ((!portTaken && !stillDying) || Date.now() > deadline) {
      const lines = started.split('\n').slice(-6).join('\n').slice(-400)
      throw new AppError(
        'local_postgres_failed',
        `Postgres did not start: ${log} holds all it said, the end of it is: ${lines}`,
      )
    }
    if (portTaken) port = await freePort()
    else await sleep(100)
  }
}

function serverArguments({ fsync, settings }: PostgresOptions, port: number): string[] {
  const all = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    lc_messages: 'C',
    ...(fsync ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...settings,
  }
  return ['-c', CLUSTER_NAME, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** The server writes down how it was started, so that an address that was noted somewhere stays right. */
function lastPort(data: string): number | undefined {
  const file = join(data, 'postmaster.opts')
  const port = existsSync(file) ? /"port=(\d+)"/.exec(readFileSync(file, 'utf8'))?.[1] : undefined
  return port === undefined ? undefined : Number(port)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function createDatabase(url: string): Promise<void> {
  // Without a word about TLS, pg would look for PGSSLMODE.
  const client = new Client({ connectionString: url, ssl: false, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`create database ${DATABASE}`)
  } finally {
    await client.end()
  }
}
