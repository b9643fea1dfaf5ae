// One instance of a function: a process that has loaded the uploaded code and runs one invocation at a time (Tencent
// 583/9210, environment: 583/32748). It is killed when an invocation takes too long. What the words and status codes mean:
// 583/35311.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { unpack } from './code.ts'
import { issue, type Known } from './credentials.ts'
import type { Version } from './function-state.ts'
import type { Region } from './region.ts'

/** Of 583/35311: success; too long an answer, code that threw, no room, too slow, no handler, a process that ended. */
export type StatusCode = 200 | 407 | 430 | 432 | 433 | 437 | 439

const LARGEST_RESULT = 6 * 1_048_576

/** How one run ended. */
export interface Outcome {
  status: StatusCode
  /** In SCF's words; empty after success. */
  message: string
  /** What the handler returned, as JSON; empty without success. */
  result: string
  stack: string
  ms: number
  memoryBytes: number
  /** What it printed, line by line. */
  lines: string[]
}

export interface Instance {
  child: ChildProcess
  version: Version
  revision: number
  isBusy: boolean
  /** Of its running role; null when the function has none, and then none is injected. */
  credential: Known | null
  /** What it printed since the last run ended. */
  lines: string[]
}

type Message = { loaded?: true; missing?: string; error?: string; result?: string; memoryBytes?: number }

const RUNTIME = join(import.meta.dirname, 'runtime.cjs')

/** Starts a process for a version; the handler is not loaded yet. */
export async function startInstance(region: Region, functionName: string, version: Version): Promise<Instance> {
  const { settings, name, revision } = version
  const credential = settings.Role === '' ? null : issue(region.credentials, 'role')
  const folder = await unpack(version.code, region.folder)
  const child = spawn(await region.settings.nodeOf(settings.Runtime), [RUNTIME], {
    cwd: folder,
    env: {
      ...platformEnvironment(region, folder),
      SCF_RUNTIME: settings.Runtime,
      SCF_FUNCTIONNAME: functionName,
      SCF_FUNCTIONVERSION: name,
      SCF_NAMESPACE: 'default',
      ...credentialEnvironment(credential),
      // Last: TZ, for example, is the function's to choose; what is reserved cannot be in it.
      ...Object.fromEntries((settings.Environment.Variables ?? []).map(({ Key = '', Value = '' }) => [Key, Value])),
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  // Spawning and sending fail when the process is gone, which `close` tells.
  child.on('error', () => undefined)
  const instance: Instance = { child, version, revision, isBusy: false, credential, lines: [] }
  for (const stream of [child.stdout, child.stderr]) readLines(stream, (line) => instance.lines.push(line))
  return instance
}

/** Loads the handler: undefined when it is there. The time is the function's initialization timeout. */
export async function load(instance: Instance): Promise<Outcome | undefined> {
  const { Handler, InitTimeout } = instance.version.settings
  const startedAt = performance.now()
  const answer = await ask(instance, { load: Handler }, InitTimeout * 1_000)
  if (typeof answer === 'object' && answer.loaded) return undefined
  return outcomeOf(instance, answer, startedAt, InitTimeout)
}

/** Runs one invocation. The instance is not to be used again unless it lives. */
export async function run(instance: Instance, region: Region, event: unknown, context: object): Promise<Outcome> {
  const { Timeout } = instance.version.settings
  if (instance.credential?.isExpired) instance.credential = issue(region.credentials, 'role')
  const mark = `\0${crypto.randomUUID()}`
  const printed = [instance.child.stdout, instance.child.stderr].map((stream) => marked(stream, mark))
  const startedAt = performance.now()
  if (region.settings.freezes) instance.child.kill('SIGCONT')
  const env = credentialEnvironment(instance.credential)
  const answer = await ask(instance, { invoke: { mark, event, context, env } }, Timeout * 1_000, Promise.all(printed))
  if (region.settings.freezes) instance.child.kill('SIGSTOP')
  return outcomeOf(instance, answer, startedAt, Timeout)
}

export function isAlive({ child }: Instance): boolean {
  return child.exitCode === null && child.signalCode === null && child.connected
}

/** Kills it, and waits until it has ended and its output is here. */
export async function kill({ child }: Instance): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

/** The answer, once all is `printed`; `timeout`, after which it has been killed; or `exit`. */
async function ask(
  instance: Instance,
  message: object,
  timeoutMs: number,
  printed: Promise<unknown> = Promise.resolve(),
): Promise<Message | 'timeout' | 'exit'> {
  const { child } = instance
  if (!isAlive(instance)) return 'exit'
  const done = new AbortController()
  const { signal } = done
  try {
    const answered = once(child, 'message', { signal }).then(([answer]) => printed.then(() => answer as Message))
    const ended = once(child, 'close', { signal }).then(() => 'exit' as const)
    const late = sleep(timeoutMs, 'timeout' as const, { signal })
    for (const promise of [answered, ended, late]) promise.catch(() => undefined)
    child.send(message)
    const first = await Promise.race([answered, ended, late])
    if (first === 'timeout') await kill(instance)
    return first
  } finally {
    done.abort()
  }
}

function outcomeOf(
  instance: Instance,
  answer: Message | 'timeout' | 'exit',
  startedAt: number,
  timeoutSeconds: number,
): Outcome {
  const ms = performance.now() - startedAt
  const lines = instance.lines.splice(0)
  const ended = { result: '', stack: '', ms, memoryBytes: 0, lines }
  if (answer === 'timeout') {
    return { ...ended, status: 433, message: `Invoking task timed out after ${timeoutSeconds} seconds` }
  }
  if (answer === 'exit') return { ...ended, status: 439, message: 'User process exit when running' }
  const { result = '', error = '', missing, memoryBytes = 0 } = answer
  if (missing !== undefined) return { ...ended, status: 437, message: `HandlerNotFound: ${missing}` }
  if (Buffer.byteLength(result) > LARGEST_RESULT) {
    return { ...ended, status: 407, message: 'The size of response exceeds the upper limit (6MB)', memoryBytes }
  }
  const isDone = error === ''
  const message = isDone ? '' : 'user code exception caught'
  return { status: isDone ? 200 : 430, message, result, stack: error, ms, memoryBytes, lines }
}

function platformEnvironment({ settings }: Region, folder: string): Record<string, string> {
  return {
    TENCENTCLOUD_RUNENV: 'SCF',
    TENCENTCLOUD_REGION: settings.region,
    TENCENTCLOUD_APPID: '1250000001',
    TENCENTCLOUD_UIN: '100000000001',
    TENCENTCLOUD_TZ: 'UTC',
    // SCF's machines are in UTC, whatever the zone is here.
    TZ: 'UTC',
    _SCF_SERVER_PORT: '28902',
    USER_CODE_ROOT: folder,
    PWD: folder,
    NODE_PATH: [folder, join(folder, 'node_modules')].join(':'),
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/home/qcloud',
    USER: 'qcloud',
    LOGNAME: 'qcloud',
    SHELL: '/bin/bash',
    LANG: 'en_US.UTF8',
    LC_ALL: 'en_US.UTF8',
  }
}

function credentialEnvironment(credential: Known | null): Record<string, string> {
  if (!credential) return {}
  const { secretId, secretKey, token = '' } = credential
  return { TENCENTCLOUD_SECRETID: secretId, TENCENTCLOUD_SECRETKEY: secretKey, TENCENTCLOUD_SESSIONTOKEN: token }
}

function readLines(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  let rest = ''
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [words = ''] = line.split('\0')
      if (words !== '' || !line.includes('\0')) take(words)
    }
  })
  stream?.on('end', () => rest !== '' && take(rest))
}

/** Resolves when the stream has brought the mark. */
function marked(stream: NodeJS.ReadableStream | null, mark: string): Promise<void> {
  return new Promise((resolve) => {
    let seen = ''
    const look = (text: string) => {
      seen = (seen + text).slice(-mark.length - text.length)
      if (!seen.includes(mark)) return
      stream?.off('data', look)
      resolve()
    }
    stream?.on('data', look)
  })
}
