// Any environment. Every setting holds a value that can be told from all others, so that a message that repeats one is seen.
// The database's URL also goes on to the driver, which reads it again in its own way; nobody listens at its port.
import { inspect } from 'node:util'
import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { type Config, type Environment, readConfig } from '../../lib/config.ts'
import { AppError, describe as describeError } from '../../lib/errors.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { explainDatabaseError } from '../../lib/store/fault.ts'
import { runs } from './effort.ts'
import { anyChange, anyText, json, write } from './json.ts'

const everything: (keyof Config)[] = [
  'databaseUrl',
  'accountName',
  'accounts',
  'addressGuard',
  'webhookFunction',
  'retention',
  'logLevel',
  'cloud',
]
const right: Record<string, string> = {
  DATABASE_URL: 'postgresql://rollcall:hush-password@db:5432/rollcall',
  IVH_BASE_URL: 'https://gw.tvs.qq.com',
  IVH_APPKEY: 'hush-appkey',
  IVH_ACCESS_TOKEN: 'hush-token',
  ROLLCALL_ACCOUNT: 'default',
  WEBHOOK_ALLOW: '10.1.0.0/16, fd00::/8',
  WEBHOOK_FUNCTION: 'rollcall-webhook',
  RETAIN_DELIVERIES_DAYS: '30',
  RETAIN_EVENTS_DAYS: '365',
  RETAIN_TICKS_DAYS: 'forever',
  LOG_LEVEL: 'info',
  TENCENT_API_URL: 'https://tencentcloudapi.com',
  TENCENTCLOUD_REGION: 'ap-guangzhou',
}
const account = (name: string) => ({
  name,
  appkey: 'hush-appkey',
  accessToken: 'hush-token',
  baseUrl: 'https://gw.example',
})
const noSecrets = fc.constantFrom('x', '')

/** Values that are no right one of any setting whose form is checked. */
const junk = fc.oneof(
  fc.constantFrom(
    'hush',
    'hush hush',
    '::',
    'http://',
    'http://[',
    'postgresql://u:hush@[h',
    '10.0.0.0/33',
    '/8',
    'ssm:',
  ),
  fc.constantFrom('{"hush":1}', '[]', '[null]', 'mysql://u:hush@h/d', 'a,b', 'ssm:hush hush', '%', 'DEBUG', '-', 'a b'),
  fc.constantFrom('ssm:gone', 'ssm:junk', 'ssm:another'),
  anyText.map((text) => `${text} hush`),
)
const value = (name: string) =>
  fc.oneof(
    fc.constant(right[name]),
    fc.constantFrom(undefined, '', ' ', '\t\n'),
    junk,
    fc.tuple(fc.nat(), fc.constantFrom(' ', '\0', '\n', '"', '%', '/', '')).map(([place, text]) => {
      const whole = right[name] ?? ''
      const at = place % (whole.length + 1)
      return whole.slice(0, at) + text + whole.slice(at + (text ? 0 : 1))
    }),
  )
const accountLists = fc
  .tuple(fc.array(anyChange(noSecrets), { maxLength: 2 }), fc.constantFrom('', ','))
  .map(([changes, comma]) =>
    write(
      changes.reduce((before, change) => change(before), json([account('a'), account('b')])),
      comma,
    ),
  )
const environments: fc.Arbitrary<Environment> = fc
  .tuple(
    fc.record(Object.fromEntries(Object.keys(right).map((name) => [name, value(name)]))),
    fc.option(accountLists, { nil: undefined, freq: 2 }),
  )
  .map(([settings, accounts]) => ({ ...settings, ...(accounts !== undefined && { IVH_ACCOUNTS: accounts }) }))

const contents: Record<string, string> = { junk: 'hush hush', another: 'ssm:hush' }

async function readSecret(_: unknown, name: string): Promise<string> {
  const content = contents[name]
  if (content === undefined) throw new AppError('secret_unreadable', `nobody knows ${name}`)
  return content
}

async function read(
  environment: Environment,
  wanted: (keyof Config)[],
): Promise<Pick<Config, keyof Config> | AppError> {
  try {
    return await readConfig(environment, wanted, readSecret)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** The names of the settings that a refusal says are wrong. */
const named = (fault: AppError) =>
  new Set(
    [...Object.keys(right), 'IVH_ACCOUNTS'].filter((name) =>
      new RegExp(`(^|; |, )${name}(\\[|,| )`).test(fault.message),
    ),
  )

test('any environment is read, or refused with every bad setting named at once and no secret told', async () => {
  await fc.assert(
    fc.asyncProperty(environments, async (environment) => {
      const whole = await read(environment, everything)
      const parts = await Promise.all(everything.map((part) => read(environment, [part])))

      // A setting is bad or good whatever the others are: all together name what each part alone does.
      const bad = parts.flatMap((part) => (part instanceof AppError ? [...named(part)] : []))
      expect([...(whole instanceof AppError ? named(whole) : [])].sort()).toEqual([...new Set(bad)].sort())
      expect(whole instanceof AppError).toBe(bad.length > 0)
      if (!(whole instanceof AppError)) return
      expect(describeError(whole)).toMatch(/^(config_invalid|secret_unreadable): [^\r\n]+$/)
      // Ranges that may be reached are no secret, and the one that is none must be found.
      const open = environment['WEBHOOK_ALLOW'] ?? ''
      const told = open.includes('hush')
        ? inspect(whole).replaceAll(/WEBHOOK_ALLOW[^]*?is not an address range/g, '')
        : inspect(whole)
      expect(told).not.toContain('hush')
    }),
    runs(2_000),
  )
})

const databaseUrls = fc
  .record({
    scheme: fc.constantFrom('postgresql:', 'postgres:'),
    user: fc.constantFrom('rollcall', '', '%', '%zz', 'a%2Fb', '%00', 'ü', 'x'.repeat(5_000)),
    password: fc.oneof(
      fc.constantFrom(
        'hush',
        'hush%',
        'hush%zz',
        '%hush%',
        'hush%41',
        'hush%E0%A4%A',
        'hush?',
        'hush#',
        'hush[',
        'hush^',
      ),
      fc.string({ maxLength: 5 }).map((text) => `hush${text}`),
    ),
    database: fc.oneof(fc.constantFrom('rollcall', '', 'a/b', '%zz', '%', 'a%00b'), fc.string({ maxLength: 5 })),
    query: fc.oneof(
      fc.constantFrom(
        '',
        '',
        '',
        '?sslmode=require',
        '?sslmode=hm',
        '?sslmode=no-verify',
        '?ssl=true',
        '?options=-c%20x',
      ),
      fc.constantFrom(
        '?sslcert=/no/such/file',
        '?sslrootcert=system',
        '?keepalives=0',
        '?encoding=x',
        '?port=99999',
        '?port=x',
        '?host=',
        '?user=%00',
        '?password=hush',
      ),
      fc.constantFrom(
        '?connect_timeout=0',
        '?max=0',
        '?application_name=%00',
        '?uselibpqcompat=true&sslmode=verify-ca',
      ),
    ),
  })
  .map(
    ({ scheme, user, password, database, query }) => `${scheme}//${user}:${password}@127.0.0.1:1/${database}${query}`,
  )

test("any URL that passes for the database's fails in clear words where nobody listens, and never tells its password", async () => {
  await fc.assert(
    fc.asyncProperty(databaseUrls, async (url) => {
      const config = await read({ DATABASE_URL: url }, ['databaseUrl'])
      const fault = config instanceof AppError ? config : await queryFault(config.databaseUrl)

      expect(fault).toBeInstanceOf(AppError)
      expect(describeError(fault)).toMatch(/^(database_unreachable|config_invalid): [^\r\n]*DATABASE_URL/)
      expect(describeError(fault)).not.toContain('hush')
    }),
    runs(300),
  )
})

async function queryFault(url: string): Promise<unknown> {
  try {
    const db = openDatabase(url)
    const fault = await sql`select 1`.execute(db).catch(explainDatabaseError)
    await db.destroy()
    return fault
  } catch (error) {
    return error
  }
}
