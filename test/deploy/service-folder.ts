// A copy of the service in a folder of its own, for tests that change it and run `serverless` there as a person does.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cloud } from '../cloud/cloud.ts'
import { type Result, startNode } from '../support/run.ts'

const WATCH = join(import.meta.dirname, '..', 'ops', 'watch-network.cjs')
const ROOT = join(import.meta.dirname, '..', '..')

export interface ServiceFolder {
  path: string
  /** Runs `serverless` with arguments; with the credential of the cloud's person, or none. */
  serverless(args: string[], cloud?: Cloud, env?: Record<string, string>): Promise<Result>
  /** `npm run ops -- …` without npm; `contacts` gets whom it connected to or asked the address of. */
  ops(args: string[], cloud?: Cloud, env?: Record<string, string>): Promise<Result & { contacts: string[] }>
  /** Writes the file of a stage. */
  settings(stage: string, settings: Record<string, string>): void
  /** Replaces a text in a file, which must have it. */
  edit(file: string, from: string, to: string): void
  remove(): void
}

const credentialOf = (cloud: Cloud | undefined) =>
  cloud && {
    TENCENT_API_URL: cloud.url,
    TENCENTCLOUD_SECRET_ID: cloud.person.secretId,
    TENCENTCLOUD_SECRET_KEY: cloud.person.secretKey,
  }

export function openServiceFolder(): ServiceFolder {
  const path = mkdtempSync(join(tmpdir(), 'rollcall-service-'))
  for (const name of [
    'functions',
    'lib',
    'migrations',
    'dist/deploy',
    'dist/ops',
    'serverless.yml',
    'package.json',
    'tsconfig.json',
  ]) {
    cpSync(join(ROOT, name), join(path, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(path, 'node_modules'))
  return {
    path,
    serverless: (args, cloud, env = {}) => {
      const program = join(path, 'node_modules', 'serverless', 'bin', 'serverless.js')
      return startNode([program, ...args], { cwd: path, env: { HOME: path, ...credentialOf(cloud), ...env } }).ended
    },
    ops: async (args, cloud, env = {}) => {
      const program = join(path, 'node_modules', '@serverless', 'cli', 'bin', 'bin')
      const contacts = join(path, 'contacts')
      const watch = { NODE_OPTIONS: `--require ${WATCH}`, CONTACTS_FILE: contacts }
      rmSync(contacts, { force: true })
      const ended = await startNode([program, ...args], {
        cwd: join(path, 'dist', 'ops'),
        env: { HOME: path, ...credentialOf(cloud), ...watch, ...env },
      }).ended
      const lines = existsSync(contacts) ? readFileSync(contacts, 'utf8').trim().split('\n') : []
      return { ...ended, contacts: [...new Set(lines)] }
    },
    settings: (stage, settings) =>
      writeFileSync(
        join(path, `.env.${stage}`),
        Object.entries(settings)
          .map(([name, value]) => `${name}='${value}'\n`)
          .join(''),
      ),
    edit: (file, from, to) => {
      const text = readFileSync(join(path, file), 'utf8')
      if (!text.includes(from)) throw new Error(`${file} does not have ${from}`)
      writeFileSync(join(path, file), text.replace(from, to))
    },
    remove: () => rmSync(path, { recursive: true }),
  }
}
