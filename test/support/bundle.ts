import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const DIST = join(import.meta.dirname, '../../dist/functions')

/** Runs the code as SCF's Node would: nothing but the bundle, its environment, and `main_handler(event, context)`. */
const INVOKE = `
  const [file, event, context] = process.argv.slice(1)
  require(file).main_handler(JSON.parse(event), JSON.parse(context)).then(
    (result) => { console.log('RESULT ' + JSON.stringify(result)); process.exit(0) },
    (error) => { console.log('THROWN ' + error.code + ': ' + error.message); process.exit(1) })`

const SERVE = `
  const { main_handler } = require(process.argv[1])
  const tell = (error) => error.code + ': ' + error.message
  process.on('message', ({ number, event, context }) => main_handler(event, context).then(
    (result) => process.send({ number, result }),
    (error) => process.send({ number, thrown: tell(error) })))
  process.on('disconnect', () => process.exit())`

const LOOP = `
  const [file, parent, timeLimitMs, pauseMs] = process.argv.slice(1)
  const { main_handler } = require(file)
  let stopping = false
  process.on('SIGTERM', () => { stopping = true })
  const context = { time_limit_in_ms: Number(timeLimitMs) }
  const pause = () => Number(pauseMs) > 0 && new Promise((resolve) => setTimeout(resolve, Number(pauseMs)))
  // Whoever started it may have been killed.
  const isWanted = () => !stopping && process.ppid === Number(parent)
  // As the platform does, which says that an invocation failed and keeps the instance.
  const invoke = () => main_handler({ Type: 'Timer' }, context).catch((error) => console.error(String(error)))
  ;(async () => { while (isWanted()) { await invoke(); await pause() } process.exit(0) })()`

/** What one invocation in a fresh process came to: the value it gave or the error it threw, and what it logged. */
export interface Invocation {
  result: unknown
  thrown: string | undefined
  log: string
  /** What killed the process, if something did. */
  signal: NodeJS.Signals | null
}

/** Invokes a built function once, in a process of its own with no other environment than `env`; `preload` is a script that it runs first. */
export function invokeBundle(
  name: string,
  env: Record<string, string>,
  options: { node?: string; event?: unknown; context?: unknown; preload?: string } = {},
): Promise<Invocation> {
  const {
    node = process.execPath,
    event = { Type: 'Timer' },
    context = { time_limit_in_ms: 30_000 },
    preload,
  } = options
  const code = [
    ...(preload ? ['--require', preload] : []),
    '-e',
    INVOKE,
    join(DIST, `${name}.js`),
    JSON.stringify(event),
    JSON.stringify(context),
  ]
  return new Promise((resolve) => {
    execFile(node, code, { env }, (error, stdout, stderr) => {
      const result = /^RESULT (.*)$/m.exec(stdout)?.[1]
      const thrown = /^THROWN (.*)$/m.exec(stdout)?.[1] ?? (result === undefined ? stderr : undefined)
      resolve({
        result: result === undefined ? undefined : JSON.parse(result),
        thrown,
        log: stdout + stderr,
        signal: error?.signal ?? null,
      })
    })
  })
}

/** A process that invokes a built function again and again. */
export interface FunctionLoop {
  process: ChildProcess
  /** Lets it finish the invocation under way; throws when it ends otherwise. */
  stop(): Promise<void>
}

/** Invokes a built function again and again in one process, as a busy timer would, until it is stopped. */
export function loopBundle(
  name: string,
  env: Record<string, string>,
  { timeLimitMs = 5_000, pauseMs = 0 }: { timeLimitMs?: number; pauseMs?: number } = {},
): FunctionLoop {
  const code = ['-e', LOOP, join(DIST, `${name}.js`), String(process.pid), String(timeLimitMs), String(pauseMs)]
  const child = spawn(process.execPath, code, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  return {
    process: child,
    stop: async () => {
      child.kill('SIGTERM')
      const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null]
      // One that has just been started does not listen to the signal yet: it ends by it, with nothing under way.
      if (code !== 0 && signal !== 'SIGTERM') throw new Error(`${name} ended with ${signal ?? code}`)
    },
  }
}

/** An instance that stays warm between invocations, which may overlap. */
export interface WarmInstance {
  invoke(event?: unknown): Promise<Pick<Invocation, 'result' | 'thrown'>>
  /** All it has printed so far. */
  log(): string
  stop(): Promise<void>
}

/** Loads a built function in a process of its own, which ends with us, however we end. */
export function startInstance(name: string, env: Record<string, string>, node = process.execPath): WarmInstance {
  const child = spawn(node, ['-e', SERVE, join(DIST, `${name}.js`)], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (log += text))
  }
  const ended = once(child, 'exit')
  const waiting = new Map<number, (invocation: Pick<Invocation, 'result' | 'thrown'>) => void>()
  let invoked = 0
  child.on('message', ({ number, result, thrown }: { number: number; result?: unknown; thrown?: string }) => {
    waiting.get(number)?.({ result, thrown })
    waiting.delete(number)
  })
  child.once('exit', () => {
    for (const resolve of waiting.values()) resolve({ result: undefined, thrown: `the instance ended:\n${log}` })
  })
  return {
    invoke: (event = { Type: 'Timer' }) =>
      new Promise((resolve) => {
        invoked += 1
        waiting.set(invoked, resolve)
        child.send({ number: invoked, event, context: { time_limit_in_ms: 30_000 } })
      }),
    log: () => log,
    stop: async () => {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}
