// Runs the built command line as a user does: a process of its own with an environment and a folder of its own.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

const CLI = join(import.meta.dirname, '../../dist/cli.js')
const nowhere = join(tmpdir(), 'rollcall-cli-test')
mkdirSync(nowhere, { recursive: true })

export interface Options {
  /** All it gets besides PATH. */
  env?: Record<string, string>
  /** By default an empty folder. */
  cwd?: string
}

export interface Result {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Running {
  process: ChildProcessByStdio<null, Readable, Readable>
  /** All it has printed so far. */
  output: { stdout: string; stderr: string }
  /** Resolves when its standard output fits; rejects, with all it printed, when it ends before or time is up. */
  printed(pattern: RegExp, withinMs?: number): Promise<RegExpExecArray>
  /** Resolves when it has ended and all its output is here. */
  ended: Promise<Result>
  /** Asks it to stop, and gives how it ended. */
  stop(signal: NodeJS.Signals): Promise<Result>
}

/** Starts `rollcall` with these arguments. */
export function startCli(args: string[], options: Options = {}): Running {
  return startNode([CLI, ...args], options)
}

/** Starts a program in this Node. */
export function startNode(args: string[], { env = {}, cwd = nowhere }: Options = {}): Running {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    ...output,
  }))
  const printed = (pattern: RegExp, withinMs = 60_000) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const fail = (what: string) =>
        reject(new Error(`${what} it printed ${pattern}:\n${output.stdout}${output.stderr}`))
      const look = () => {
        const found = pattern.exec(output.stdout)
        if (!found) return
        clearTimeout(timer)
        child.stdout.off('data', look)
        resolve(found)
      }
      const timer = setTimeout(() => fail(`${withinMs} ms passed before`), withinMs)
      child.stdout.on('data', look)
      void ended.then(() => (clearTimeout(timer), fail('it ended before')))
      look()
    })
  const stop = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  return { process: child, output, printed, ended, stop }
}

/** Runs `rollcall` with these arguments to its end. */
export function rollcall(args: string[], options?: Options): Promise<Result> {
  return startCli(args, options).ended
}
