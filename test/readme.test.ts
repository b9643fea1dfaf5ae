// The README is run: its receiver, its commands, its event and its figures. No doubles but the simulator behind `npm start`.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, chmodSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIRST_DELAY_MS, LONGEST_DELAY_MS, longestDelayMs, RETRY_FOR_MS } from '../lib/core/retry.ts'
import { eventually } from './support/receiver.ts'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The code blocks of a language, in order. */
const blocks = (language: string, text = readme) =>
  [...text.matchAll(new RegExp('```' + language + '\\n([\\s\\S]*?)```', 'g'))].map((match) => match[1] ?? '')

let folder: string
let running: ChildProcess
let output = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-readme-'))
  // The server's account must be able to enter; see lib/local/postgres.ts.
  chmodSync(folder, 0o755)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  running = spawn(process.execPath, [join(root, 'dist/cli.js'), 'start'], {
    cwd: folder,
    env: { PATH: process.env.PATH },
  })
  running.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  running.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await eventually('npm start shows events', () => /✓ session\.started/.test(output), 60_000)
}, 90_000)

afterAll(async () => {
  running.kill('SIGINT')
  await once(running, 'exit')
  rmSync(folder, { recursive: true, force: true })
}, 30_000)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Runs a line that begins with `npx rollcall` as a person would, next to `npm start`. */
async function rollcall(line: string): Promise<string> {
  const args = line.replace('npx rollcall ', '').split(' ')
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'dist/cli.js'), ...args], {
    cwd: folder,
    env: {},
  })
  return stdout
}

const commandsOf = (text: string) =>
  blocks('sh', text)
    .flatMap((block) => block.trim().split('\n'))
    .filter((line) => line.startsWith('npx rollcall'))

test.each(commandsOf(readFileSync(join(root, 'docs/delivery.md'), 'utf8')))(
  'docs/delivery.md has a command that works beside npm start: %s',
  async (line) => {
    expect(await rollcall(line)).toMatch(/\S/)
  },
)

describe('the README', () => {
  test.each(commandsOf(readme))('has a command that works beside npm start: %s', async (line) => {
    expect(await rollcall(line)).toMatch(/\S/)
  })

  test('has a receiver that verifies what it gets', async () => {
    const [receiver = ''] = blocks('js')
    const port = String(await freePort())
    const args = `--url http://127.0.0.1:${port}/ --events * --json`
    const { secret } = JSON.parse(await rollcall(`npx rollcall endpoint add ${args}`)) as { secret: string }
    writeFileSync(join(folder, 'receiver.mjs'), receiver.replace('8080', port))
    const child = spawn(process.execPath, ['receiver.mjs'], { cwd: folder, env: { SECRET: secret } })
    let heard = ''
    child.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()))

    await eventually('it prints events', () => heard.includes('\n'), 30_000).finally(() => child.kill())
    expect(heard).toMatch(/^session\.\w+ m\d+/)
  }, 60_000)

  test('shows an event with the fields that events have', async () => {
    const [shown = '{}'] = blocks('json')
    const page = JSON.parse(await rollcall('npx rollcall events --limit 500 --json')) as { events: unknown[] }
    const fields = (value: unknown): unknown =>
      typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fields(inner)]))
        : 'value'

    const real = page.events.find((event) => Reflect.get(event as object, 'type') === 'session.started')
    expect(fields(JSON.parse(shown))).toEqual(fields(real))
  })

  test('gives the delays that the code has', () => {
    const seconds = [1, 2, 3].map((attempt) => longestDelayMs(attempt) / 1_000)

    expect(readme).toContain('5 s, 10 s, 20 s … up to\n  6 h, for 72 hours')
    expect(seconds).toEqual([5, 10, 20])
    expect([FIRST_DELAY_MS, LONGEST_DELAY_MS, RETRY_FOR_MS].map((ms) => ms / 3_600_000)).toEqual([5 / 3_600, 6, 72])
  })

  test('names every setting that is read', () => {
    const source = readFileSync(join(root, 'lib/config.ts'), 'utf8')
    const read = new Set([...source.matchAll(/read\(\s*'([A-Z_]+)'/g)].map((match) => match[1] ?? ''))
    // SCF sets this one itself.
    read.delete('TENCENTCLOUD_REGION')

    expect([...read].filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
    expect(read.size).toBeGreaterThan(7)
  })
})
