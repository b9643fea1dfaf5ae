// Any command line, made of real and wrong words, against a real database. The built dist/cli.js runs in this process, many
// times in one test: of the process it sees only its arguments, settings and outputs are not the real ones. The double at the
// network's rim is the simulator.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeSession, createSession } from '../../lib/local/simulator/simulator.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { openWorld, type SimulatedAccount, type World } from '../support/world.ts'
import { openBreaches } from './breaches.ts'
import { commandLines, VALUED } from './command-lines.ts'
import { runs } from './effort.ts'

const CLI = join(import.meta.dirname, '../../dist/cli.js')

interface Ended {
  code: number
  stdout: string
  stderr: string
}

type Program = (exports: object, require: unknown, module: object, seen: NodeJS.Process) => void

let world: World
let api: SimulatedAccount
let program: Program
let env: Record<string, string> = {}
let endpointId = ''
const secrets: string[] = []

beforeAll(async () => {
  world = await openWorld()
  api = await world.simulate('default', { capacity: 100_000 })
  env = api.env
  secrets.push(api.simulator.appkey, api.simulator.accessToken)
  await register()
  const text = readFileSync(CLI, 'utf8').replace(/^#!.*/, '')
  program = compileFunction(text, ['exports', 'require', 'module', 'process'], { filename: CLI }) as Program
})
afterAll(() => world.close())

/** Makes the one endpoint there is to name; nobody listens at its URL. */
async function register(): Promise<void> {
  const endpoint = { url: 'http://127.0.0.1:1/', account: null, events: ['*'], description: '' }
  const { id, secret } = await addEndpoint(world.db, endpoint)
  endpointId = id
  secrets.push(secret)
}

function rollcall(args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const output = { stdout: '', stderr: '' }
    const stream = (name: keyof typeof output) => ({
      write: (text: string) => ((output[name] += text), true),
      once: () => undefined,
      on: () => undefined,
    })
    const seen = Object.create(process, {
      argv: { value: ['node', 'rollcall', ...args] },
      env: { value: env },
      stdout: { value: stream('stdout') },
      stderr: { value: stream('stderr') },
      exitCode: {
        set: (code: number) => {
          resolve({ code, ...output })
        },
      },
    }) as NodeJS.Process
    const real = createRequire(CLI)
    const require = (name: string) => (/^(node:)?process$/.test(name) ? seen : (real(name) as unknown))
    program({}, Object.assign(require, real), { exports: {} }, seen)
  })
}

const FAILURE = /^(config_invalid|input_invalid|not_found|no_account_reconciled): [^\r\n]{10,500}\n$/
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/

function breachesOf(args: string[], { code, stdout, stderr }: Ended): string[] {
  const { found, rule } = openBreaches()
  const isHelp = stdout.startsWith('Usage: ')
  // Behind an option that takes a value it is that value.
  const isJson = args.some((arg, at) => {
    const before = args[at - 1] ?? ''
    return (
      (['--json', '--format=json'].includes(arg) && !VALUED.includes(before)) ||
      (arg === 'json' && before === '--format')
    )
  })
  const tells = args.includes('add') && code === 0
  rule([0, 1, 2].includes(code), `exit code ${code}`)
  rule(!/^\s+at .*:\d+/m.test(stderr), `a stack trace: ${stderr}`)
  rule(code === 0 || stdout === '', `${code}, but prints ${stdout}`)
  rule(code !== 0 || stderr === '', `0, but says ${stderr}`)
  rule(code !== 1 || FAILURE.test(stderr), `a failure in other words: ${stderr}`)
  rule(code !== 1 || !CONTROL.test(stderr), `a failure that is not inert: ${JSON.stringify(stderr)}`)
  rule(code !== 2 || /^(error: |Usage: )/.test(stderr), `a wrong usage in other words: ${stderr}`)
  if (code === 0 && !isHelp) {
    if (isJson) rule(isOneValue(stdout), `not one JSON value: ${stdout}`)
    else rule(!CONTROL.test(stdout), `output that is not inert: ${JSON.stringify(stdout)}`)
  }
  for (const secret of secrets) rule(!(stdout + stderr).includes(secret), 'a secret')
  rule(tells || !/whsec_/.test(stdout + stderr), "an endpoint's secret")
  return found
}

function isOneValue(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object' && text.endsWith('\n')
  } catch {
    return false
  }
}

test('any command line ends with 0, 1 or 2, says in one line what is wrong, prints one JSON value or none, and no secret', async () => {
  const tally: Record<number, number> = {}
  await fc.assert(
    fc.asyncProperty(commandLines, async (line) => {
      const created = createSession(api.simulator, { userId: `u\u001b[2J\u202e${Math.random()}`, projectId: 'p' })
      if (Math.random() < 0.8 && 'ok' in created) closeSession(api.simulator, created.ok.id)
      const args = line.map((one) => one.replace(/^(--endpoint=)?own$/, `$1${endpointId}`))

      const { code, stdout, stderr } = await rollcall(args)
      tally[code] = (tally[code] ?? 0) + 1

      expect(breachesOf(args, { code, stdout, stderr })).toEqual([])
      await world.db.deleteFrom('endpoint').where('id', '<>', endpointId).execute()
      if (args.includes('remove')) await register()
    }),
    runs(200),
  )

  expect(tally[0]).toBeGreaterThan(0)
  expect(tally[1]).toBeGreaterThan(0)
  expect(tally[2]).toBeGreaterThan(0)
  console.log(JSON.stringify(tally))
})
