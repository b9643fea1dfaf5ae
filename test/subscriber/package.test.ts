// `rollcall/subscriber` as a subscriber has it: installed, apart from this repository. dist/ is built before all tests.
import { execFile } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODES } from '../support/nodes.ts'
import { installed, OWN_MODULES } from './installed.ts'
import { LIVES, NOW, SECRET, single } from './messages.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const NAMES = ['INBOX_SQL', 'VerificationError', 'receive', 'verify']

let folder: string
beforeAll(() => void (folder = installed()))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const [body = ''] = LIVES
const { headers } = single(body)
const call = `console.log(JSON.stringify([Object.keys(kit).sort(), kit.verify(${JSON.stringify(body)}, ${JSON.stringify(headers)}, ${JSON.stringify(SECRET)}, new Date(${NOW.getTime()})).length]))`
const programs = {
  'main.mjs': `import * as kit from 'rollcall/subscriber'\n${call}`,
  'main.cjs': `const kit = require('rollcall/subscriber')\n${call}`,
}

describe.each(Object.entries(programs))('%s', (name, text) => {
  test.each(NODES)(
    'loads it on %s, without other packages and without a warning',
    async (_, node) => {
      writeFileSync(join(folder, name), text)
      const { stdout, stderr } = await run(await node(), [name], { cwd: folder, env: {} })

      expect([JSON.parse(stdout), stderr]).toEqual([[NAMES, 1], ''])
    },
    120_000,
  )
})

test.each(['dist/subscriber.mjs', 'dist/subscriber.cjs'])(
  '%s needs nothing but node:crypto, and has less than 30 KB',
  (file) => {
    const text = readFileSync(join(root, file), 'utf8')
    const imports = [...text.matchAll(/(?:\bfrom |\brequire\()"([^"]+)"/g)].map((match) => match[1])

    expect(imports).toEqual(['node:crypto'])
    expect(statSync(join(root, file)).size).toBeLessThan(30_000)
  },
)

test('it shares no code with the sender', () => {
  const sources = ['error', 'event', 'index', 'receive', 'shape', 'signature', 'verify'].map((name) =>
    readFileSync(join(root, `lib/subscriber/${name}.ts`), 'utf8'),
  )

  expect(sources.join('').match(/from '\.\.[^']*'/g)).toBeNull()
})

describe('the types', () => {
  const program = `
    import { createServer } from 'node:http'
    import { receive, verify, VerificationError, type Event, type SessionEvent, type VerificationCode, type Work } from 'rollcall/subscriber'
    import pg from 'pg'
    const work: Work = async (event: Event, { late }) => {
      if (late) return
      if (event.type === 'session.closed') return event.data.reason satisfies string
      if (event.type === 'webhook.ping') return event.data.challenge
      // @ts-expect-error there is no such type
      if (event.type === 'session.paused') return
    }
    export const handle = (client: pg.PoolClient) =>
      createServer((request) => void receive(client, verify(Buffer.from(''), request.headers, ['whsec_'], new Date()), work))
    export const web = (request: Request) => verify('', request.headers, 'whsec_', new Date(), { toleranceSeconds: 60 })
    export const code = (error: unknown): VerificationCode | undefined => error instanceof VerificationError ? error.code : undefined
    export const only = (client: pg.Client, events: SessionEvent[]) => receive(client, events, async (event) => event.data.revision)
    // @ts-expect-error a parsed body cannot be verified
    verify({}, {}, 'whsec_', new Date())
    // @ts-expect-error time is an argument
    verify('', {}, 'whsec_')`

  test.each([
    ['main.mts', 'nodenext', 'nodenext'],
    ['main.cts', 'nodenext', 'nodenext'],
    ['main.ts', 'esnext', 'bundler'],
  ])('serve %s under module %s', async (name, module, moduleResolution) => {
    const typed = installed({
      pg: OWN_MODULES,
      '@types/pg': OWN_MODULES,
      '@types/node': OWN_MODULES,
      'pg-types': OWN_MODULES,
      'undici-types': OWN_MODULES,
    })
    writeFileSync(join(typed, name), program)
    const compilerOptions = `--ignoreConfig --noEmit --strict --esModuleInterop --exactOptionalPropertyTypes --target es2022 --types node --module ${module} --moduleResolution ${moduleResolution}`
    const tsc = join(OWN_MODULES, 'typescript/bin/tsc')
    const { stdout } = await run(process.execPath, [tsc, name, ...compilerOptions.split(' ')], { cwd: typed }).catch(
      (error: { stdout: string }) => error,
    )

    expect(stdout).toBe('')
    rmSync(typed, { recursive: true, force: true })
  })
})
