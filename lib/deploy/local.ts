// A bundled function run once on this machine, in a process of its own with the environment it would have in the cloud.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleFunctions } from './bundle.ts'
import type { DeclaredFunction } from './service.ts'
import type { Settings } from './settings.ts'

/** What it came to; a fault is what the function threw, as text. */
export type LocalRun = { answer: unknown } | { fault: string }

const RUNNER = `
  const [bundle, event, context] = process.argv.slice(1)
  const send = (message) => process.send(message, () => process.exit())
  Promise.resolve()
    .then(() => require(bundle).main_handler(JSON.parse(event), JSON.parse(context)))
    .then((answer) => send({ answer: answer ?? null }), (error) => (console.error(error), send({ fault: String(error) })))
`

/** Bundles a function of a folder and runs its handler with an event (JSON). What it logs goes to standard error. */
export async function runLocally(
  declared: DeclaredFunction,
  folder: string,
  event: string,
  environment: Settings,
): Promise<LocalRun> {
  const bundle = mkdtempSync(join(tmpdir(), 'rollcall-invoke-'))
  try {
    await bundleFunctions({ index: join(folder, declared.source) }, bundle)
    return await runBundle(join(bundle, 'index.js'), event, environment, declared)
  } finally {
    rmSync(bundle, { recursive: true, force: true })
  }
}

async function runBundle(
  bundle: string,
  event: string,
  environment: Settings,
  { name, timeoutSeconds }: DeclaredFunction,
): Promise<LocalRun> {
  const timeout = timeoutSeconds * 1_000
  const context = { function_name: name, time_limit_in_ms: timeout, request_id: 'local' }
  const child = spawn(process.execPath, ['-e', RUNNER, bundle, event, JSON.stringify(context)], {
    env: environment,
    stdio: ['ignore', 2, 2, 'ipc'],
    timeout,
  })
  let result: LocalRun | undefined
  child.on('message', (message) => (result = message as LocalRun))
  await once(child, 'close')
  return result ?? { fault: `it ended without an answer (${child.signalCode ?? `exit code ${child.exitCode}`})` }
}
