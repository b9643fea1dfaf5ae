// Which process a data folder belongs to: the file `owner` names the one that started its server. It tells a second start
// from a start after a crash, and finds the server that a killed owner left behind. It signals nothing but that server.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../errors.ts'

/** In the command line of every server we start: what distinguishes it from one that a person started. */
export const CLUSTER_NAME = 'cluster_name=rollcall'

/**
 * Makes this process the owner of `home`; gives how to release it. Throws when its owner is alive. Process ids are used
 * again, so the owner is known by its start time as well.
 */
export function claimHome(home: string): () => void {
  const file = join(home, 'owner')
  const mine = `${file}.${randomBytes(6).toString('hex')}`
  const text = `${process.pid}\n${startOf(process.pid)}\n`
  writeFileSync(mine, text)
  try {
    // A link appears with its content, and only if there is none.
    while (!attempt(() => linkSync(mine, file), 'EEXIST')) {
      const found = readIfAny(file)
      if (found === undefined) continue
      const [pid, start] = found.split('\n')
      if (start !== undefined && startOf(Number(pid)) === start) throw inUse(home, Number(pid))
      const aside = `${mine}.stale`
      if (!attempt(() => renameSync(file, aside), 'ENOENT')) continue
      // Another process may have taken it over since it was read: that one gets it back.
      if (readIfAny(aside) !== found) attempt(() => linkSync(aside, file), 'EEXIST')
      rmSync(aside, { force: true })
    }
  } finally {
    rmSync(mine, { force: true })
  }
  return () => {
    if (readIfAny(file) === text) rmSync(file, { force: true })
  }
}

function inUse(home: string, pid: number): AppError {
  return new AppError(
    'local_postgres_failed',
    `${home} is in use by process ${pid}${pid === process.pid ? ' (this one)' : ''}, whose Postgres runs on it: ` +
      'stop that process first, or use another data folder',
  )
}

/** Stops the server that a killed owner left running on `data`, and waits until it is gone. */
export async function stopLeftover(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const pid = Number(readIfAny(file)?.split('\n')[0])
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  const command = commandLine(pid)
  if (isServerOf(data, command)) {
    for (const signal of ['SIGINT', 'SIGQUIT']) {
      attempt(() => process.kill(pid, signal), 'ESRCH')
      if (await isGone(data, pid, 10_000)) return
    }
    throw new AppError(
      'local_postgres_failed',
      `the Postgres (process ${pid}) left running on ${data} does not stop: kill it`,
    )
  }
  if (basename(command[0] ?? '') === 'postgres') {
    throw new AppError(
      'local_postgres_failed',
      `a Postgres that Rollcall did not start (process ${pid}) seems to run on ${data}: ` +
        `stop it; or, if it runs on another folder, remove ${file}`,
    )
  }
  // The number went to another process, or to a zombie. Postgres would take that for a running server, and refuse.
  rmSync(file, { force: true })
}

async function isGone(data: string, pid: number, timeoutMs: number): Promise<boolean> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(20)) {
    if (!isServerOf(data, commandLine(pid))) return true
  }
  return false
}

function isServerOf(data: string, command: string[]): boolean {
  const folder = command[command.indexOf('-D') + 1]
  return basename(command[0] ?? '') === 'postgres' && folder === data && command.includes(CLUSTER_NAME)
}

function commandLine(pid: number): string[] {
  // World-readable even where a container forbids root to look at another user's processes (cwd, exe).
  if (process.platform === 'linux') return (readIfAny(`/proc/${pid}/cmdline`) ?? '').split('\0')
  const line = ps(pid, 'command=')
  const [, program = '', folder = ''] = /^(.*?\/postgres) -D (.*) -c cluster_name/.exec(line) ?? []
  return program === '' ? line.split(' ') : [program, '-D', folder, ...line.split(' ')]
}

/** When the process started, in words that fit no other process; undefined when it is gone, or dead and not yet reaped. */
function startOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    // The command's name, in brackets, may hold spaces and brackets itself.
    const fields = readIfAny(`/proc/${pid}/stat`)
      ?.replace(/^.*\) /s, '')
      .split(' ')
    if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined
    // Counted in ticks since the boot; not every sandbox tells boots apart.
    return `${fields[19]} ${readIfAny('/proc/sys/kernel/random/boot_id')?.trim() ?? ''}`
  }
  const [state = 'Z', ...start] = ps(pid, 'stat=,lstart=').split(/\s+/)
  return state === '' || state.startsWith('Z') ? undefined : start.join(' ')
}

function ps(pid: number, columns: string): string {
  try {
    return execFileSync('/bin/ps', ['-ww', '-o', columns, '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

function readIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

/** False when it fails as expected, with that code. */
function attempt(action: () => void, expected: string): boolean {
  try {
    action()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === expected) return false
    throw error
  }
}
