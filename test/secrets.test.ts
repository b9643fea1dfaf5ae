// The double is the function that reads a secret; what asks the API is in tencent.test.ts.
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Config, type Environment, readConfig } from '../lib/config.ts'
import { AppError } from '../lib/errors.ts'
import type { Cloud } from '../lib/tencent.ts'

const contents: Record<string, string> = {
  db: 'postgresql://rollcall:hush@db:5432/rollcall',
  appkey: 'hush-appkey',
  token: 'hush-token',
  accounts: '[{"name":"a","appkey":"hush-appkey","accessToken":"hush-token"}]',
  key: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
  ranges: '10.1.0.0/16',
}
const plain = { DATABASE_URL: 'postgresql://u:p@h/d', IVH_APPKEY: 'k', IVH_ACCESS_TOKEN: 't' }

/** What a reader of these secrets was asked for, and with which access. */
function openReader(secrets = contents) {
  const asked: string[] = []
  const clouds: Cloud[] = []
  const read = async (cloud: Cloud, name: string): Promise<string> => {
    asked.push(name)
    clouds.push(cloud)
    const content = secrets[name]
    if (content === undefined)
      throw new AppError('secret_unreadable', `nobody knows ${name === 'locked' ? 'its key' : 'it'}`)
    return content
  }
  return { asked, clouds, read }
}

async function refusal(environment: Environment, wanted: (keyof Config)[], reader = openReader()): Promise<AppError> {
  const error: unknown = await readConfig(environment, wanted, reader.read).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AppError)
  expect(inspect(error)).not.toContain('hush')
  return error as AppError
}

describe('a setting ssm:NAME', () => {
  it('is what the secret of that name holds', async () => {
    const environment = {
      DATABASE_URL: 'ssm:db',
      IVH_APPKEY: 'ssm:appkey',
      IVH_ACCESS_TOKEN: 'ssm:token',
      SECRET_KEY: 'ssm:key',
    }

    const config = await readConfig(environment, ['databaseUrl', 'accounts', 'keyring'], openReader().read)

    expect(config).toEqual({
      databaseUrl: 'postgresql://rollcall:hush@db:5432/rollcall',
      accounts: [
        {
          name: 'default',
          api: { baseUrl: 'https://gw.tvs.qq.com', appkey: 'hush-appkey', accessToken: 'hush-token' },
        },
      ],
      keyring: [Buffer.from('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'hex')],
    })
  })

  it('may be the whole list of accounts, and then the keys of the one account are not asked for', async () => {
    const reader = openReader()

    const environment = { IVH_ACCOUNTS: 'ssm:accounts', IVH_APPKEY: 'ssm:appkey' }
    const { accounts } = await readConfig(environment, ['accounts'], reader.read)

    expect(accounts).toMatchObject([{ name: 'a', api: { appkey: 'hush-appkey', accessToken: 'hush-token' } }])
    expect(reader.asked).toEqual(['accounts'])
  })

  it('may be any setting but those that secrets are read with', async () => {
    const reader = openReader({ ...contents, level: 'warn' })
    const environment = { WEBHOOK_ALLOW: 'ssm:ranges', LOG_LEVEL: 'ssm:level' }

    const config = await readConfig(environment, ['addressGuard', 'logLevel'], reader.read)

    expect(config.logLevel).toBe('warn')
    expect(config.addressGuard.allowed.check('10.1.2.3')).toBe(true)
  })

  it('is read only when what is wanted needs it: reconcile must not need the secret of SECRET_KEY', async () => {
    const reader = openReader()
    const environment = { ...plain, DATABASE_URL: 'ssm:db', SECRET_KEY: 'ssm:key' }

    await readConfig(environment, ['databaseUrl', 'accounts', 'webhookFunction', 'cloud', 'logLevel'], reader.read)

    expect(reader.asked).toEqual(['db'])
  })

  it('is read once for all that name it, and all of them at the same time', async () => {
    let arrived = 0
    let open = () => {}
    const all = new Promise<void>((resolve) => (open = resolve))
    const read = async (_: Cloud, name: string): Promise<string> => {
      arrived += 1
      if (arrived === 2) open()
      // Would never end if one were read after the other.
      await all
      return contents[name] ?? ''
    }
    const environment = { DATABASE_URL: 'ssm:db', IVH_APPKEY: 'ssm:token', IVH_ACCESS_TOKEN: 'ssm:token' }

    const config = await readConfig(environment, ['databaseUrl', 'accounts'], read)

    expect(config.accounts[0]?.api).toMatchObject({ appkey: 'hush-token', accessToken: 'hush-token' })
    expect(arrived).toBe(2)
  })

  it('is read where the settings say, with the credential that the environment has by then', async () => {
    const reader = openReader()
    const environment: Environment = {
      DATABASE_URL: 'ssm:db',
      TENCENT_API_URL: 'http://localhost:1',
      TENCENTCLOUD_REGION: 'ap-shanghai',
    }

    await readConfig(environment, ['databaseUrl'], reader.read)
    environment.TENCENTCLOUD_SECRETID = 'AKID'

    const [cloud] = reader.clouds
    expect(cloud).toMatchObject({ url: new URL('http://localhost:1'), region: 'ap-shanghai' })
    expect(cloud?.credential().secretId).toBe('AKID')
  })

  it('costs nothing where there is none', async () => {
    const reader = openReader()

    await readConfig(plain, ['databaseUrl', 'accounts', 'keyring', 'cloud'], reader.read)

    expect(reader.asked).toEqual([])
  })
})

describe('a secret that cannot be read', () => {
  it('is told with the names of its settings, all of them at once', async () => {
    const environment = {
      DATABASE_URL: 'ssm:locked',
      IVH_APPKEY: 'ssm:x',
      IVH_ACCESS_TOKEN: 'ssm:x',
      ROLLCALL_ACCOUNT: 'ssm:y',
      SECRET_KEY: 'ssm:key',
    }

    const { code, message } = await refusal(environment, ['databaseUrl', 'accounts', 'keyring'])

    expect(code).toBe('secret_unreadable')
    expect(message.split('; ')).toEqual([
      'DATABASE_URL (secret locked) could not be read: nobody knows its key',
      'ROLLCALL_ACCOUNT (secret y), IVH_APPKEY, IVH_ACCESS_TOKEN (secret x) could not be read: nobody knows it',
    ])
  })

  it('is told beside all other faults, as config_invalid', async () => {
    const environment = { DATABASE_URL: 'ssm:x', IVH_APPKEY: 'two words', IVH_ACCESS_TOKEN: 'ssm:token' }

    const { code, message } = await refusal(environment, ['databaseUrl', 'accounts'])

    expect(code).toBe('config_invalid')
    expect(message).toMatch(
      /^IVH_APPKEY is empty or has a space in it; DATABASE_URL \(secret x\) could not be read: nobody knows it$/,
    )
  })

  it('for want of a credential says so once for all of them, as config_invalid', async () => {
    const read = () => Promise.reject(new AppError('config_invalid', 'there is no credential'))

    const environment = { DATABASE_URL: 'ssm:db', IVH_APPKEY: 'ssm:appkey', IVH_ACCESS_TOKEN: 't' }
    const { code, message } = await refusal(environment, ['databaseUrl', 'accounts'], { ...openReader(), read })

    expect(code).toBe('config_invalid')
    expect(message).toBe(
      'DATABASE_URL (secret db), IVH_APPKEY (secret appkey) could not be read: there is no credential',
    )
  })

  it('by a fault of ours is not taken for one of the settings', async () => {
    const read = () => Promise.reject(new RangeError('a bug'))

    await expect(readConfig({ DATABASE_URL: 'ssm:db' }, ['databaseUrl'], read)).rejects.toThrow(RangeError)
  })
})

describe('what cannot name a secret', () => {
  it.each(['ssm:', 'ssm:hush hush', 'ssm:-hush', 'ssm:hüsh', `ssm:${'hush'.repeat(33)}`, 'SSM:hush', ' ssm:hush'])(
    '%j is refused before anything is asked, and not shown',
    async (setting) => {
      const reader = openReader()

      const { code, message } = await refusal({ DATABASE_URL: setting }, ['databaseUrl'], reader)

      expect(code).toBe('config_invalid')
      expect(message).toMatch(/^DATABASE_URL names no secret; expected `ssm:` and its name, of up to 128 letters/)
      expect(reader.asked).toEqual([])
    },
  )

  it('a name of 128 characters is one', async () => {
    const reader = openReader({ ['a'.repeat(128)]: 'info' })

    await readConfig({ LOG_LEVEL: `ssm:${'a'.repeat(128)}` }, ['logLevel'], reader.read)

    expect(reader.asked).toHaveLength(1)
  })

  it.each(['TENCENT_API_URL', 'TENCENTCLOUD_REGION'])('%s cannot: secrets are read with it', async (name) => {
    const reader = openReader()

    const { message } = await refusal({ DATABASE_URL: 'ssm:db', [name]: 'ssm:db' }, ['databaseUrl'], reader)

    expect(message).toBe(`${name} cannot be a secret`)
    expect(reader.asked).toEqual([])
  })

  it('a part of a setting cannot', async () => {
    const IVH_ACCOUNTS = '[{"name":"a","appkey":"k","accessToken":"ssm:token"}]'

    const { message } = await refusal({ IVH_ACCOUNTS }, ['accounts'])

    expect(message).toBe('IVH_ACCOUNTS[0][accessToken] names a secret, which only a whole setting can')
  })

  it('a secret cannot', async () => {
    const reader = openReader({ db: 'ssm:another' })

    const { code, message } = await refusal({ DATABASE_URL: 'ssm:db' }, ['databaseUrl'], reader)

    expect(code).toBe('config_invalid')
    expect(message).toMatch(/^DATABASE_URL names no secret/)
    expect(reader.asked).toEqual(['db'])
  })
})

describe('what a secret holds is checked like any other value, and never shown', () => {
  it.each<[string, keyof Config, string, RegExp]>([
    ['DATABASE_URL', 'databaseUrl', 'mysql://u:hush@h/d', /^DATABASE_URL is not a postgresql:\/\/ URL$/],
    ['IVH_APPKEY', 'accounts', 'hush\n', /^IVH_APPKEY is empty or has a space in it$/],
    ['IVH_ACCOUNTS', 'accounts', '[{"name":"hush hush"}]', /^IVH_ACCOUNTS\[0\]\[name\] is not a name of up to 64/],
    ['SECRET_KEY', 'keyring', 'hush', /^SECRET_KEY\[0\] is not 32 bytes as hex or Base64/],
    ['WEBHOOK_ALLOW', 'addressGuard', '10.0.0.0/8,hush', /^WEBHOOK_ALLOW holds something that is no address range/],
    ['WEBHOOK_FUNCTION', 'webhookFunction', 'hush hush', /^WEBHOOK_FUNCTION is not the name of an SCF function$/],
    ['LOG_LEVEL', 'logLevel', 'hush', /^LOG_LEVEL is none of/],
  ])('%s', async (name, part, content, expected) => {
    const { code, message } = await refusal({ ...plain, [name]: 'ssm:it' }, [part], openReader({ it: content }))

    expect(code).toBe('config_invalid')
    expect(message).toMatch(expected)
  })
})
