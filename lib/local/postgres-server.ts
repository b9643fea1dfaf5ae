// One server process from its start to its end. It runs in a session of its own, so that a Ctrl-C meant for us does not
// take the database away while we still finish our work.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type SystemUser, SERVER_ENV } from './postgres-user.ts'

/** A server that accepts connections. */
export interface Server {
  /** Ends it in order (at once after 10 s) and resolves when it is gone; calling it twice is fine. */
  stop(): Promise<void>
  /** Settles when it is gone, for whatever reason. */
  ended: Promise<void>
}

// Crash recovery of a large database takes its time.
const START_TIMEOUT_MS = 60_000
const FAST_SHUTDOWN_MS = 10_000

/**
 * Starts `program` with `args` on `data`, its messages go to the file `log`. Gives the server once it is ready or, when it could
 * not start, all that it said.
 */
export async function launch(
  program: string,
  args: string[],
  data: string,
  log: string,
  user: SystemUser | undefined,
): Promise<Server | string> {
  const output = openSync(log, 'w')
  let child: ChildProcess
  try {
    const stdio = ['ignore', output, output] as const
    child = spawn(program, ['-D', data, ...args], {
      ...user,
      env: SERVER_ENV,
      cwd: '/',
      detached: true,
      stdio: [...stdio],
    })
  } catch (error) {
    return String(error)
  } finally {
    closeSync(output)
  }
  let reason: string | undefined
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => resolve(void (reason ??= String(error))))
    child.once('exit', (code, signal) => resolve(void (reason ??= `it ended with ${signal ?? code}`)))
  })
  const interrupt = (): void => void child.kill('SIGINT')
  process.once('exit', interrupt)
  void ended.then(() => process.off('exit', interrupt))

  const stop = async (): Promise<void> => {
    child.kill('SIGINT')
    const timer = setTimeout(() => child.kill('SIGQUIT'), FAST_SHUTDOWN_MS)
    await ended
    clearTimeout(timer)
  }
  for (const deadline = Date.now() + START_TIMEOUT_MS; reason === undefined; await sleep(10)) {
    if (isReady(data, child.pid)) return { stop, ended }
    if (Date.now() > deadline) {
      reason = `it was not ready within ${START_TIMEOUT_MS / 1_000} s`
      await stop()
    }
  }
  return readFileSync(log, 'utf8').trim() || reason
}

/** By the server's own word: whoever answers on its port could be another one. */
function isReady(data: string, pid: number | undefined): boolean {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    return lines[0] === String(pid) && lines[7]?.trim() === 'ready'
  } catch {
    return false
  }
}
