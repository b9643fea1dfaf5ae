// The stage's file of settings: what the functions get as their environment. Its values are secrets: but for the private address
// of a database none may appear in a message, a plan or a log.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { parseUrl } from '../address.ts'
import { configFaults } from '../config.ts'
import { AppError } from '../errors.ts'
import { namesSecret } from '../secrets.ts'
import type { DeclaredFunction, Service } from './service.ts'

/** Settings by name. */
export type Settings = Record<string, string>

/** SCF keeps these for itself (Tencent 583/30228). */
const RESERVED = /^(SCF_|QCLOUD_|TENCENTCLOUD_)/
/** Of names and values together (Tencent 583/11637). */
const MOST_BYTES = 4_096

/** The settings of a `.env`-style file; an empty one counts as unset. Throws `config_invalid` when there is no such file. */
export function readSettings(path: string): Settings {
  if (!existsSync(path)) {
    throw new AppError(
      'config_invalid',
      `there is no ${path}: copy .env.example to it and fill it in (docs/deploying.md)`,
    )
  }
  const text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  assertPlain(text, path)
  const settings = parseEnv(text)
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => (value?.trim() ? [[name, value.trim()]] : [])),
  )
}

const LINE =
  /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'[^']*'|"[^"]*"|(?!['"])(?:[^#]|(?<=\s)#)*)\s*(?:(?<=\s|['"])#.*)?$/

/** What could be read in two ways is refused, by the number of its line: a value cut short would be deployed without a word. */
function assertPlain(text: string, path: string): void {
  const names = new Set<string>()
  const faults = text.split(/\r?\n/).flatMap((line, i) => {
    if (/^\s*(#.*)?$/.test(line)) return []
    const name = line.includes('\r') ? undefined : LINE.exec(line)?.[1]
    if (name === undefined)
      return [`line ${i + 1} is not NAME=VALUE; what has a # or a quote in it goes between 'single quotes'`]
    const isNew = !names.has(name)
    names.add(name)
    return isNew ? [] : [`line ${i + 1} has ${name} again`]
  })
  if (faults.length > 0) throw new AppError('config_invalid', [`${path}:`, ...faults].join('\n- '))
}

/** Of the configuration: what all functions together need. */
const PARTS = [
  'databaseUrl',
  'accounts',
  'addressGuard',
  'keyring',
  'retention',
  'channels',
  'logLevel',
  'cloud',
] as const

/** The settings of a service's stage, from its folder. Throws one `config_invalid` with every fault, a line each. */
export function readStage(service: Service, folder: string): Settings {
  const settings = readSettings(join(folder, service.settingsFile))
  // Without a token the console lets nobody in, as who wants no console may like it.
  const hasTokens = settings.CONSOLE_READ_TOKENS !== undefined || settings.CONSOLE_WRITE_TOKENS !== undefined
  const parts = [...PARTS, ...(hasTokens ? (['consoleTokens'] as const) : [])]
  const faults = [...configFaults(settings, parts), ...settingsFaults(service, settings)]
  if (faults.length > 0) throw new AppError('config_invalid', [`${service.settingsFile}:`, ...faults].join('\n- '))
  return settings
}

/** The environment of a function: what it is given by name, and its share of the settings. */
export function environmentOf(declared: DeclaredFunction, settings: Settings): Settings {
  const given = declared.settings.flatMap((name) => (settings[name] === undefined ? [] : [[name, settings[name]]]))
  return { ...(Object.fromEntries(given) as Settings), ...declared.environment }
}

/**
 * Faults of a stage's settings that only a deployment has: reserved or unknown names, size, role, VPC. What each means
 * lib/config.ts knows. Names variables, and of values only the host of a private database.
 */
export function settingsFaults(service: Service, settings: Settings): string[] {
  const known = new Set(service.functions.flatMap((declared) => declared.settings))
  const faults: string[] = []
  for (const name of Object.keys(settings)) {
    if (RESERVED.test(name))
      faults.push(`${name} begins with a prefix that SCF reserves (SCF_, QCLOUD_, TENCENTCLOUD_)`)
    else if (!known.has(name))
      faults.push(`${name} is no setting of any function (serverless.yml lists them under settings)`)
  }
  for (const declared of service.functions)
    faults.push(...environmentFaults(declared, environmentOf(declared, settings)))
  return [...new Set(faults)]
}

function environmentFaults({ key, role, vpc, environment }: DeclaredFunction, all: Settings): string[] {
  const faults: string[] = []
  for (const name of Object.keys(environment)) {
    if (RESERVED.test(name)) faults.push(`functions.${key}.environment.${name} begins with a prefix that SCF reserves`)
    if (environment[name]?.trim() === '')
      faults.push(`functions.${key}.environment.${name} is empty, which SCF refuses`)
  }
  const bytes = Object.entries(all).reduce((sum, [name, value]) => sum + Buffer.byteLength(name + value), 0)
  if (bytes > MOST_BYTES) {
    const [largest = ''] = Object.keys(all).sort((a, b) => (all[b]?.length ?? 0) - (all[a]?.length ?? 0))
    faults.push(
      `functions.${key} would get ${bytes} bytes of environment of at most ${MOST_BYTES}: keep the largest, ${largest}, ` +
        `in the Secrets Manager and write ${largest}=ssm:NAME`,
    )
  }
  const secrets = Object.keys(all).filter((name) => namesSecret(all[name] ?? ''))
  const calls = [...secrets, ...(all.WEBHOOK_FUNCTION === undefined ? [] : ['WEBHOOK_FUNCTION'])]
  if (role === undefined && calls.length > 0) {
    faults.push(
      `functions.${key} has no role, whose credential it needs for ${calls.join(', ')}: ` +
        'set the parameter role (docs/deploying.md has its policy)',
    )
  }
  const host = parseUrl(all.DATABASE_URL ?? '')?.hostname ?? ''
  if (vpc === undefined && /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(host)) {
    faults.push(
      `functions.${key} is in no VPC, and DATABASE_URL is at ${host}, a private address: ` +
        'set the parameters vpcId and subnetId to those of the database',
    )
  }
  return faults
}
