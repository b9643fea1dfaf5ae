// A copy of the service in a folder of its own, deployed as a person does it, and the verbs run in it as `npm run ops` runs them.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cloud } from '../cloud/cloud.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const WATCH = join(import.meta.dirname, 'watch-network.cjs')

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
  /** To where it, and what it started, opened connections or asked for addresses. */
  contacts: string[]
}

export interface Deployment {
  path: string
  /** Writes the file of the stage `test`. */
  settings(settings: Record<string, string>): void
  serverless(...args: string[]): Promise<Ended>
  /** `npm run ops -- …args` without npm; with more of an environment than the credential. */
  ops(args: string[], env?: Record<string, string>): Promise<Ended>
  remove(): void
}

export function openDeployment(cloud: Cloud): Deployment {
  const path = mkdtempSync(join(tmpdir(), 'rollcall-ops-'))
  for (const name of ['functions', 'lib', 'migrations', 'dist', 'serverless.yml', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, name), join(path, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(path, 'node_modules'))
  const contactsFile = join(path, 'contacts')
  const run = async (cwd: string, command: string[], env: Record<string, string> = {}): Promise<Ended> => {
    rmSync(contactsFile, { force: true })
    const child = spawn(process.execPath, command, {
      cwd,
      env: {
        PATH: process.env.PATH,
        HOME: path,
        TENCENTCLOUD_SECRETID: cloud.person.secretId,
        TENCENTCLOUD_SECRETKEY: cloud.person.secretKey,
        NODE_OPTIONS: `--require ${WATCH}`,
        CONTACTS_FILE: contactsFile,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    const [code] = (await once(child, 'close')) as [number | null]
    const contacts = existsSync(contactsFile) ? readFileSync(contactsFile, 'utf8').trim().split('\n') : []
    return { code, ...output, contacts: [...new Set(contacts)] }
  }
  const params = ['role=runs', 'runtime=Nodejs20.19', 'logsetId=set', 'topicId=topic']
  const stage = ['--stage', 'test', ...params.flatMap((one) => ['--param', one])]
  return {
    path,
    settings: (settings) =>
      writeFileSync(
        join(path, '.env.test'),
        Object.entries(settings)
          .map(([name, value]) => `${name}='${value}'\n`)
          .join(''),
      ),
    serverless: (...args) => run(path, [join('node_modules', 'serverless', 'bin', 'serverless.js'), ...args, ...stage]),
    ops: ([verb = '', ...args], env) =>
      run(
        join(path, 'dist', 'ops'),
        [join('..', '..', 'node_modules', '@serverless', 'cli', 'bin', 'bin'), verb, ...stage, ...args].filter(Boolean),
        env,
      ),
    remove: () => rmSync(path, { recursive: true }),
  }
}
