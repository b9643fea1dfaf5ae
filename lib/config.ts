// Reads settings once, at the rim, and the secrets they name: what comes out is checked and typed, and every fault is told at
// once, by name. It must never put a setting's value into a message when that value may be a secret.
import * as v from 'valibot'
import { type AddressGuard, addressGuard, parseUrl } from './address.ts'
import type { Keyring } from './core/seal.ts'
import { AppError } from './errors.ts'
import { type LogLevel, LOG_LEVELS } from './log.ts'
import type { Retention } from './prune.ts'
import type { Account } from './reconcile.ts'
import { cloudOf } from './scf.ts'
import { namesSecret, readSecrets, secretName } from './secrets.ts'
import { type Cloud, readSecret } from './tencent.ts'

/** Settings by name, as the process has them. */
export type Environment = Record<string, string | undefined>

/** What an account may be called: it becomes part of each event's `source`. */
export const ACCOUNT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

const databaseUrl = v.pipe(
  v.string('is not set; expected postgresql://user:password@host:5432/database'),
  v.check((text) => /^postgres(ql)?:\/\//.test(text) && parseUrl(text) !== undefined, 'is not a postgresql:// URL'),
)
const httpUrl = v.pipe(
  v.string('is not an http:// or https:// URL'),
  v.check((text) => /^https?:/.test(parseUrl(text)?.protocol ?? ''), 'is not an http:// or https:// URL'),
)
const secret = v.pipe(
  v.string(({ input }) => (input === undefined ? 'is not set' : 'is no text')),
  v.regex(/^\S+$/, 'is empty or has a space in it'),
  v.check((text) => !namesSecret(text), 'names a secret, which only a whole setting can'),
)
const accountName = v.pipe(
  v.string('is no text'),
  v.regex(ACCOUNT_NAME, 'is not a name of up to 64 letters, digits, dots, dashes and underscores'),
)

const accountList = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return JSON.parse(dataset.value) as unknown
    } catch {
      addIssue({ message: 'is not JSON; expected [{"name":…,"appkey":…,"accessToken":…}, …]' })
      return NEVER
    }
  }),
  v.array(
    v.object(
      {
        name: accountName,
        appkey: secret,
        accessToken: secret,
        baseUrl: v.optional(httpUrl),
      },
      // A missing key is a fault of the object, whose message must then name it.
      ({ expected }) =>
        expected?.startsWith('"') ? 'is missing' : 'is not an object with name, appkey and accessToken',
    ),
    'is not a list',
  ),
  v.minLength(1, 'is an empty list'),
  v.check((list) => new Set(list.map(({ name }) => name)).size === list.length, 'names an account twice'),
)

/** The first seals, all open, so that a key can be changed. */
const keyring = v.pipe(
  v.optional(v.string(), ''),
  v.transform((text) => text.split(',').flatMap((key) => key.trim() || [])),
  v.array(
    v.pipe(
      v.string(),
      v.regex(
        /^([0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)$/,
        'is not 32 bytes as hex or Base64, such as `openssl rand -hex 32` gives; several are separated by commas',
      ),
      v.transform((key) => Buffer.from(key, key.length === 64 ? 'hex' : 'base64')),
    ),
  ),
)

/** Null: for ever. Not 0, which one takes for that and another for nothing at all. */
const daysKept = (days: number) =>
  v.pipe(
    v.optional(v.string(), String(days)),
    v.regex(/^([1-9]\d{0,4}|forever)$/, 'is neither a whole number of days, from 1 to 99999, nor `forever`'),
    v.transform((text) => (text === 'forever' ? null : Number(text))),
  )

/** Long enough that nobody guesses one, of characters that a header, a cookie and JSON have as they are. */
const tokens = v.pipe(
  v.optional(v.string(), ''),
  v.transform((text) => text.split(',').flatMap((token) => token.trim() || [])),
  v.array(
    v.pipe(
      v.string(),
      v.regex(
        /^[A-Za-z0-9_.~-]{32,256}$/,
        'is not a token of 32 to 256 letters, digits, dashes, dots, tildes and underscores, such as `openssl rand -hex 32` gives; several are separated by commas',
      ),
    ),
  ),
)

/** The settings, checked; the README lists what each means. */
export interface Config {
  databaseUrl: string
  /** What to call the one account. */
  accountName: string
  accounts: Account[]
  addressGuard: AddressGuard
  /** What seals endpoint secrets in the database; empty: they are stored as they are. */
  keyring: Keyring
  webhookFunction: string | undefined
  /** Among how many instances the accounts are shared. */
  shares: number
  retention: Retention
  /** Who may ask the console, and who may also change something; there is at least one. */
  consoleTokens: { read: readonly string[]; write: readonly string[] }
  /** How many channels were bought; null: nobody said. */
  channels: number | null
  logLevel: LogLevel
  /** Where Tencent Cloud's own API is; its services are subdomains. */
  cloud: { url: URL; region: string }
}

/**
 * Gives a setting checked by a schema, or undefined after noting its faults; `secretFault` instead of them for what came from
 * a secret, where they quote the value.
 */
type Read = <Schema extends v.GenericSchema>(
  name: string,
  schema: Schema,
  secretFault?: string,
) => v.InferOutput<Schema> | undefined

const NO_TOKEN = 'is not set, nor is CONSOLE_READ_TOKENS: without a token nobody could open the console'
const DEFAULT_BASE_URL = 'https://gw.tvs.qq.com'

const readers: { [Part in keyof Config]: (read: Read, env: Environment) => Config[Part] | undefined } = {
  databaseUrl: (read) => read('DATABASE_URL', databaseUrl),
  accountName: (read) => read('ROLLCALL_ACCOUNT', v.optional(accountName, 'default')),
  accounts: (read, env) => {
    const baseUrl = read('IVH_BASE_URL', v.optional(httpUrl, DEFAULT_BASE_URL)) ?? DEFAULT_BASE_URL
    if (env.IVH_ACCOUNTS !== undefined) {
      return read('IVH_ACCOUNTS', accountList)?.map(({ name, ...api }) => ({
        name,
        api: { ...api, baseUrl: api.baseUrl ?? baseUrl },
      }))
    }
    const name = readers.accountName(read, env)
    const appkey = read('IVH_APPKEY', secret)
    const accessToken = read('IVH_ACCESS_TOKEN', secret)
    return name && appkey && accessToken ? [{ name, api: { baseUrl, appkey, accessToken } }] : undefined
  },
  addressGuard: (read) =>
    read(
      'WEBHOOK_ALLOW',
      v.pipe(
        v.optional(v.string(), ''),
        v.rawTransform(({ dataset, addIssue, NEVER }) => {
          try {
            return addressGuard(dataset.value.split(',').flatMap((cidr) => cidr.trim() || []))
          } catch (error) {
            addIssue({ message: error instanceof Error ? error.message : 'is not a list of address ranges' })
            return NEVER
          }
        }),
      ),
      'holds something that is no address range such as 10.0.0.0/8 or fd00::/8',
    ),
  keyring: (read) => read('SECRET_KEY', keyring),
  webhookFunction: (read) =>
    read(
      'WEBHOOK_FUNCTION',
      v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z][A-Za-z0-9_-]{1,59}$/, 'is not the name of an SCF function'))),
    ),
  shares: (read) =>
    read(
      'RECONCILE_SHARES',
      v.pipe(
        v.optional(v.string(), '1'),
        v.regex(/^([1-9]\d?|100)$/, 'is no whole number from 1 to 100'),
        v.transform(Number),
      ),
    ),
  retention: (read) => {
    const deliveriesDays = read('RETAIN_DELIVERIES_DAYS', daysKept(30))
    const eventsDays = read('RETAIN_EVENTS_DAYS', daysKept(30))
    const ticksDays = read('RETAIN_TICKS_DAYS', daysKept(400))
    if (deliveriesDays === undefined || eventsDays === undefined || ticksDays === undefined) return undefined
    return { deliveriesDays, eventsDays, ticksDays }
  },
  consoleTokens: (read) => {
    const readTokens = read('CONSOLE_READ_TOKENS', tokens)
    const anyTokens = v.pipe(
      tokens,
      v.check((write) => readTokens?.length !== 0 || write.length > 0, NO_TOKEN),
    )
    const writeTokens = read('CONSOLE_WRITE_TOKENS', anyTokens)
    return readTokens && writeTokens ? { read: readTokens, write: writeTokens } : undefined
  },
  channels: (read) =>
    read(
      'CHANNELS',
      v.pipe(
        v.optional(v.string(), ''),
        v.regex(/^([1-9]\d{0,5})?$/, 'is no whole number from 1 to 999999'),
        v.transform((text) => (text === '' ? null : Number(text))),
      ),
    ),
  logLevel: (read) =>
    read('LOG_LEVEL', v.optional(v.picklist(LOG_LEVELS, `is none of ${LOG_LEVELS.join(', ')}`), 'info')),
  cloud: (read) => {
    const url = read('TENCENT_API_URL', v.optional(httpUrl, 'https://tencentcloudapi.com'))
    const region = read('TENCENTCLOUD_REGION', v.optional(v.string(), 'ap-guangzhou'))
    return url && region ? { url: new URL(url), region } : undefined
  },
}

/** An environment without its empty settings, which count as unset. */
export function withoutBlanks(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()))
}

/**
 * The wanted parts of the configuration, from an environment in which an empty setting counts as unset. Only secrets that
 * these parts name are read, by `read` with the credential in that environment. Throws one AppError that names every bad
 * setting and says what it should be, never its value: `config_invalid`, or `secret_unreadable` when nothing else is wrong.
 */
export async function readConfig<Part extends keyof Config>(
  environment: Environment,
  wanted: Part[],
  read: (cloud: Cloud, name: string) => Promise<string> = readSecret,
): Promise<Pick<Config, Part>> {
  const env = withoutBlanks(environment)
  const named = secretsNamed(env, wanted)
  const faults = new Set<string>()
  const cloud = named.size > 0 ? readers.cloud(checked(env, faults), env) : undefined
  const { values, failures } = cloud
    ? await readSecrets(named, (name) => read(cloudOf(cloud, environment), name))
    : { values: {}, failures: [] }

  const resolved = { ...env, ...values }
  const check = checked(resolved, faults, new Map([...named.keys()].map((name) => [name, name in values])))
  const config = Object.fromEntries(wanted.map((part) => [part, readers[part](check, resolved)]))
  if (faults.size + failures.length > 0) {
    const isUnreadable = faults.size === 0 && failures.every(({ code }) => code === 'secret_unreadable')
    const messages = [...faults, ...failures.map(({ message }) => message)]
    throw new AppError(isUnreadable ? 'secret_unreadable' : 'config_invalid', messages.join('; '))
  }
  return config as Pick<Config, Part>
}

/** What is wrong with the wanted parts as far as can be told without reading a secret: settings by name, never their values. */
export function configFaults(environment: Environment, wanted: (keyof Config)[]): string[] {
  const env = withoutBlanks(environment)
  const faults = new Set<string>()
  const unread = [...secretsNamed(env, wanted).keys()].map((name) => [name, false] as const)
  const check = checked(env, faults, new Map(unread))
  for (const part of wanted) readers[part](check, env)
  return [...faults]
}

/** Secrets are read with these. */
const NEVER_SECRET = new Set(['TENCENT_API_URL', 'TENCENTCLOUD_REGION'])

/** The settings of the wanted parts that name a secret, each with the secret's name. */
function secretsNamed(env: Environment, wanted: (keyof Config)[]): Map<string, string> {
  const named = new Map<string, string>()
  const note: Read = (variable) => {
    const name = secretName(env[variable] ?? '')
    if (name !== undefined && !NEVER_SECRET.has(variable)) named.set(variable, name)
    return undefined
  }
  for (const part of wanted) readers[part](note, env)
  return named
}

/** Checks settings and notes their faults. Of those that name a secret, `isRead` says whether it could be read. */
function checked(env: Environment, faults: Set<string>, isRead: ReadonlyMap<string, boolean> = new Map()): Read {
  return (name, schema, secretFault) => {
    if (isRead.get(name) === false) return undefined
    if (namesSecret(env[name] ?? '')) {
      const expected = 'expected `ssm:` and its name, of up to 128 letters, digits, dashes and underscores'
      faults.add(`${name} ${NEVER_SECRET.has(name) ? 'cannot be a secret' : `names no secret; ${expected}`}`)
      return undefined
    }
    const parsed = v.safeParse(schema, env[name])
    if (parsed.success) return parsed.output
    for (const issue of parsed.issues) {
      const path = issue.path?.map((part) => `[${String(part.key)}]`).join('') ?? ''
      faults.add(`${name}${path} ${(isRead.has(name) && secretFault) || issue.message}`)
    }
    return undefined
  }
}
