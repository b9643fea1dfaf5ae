import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Config, type Environment, readConfig } from '../lib/config.ts'
import { AppError } from '../lib/errors.ts'

const required = {
  DATABASE_URL: 'postgresql://rollcall:hush@db:5432/rollcall',
  IVH_APPKEY: 'the-appkey',
  IVH_ACCESS_TOKEN: 'the-token',
}
const everything: (keyof Config)[] = [
  'databaseUrl',
  'accounts',
  'addressGuard',
  'webhookFunction',
  'retention',
  'logLevel',
  'cloud',
]

async function refusal(environment: Environment, wanted = everything): Promise<AppError> {
  try {
    await readConfig(environment, wanted, noSecrets)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

/** One text for each setting: a fault's own words may have a semicolon in them. */
const faults = async (environment: Environment) => (await refusal(environment)).message.split(/; (?=[A-Z]+_)/)

const noSecrets = () => Promise.reject(new Error('a secret was asked for'))

describe('readConfig', () => {
  it('fills in what the three required settings leave open', async () => {
    const config = await readConfig(required, everything)

    expect(config).toMatchObject({
      databaseUrl: 'postgresql://rollcall:hush@db:5432/rollcall',
      accounts: [
        {
          name: 'default',
          api: { baseUrl: 'https://gw.tvs.qq.com', appkey: 'the-appkey', accessToken: 'the-token' },
        },
      ],
      webhookFunction: undefined,
      retention: { deliveriesDays: 30, eventsDays: 30, ticksDays: 400 },
      logLevel: 'info',
      cloud: { url: new URL('https://tencentcloudapi.com'), region: 'ap-guangzhou' },
    })
  })

  it('takes every optional setting', async () => {
    const config = await readConfig(
      {
        ...required,
        IVH_BASE_URL: 'http://127.0.0.1:8080',
        ROLLCALL_ACCOUNT: 'studio-1.b_c',
        WEBHOOK_FUNCTION: 'rollcall-webhook_2',
        RETAIN_DELIVERIES_DAYS: '1',
        RETAIN_EVENTS_DAYS: '99999',
        RETAIN_TICKS_DAYS: 'forever',
        LOG_LEVEL: 'error',
        TENCENT_API_URL: 'http://localhost:9999',
        TENCENTCLOUD_REGION: 'ap-shanghai',
      },
      everything,
    )

    expect(config).toMatchObject({
      accounts: [{ name: 'studio-1.b_c', api: { baseUrl: 'http://127.0.0.1:8080' } }],
      webhookFunction: 'rollcall-webhook_2',
      retention: { deliveriesDays: 1, eventsDays: 99_999, ticksDays: null },
      logLevel: 'error',
      cloud: { url: new URL('http://localhost:9999'), region: 'ap-shanghai' },
    })
  })

  it.each<[string, string | undefined, RegExp]>([
    ['DATABASE_URL', undefined, /not set.*postgresql:\/\/user:password@host:5432\/database/],
    ['DATABASE_URL', 'mysql://u:hush@h/d', /postgresql:\/\/ URL/],
    ['DATABASE_URL', 'db.example.com:5432', /postgresql:\/\/ URL/],
    ['DATABASE_URL', 'postgresql:/u@h/d', /postgresql:\/\/ URL/],
    ['DATABASE_URL', 'postgresql://u:hush@[h/d', /postgresql:\/\/ URL/],
    ['IVH_APPKEY', undefined, /not set/],
    ['IVH_APPKEY', 'two words', /space/],
    ['IVH_ACCESS_TOKEN', undefined, /not set/],
    ['IVH_ACCESS_TOKEN', 'line\nbreak', /space/],
    ['IVH_BASE_URL', 'gw.tvs.qq.com', /https:\/\/ URL/],
    ['IVH_BASE_URL', 'ftp://gw.tvs.qq.com', /https:\/\/ URL/],
    ['IVH_BASE_URL', 'https://', /https:\/\/ URL/],
    ['ROLLCALL_ACCOUNT', '-begins-with-a-dash', /up to 64 letters/],
    ['ROLLCALL_ACCOUNT', 'two words', /up to 64 letters/],
    ['ROLLCALL_ACCOUNT', 'größe', /up to 64 letters/],
    ['ROLLCALL_ACCOUNT', 'a'.repeat(65), /up to 64 letters/],
    ['ROLLCALL_ACCOUNT', 'default\n', /up to 64 letters/],
    ['WEBHOOK_ALLOW', '10.0.0.0', /address range such as 10\.0\.0\.0\/8/],
    ['WEBHOOK_ALLOW', '10.0.0.0/33', /address range/],
    ['WEBHOOK_ALLOW', 'fd00::/129', /address range/],
    ['WEBHOOK_ALLOW', '10.0.0.0/-1', /address range/],
    ['WEBHOOK_ALLOW', '10.0.0.0/8/9', /address range/],
    ['WEBHOOK_ALLOW', 'localhost/8', /address range/],
    ['WEBHOOK_ALLOW', '010.0.0.0/8', /address range/],
    ['WEBHOOK_ALLOW', 'fe80::1%eth0/64', /address range/],
    ['WEBHOOK_ALLOW', '10.0.0.0/8,10.1.0.0/x', /10\.1\.0\.0\/x is not an address range/],
    ['WEBHOOK_FUNCTION', '1st', /name of an SCF function/],
    ['WEBHOOK_FUNCTION', 'a', /name of an SCF function/],
    ['WEBHOOK_FUNCTION', 'a'.repeat(61), /name of an SCF function/],
    ['WEBHOOK_FUNCTION', 'two words', /name of an SCF function/],
    ['RETAIN_DELIVERIES_DAYS', '0', /from 1 to 99999, nor `forever`/],
    ['RETAIN_DELIVERIES_DAYS', '-1', /whole number of days/],
    ['RETAIN_EVENTS_DAYS', '1.5', /whole number of days/],
    ['RETAIN_EVENTS_DAYS', '30d', /whole number of days/],
    ['RETAIN_TICKS_DAYS', '100000', /whole number of days/],
    ['RETAIN_TICKS_DAYS', 'never', /whole number of days/],
    ['RETAIN_TICKS_DAYS', ' 30', /whole number of days/],
    ['LOG_LEVEL', 'verbose', /debug, info, warn, error/],
    ['LOG_LEVEL', 'INFO', /debug, info, warn, error/],
    ['TENCENT_API_URL', 'tencentcloudapi.com', /https:\/\/ URL/],
  ])('%s = %j is one fault, told by name and by what it should be', async (name, value, expected) => {
    const told = await faults({ ...required, [name]: value })

    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(new RegExp(`^${name} `))
    expect(told[0]).toMatch(expected)
  })

  it('tells every fault in one message, so that one run is enough to mend them all', async () => {
    const error = await refusal({
      DATABASE_URL: 'mysql://h/d',
      IVH_BASE_URL: 'nowhere',
      ROLLCALL_ACCOUNT: 'two words',
      IVH_APPKEY: 'two words',
      WEBHOOK_ALLOW: 'everything',
      WEBHOOK_FUNCTION: '1',
      RETAIN_DELIVERIES_DAYS: 'a',
      RETAIN_EVENTS_DAYS: 'b',
      RETAIN_TICKS_DAYS: 'c',
      LOG_LEVEL: 'loud',
      TENCENT_API_URL: 'nowhere',
    })

    expect(error.code).toBe('config_invalid')
    expect(error.message.split(/; (?=[A-Z]+_)/).map((fault) => fault.split(' ')[0])).toEqual([
      'DATABASE_URL',
      'IVH_BASE_URL',
      'ROLLCALL_ACCOUNT',
      'IVH_APPKEY',
      'IVH_ACCESS_TOKEN',
      'WEBHOOK_ALLOW',
      'WEBHOOK_FUNCTION',
      'RETAIN_DELIVERIES_DAYS',
      'RETAIN_EVENTS_DAYS',
      'RETAIN_TICKS_DAYS',
      'LOG_LEVEL',
      'TENCENT_API_URL',
    ])
  })

  it.each(['', ' ', '\t\n'])(
    '%j counts as unset: required settings are missed, the others take their default',
    async (unset) => {
      const names = [...Object.keys(required), 'IVH_ACCOUNTS']
      const optional = Object.fromEntries(
        ['IVH_BASE_URL', 'ROLLCALL_ACCOUNT', 'WEBHOOK_ALLOW', 'WEBHOOK_FUNCTION', 'LOG_LEVEL', 'IVH_ACCOUNTS'].map(
          (name) => [name, unset],
        ),
      )

      const missed = await faults(Object.fromEntries(names.map((name) => [name, unset])))
      const config = await readConfig({ ...required, ...optional }, everything)

      expect(missed).toEqual([
        expect.stringMatching(/^DATABASE_URL is not set/),
        expect.stringMatching(/^IVH_APPKEY is not set/),
        expect.stringMatching(/^IVH_ACCESS_TOKEN is not set/),
      ])
      expect(config).toMatchObject({ webhookFunction: undefined, logLevel: 'info', accounts: [{ name: 'default' }] })
    },
  )

  it('leaves settings that are not wanted alone, even bad ones', async () => {
    const config = await readConfig({ DATABASE_URL: required.DATABASE_URL, LOG_LEVEL: 'loud' }, ['databaseUrl'])

    expect(config).toEqual({ databaseUrl: required.DATABASE_URL })
  })

  it('never puts a secret into its message, however the setting is malformed', async () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9+/=]{12,40}$/).map((text) => `hush${text}`)
    const spoil = fc.constantFrom<(secret: string) => Environment>(
      (text) => ({ IVH_APPKEY: `${text} ${text}` }),
      (text) => ({ IVH_ACCESS_TOKEN: `${text}\n` }),
      (text) => ({ DATABASE_URL: `mysql://u:${text}@h/d` }),
      (text) => ({ DATABASE_URL: text }),
      (text) => ({ DATABASE_URL: `postgresql://u:${text}@[h` }),
      (text) => ({ IVH_BASE_URL: text }),
      (text) => ({ IVH_ACCOUNTS: text }),
      (text) => ({ IVH_ACCOUNTS: JSON.stringify(text) }),
      (text) => ({ IVH_ACCOUNTS: JSON.stringify([text]) }),
      (text) => ({ IVH_ACCOUNTS: JSON.stringify({ accessToken: text }) }),
      (text) => ({ IVH_ACCOUNTS: JSON.stringify([{ name: text + ' ', appkey: `${text} `, accessToken: [text] }]) }),
      (text) => ({ IVH_ACCOUNTS: JSON.stringify([{ name: 'a', appkey: { text }, accessToken: ` ${text}` }]) }),
      (text) => ({ IVH_ACCOUNTS: JSON.stringify([{ name: 'a', appkey: 'k', accessToken: 't', baseUrl: text }]) }),
      (text) => ({ IVH_ACCOUNTS: JSON.stringify([{ name: 'a', appkey: 'k', accessToken: 't', baseUrl: [text] }]) }),
    )

    await fc.assert(
      fc.asyncProperty(secret, spoil, async (text, spoiled) => {
        const error = await refusal({ ...required, ...spoiled(text) })

        expect(error.code).toBe('config_invalid')
        expect(error.message).not.toContain(text)
      }),
    )
  })

  it('gives a configuration or config_invalid for whatever the settings hold', async () => {
    const names = [...Object.keys(required), 'IVH_BASE_URL', 'IVH_ACCOUNTS', 'ROLLCALL_ACCOUNT', 'WEBHOOK_ALLOW']
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.webUrl(), fc.constant(undefined))
    const environment = fc.dictionary(fc.constantFrom(...names, 'LOG_LEVEL', 'TENCENT_API_URL'), value)

    await fc.assert(
      fc.asyncProperty(environment, async (settings) => {
        expect(await isReadOrRefused(settings)).toBe(true)
      }),
    )
  })
})

async function isReadOrRefused(settings: Environment): Promise<boolean> {
  try {
    return (await readConfig(settings, everything)).databaseUrl.startsWith('postgres')
  } catch (error) {
    return error instanceof AppError && error.code === 'config_invalid'
  }
}

describe('IVH_ACCOUNTS', () => {
  const read = async (list: unknown, more: Environment = {}) =>
    (await readConfig({ ...more, IVH_ACCOUNTS: JSON.stringify(list) }, ['accounts'])).accounts
  const account = (name: string) => ({ name, appkey: `${name}-key`, accessToken: `${name}-token` })

  it('lists several accounts, each with its own keys and, if given, its own API', async () => {
    const accounts = await read([account('a'), { ...account('b'), baseUrl: 'http://127.0.0.1:1' }])

    expect(accounts).toEqual([
      { name: 'a', api: { appkey: 'a-key', accessToken: 'a-token', baseUrl: 'https://gw.tvs.qq.com' } },
      { name: 'b', api: { appkey: 'b-key', accessToken: 'b-token', baseUrl: 'http://127.0.0.1:1' } },
    ])
  })

  it('replaces the settings of the single account, but IVH_BASE_URL holds for those without a baseUrl', async () => {
    const accounts = await read([account('a'), { ...account('b'), baseUrl: 'http://own' }], {
      IVH_BASE_URL: 'http://shared',
      IVH_APPKEY: 'not-this',
      IVH_ACCESS_TOKEN: 'not-this',
      ROLLCALL_ACCOUNT: 'not-this',
    })

    expect(accounts.map(({ name, api }) => [name, api.appkey, api.baseUrl])).toEqual([
      ['a', 'a-key', 'http://shared'],
      ['b', 'b-key', 'http://own'],
    ])
  })

  it.each<[string, RegExp[]]>([
    ['not JSON', [/^IVH_ACCOUNTS is not JSON; expected \[{"name"/]],
    ['[{"name":"a",}]', [/^IVH_ACCOUNTS is not JSON/]],
    ['{}', [/^IVH_ACCOUNTS is not a list/]],
    ['null', [/^IVH_ACCOUNTS is not a list/]],
    ['"a"', [/^IVH_ACCOUNTS is not a list/]],
    ['[]', [/^IVH_ACCOUNTS is an empty list/]],
    ['[1]', [/^IVH_ACCOUNTS\[0\] is not an object with name, appkey and accessToken/]],
    [
      '[{}]',
      [
        /IVH_ACCOUNTS\[0\]\[name\] is missing/,
        /IVH_ACCOUNTS\[0\]\[appkey\] is missing/,
        /IVH_ACCOUNTS\[0\]\[accessToken\] is missing/,
      ],
    ],
    ['[{"name":"a","appkey":"k"}]', [/^IVH_ACCOUNTS\[0\]\[accessToken\] is missing$/]],
    ['[{"name":"a","appkey":5,"accessToken":"t"}]', [/^IVH_ACCOUNTS\[0\]\[appkey\] is no text$/]],
    [
      '[{"name":"a","appkey":"ssm:b","accessToken":"t"}]',
      [/^IVH_ACCOUNTS\[0\]\[appkey\] names a secret, which only a whole/],
    ],
    ['[{"name":"a","appkey":"","accessToken":"t"}]', [/^IVH_ACCOUNTS\[0\]\[appkey\] is empty/]],
    ['[{"name":"a b","appkey":"k","accessToken":"t"}]', [/^IVH_ACCOUNTS\[0\]\[name\] is not a name of up to 64/]],
    [
      '[{"name":"a","appkey":"k","accessToken":"t"},{"name":"a","appkey":"l","accessToken":"u"}]',
      [/^IVH_ACCOUNTS names an account twice/],
    ],
    [
      '[{"name":"a","appkey":"k","accessToken":"t","baseUrl":"nowhere"}]',
      [/^IVH_ACCOUNTS\[0\]\[baseUrl\] is not an http:\/\/ or https:\/\/ URL$/],
    ],
    [
      '[{"name":"a","appkey":"k","accessToken":"t","baseUrl":5}]',
      [/^IVH_ACCOUNTS\[0\]\[baseUrl\] is not an http:\/\/ or https:\/\/ URL$/],
    ],
  ])('%s is refused, by what it should be', async (text, expected) => {
    const { code, message } = await refusal({ IVH_ACCOUNTS: text }, ['accounts'])

    expect(code).toBe('config_invalid')
    for (const fault of expected) expect(message).toMatch(fault)
  })

  it('is checked beside everything else: its faults and a bad IVH_BASE_URL come in one message', async () => {
    const { message } = await refusal({ IVH_ACCOUNTS: '[]', IVH_BASE_URL: 'nowhere' })

    expect(message).toMatch(/DATABASE_URL .*IVH_BASE_URL .*IVH_ACCOUNTS /)
  })
})

describe('the tokens of the console', () => {
  const token = 'a'.repeat(32)
  const read = (environment: Environment) => readConfig(environment, ['consoleTokens', 'channels'], noSecrets)

  it('are several of each kind, of which one is enough; channels are unknown unless somebody says', async () => {
    const some = await read({ CONSOLE_READ_TOKENS: `${token}, ${'~'.repeat(256)},`, CHANNELS: '100' })
    const one = await read({ CONSOLE_WRITE_TOKENS: token })

    expect(some).toEqual({ consoleTokens: { read: [token, '~'.repeat(256)], write: [] }, channels: 100 })
    expect(one).toEqual({ consoleTokens: { read: [], write: [token] }, channels: null })
  })

  it('are told which is none, never what it is', async () => {
    const bad = {
      CONSOLE_READ_TOKENS: `${token},hush`,
      CONSOLE_WRITE_TOKENS: 'hush hush hush hush hush hush hush hush',
    }

    const { code, message } = await refusal({ ...bad, CHANNELS: '0' }, ['consoleTokens', 'channels'])

    expect(code).toBe('config_invalid')
    expect(message).toMatch(/^CONSOLE_READ_TOKENS\[1\] is not a token .*; CONSOLE_WRITE_TOKENS\[0\] is not a token /)
    expect(message).toMatch(/; CHANNELS is no whole number from 1 to 999999$/)
    expect(message).not.toContain('hush')
  })

  it.each([{}, { CONSOLE_READ_TOKENS: ' , ', CONSOLE_WRITE_TOKENS: '' }])('are missing in %o', async (environment) => {
    expect((await refusal(environment, ['consoleTokens'])).message).toBe(
      'CONSOLE_WRITE_TOKENS is not set, nor is CONSOLE_READ_TOKENS: without a token nobody could open the console',
    )
  })
})
