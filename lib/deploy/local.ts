// A bundled function run once on this machine, in a process of its own with the environment it would have in the cloud.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
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

/** Runs the bundle's handler with an event (JSON). What it logs goes to standard error. */
export async function runLocally(
  bundle: string,
  event: string,
  { environment, timeoutSeconds, name }: { environment: Settings; timeoutSeconds: number; name: string },
): Promise<LocalRun> {
  const context = { function_name: name, time_limit_in_ms: timeoutSeconds * 1_000, request_id: 'local' }
  const child = spawn(process.execPath, ['-e', RUNNER, bundle, event, JSON.stringify(context)], {
    env: environment,
    stdio: ['ignore', 2, 2, 'ipc'],
    timeout: timeoutSeconds * 1_000,
  })
  let result: LocalRun | undefined
  child.on('message', (message) => (result = message as LocalRun))
  await once(child, 'close')
  return result ?? { fault: `it ended without an answer (${child.signalCode ?? `exit code ${child.exitCode}`})` }
}
