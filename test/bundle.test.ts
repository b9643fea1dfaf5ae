// What SCF loads: the built bundles of functions/, and what build.mjs puts in place of packages in them. The doubles are the
// simulator, Tencent Cloud's API (test/support/tencent-api.ts) and a proxy that must not be asked.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import nativeJson from '../lib/in-place-of/json-bigint.ts'
import { createSession } from '../lib/local/simulator/simulator.ts'
import { invokeBundle } from './support/bundle.ts'
import { holding, respond, role, serveTencent } from './support/tencent-api.ts'
import { openWorld } from './support/world.ts'

const DIST = join(import.meta.dirname, '../dist/functions')
const names = readdirSync(join(import.meta.dirname, '../functions')).map((file) => file.replace(/\.ts$/, ''))
const file = (name: string) => join(DIST, `${name}.js`)

describe.each(names)('the bundle of %s', (name) => {
  it('has 350,000 bytes at most, the console with its page 600,000: its cold start reads and compiles them all', () => {
    expect(statSync(file(name)).size).toBeLessThanOrEqual(name === 'console' ? 600_000 : 350_000)
  })

  it('brings all it needs but what Node has, and natives of pg that are optional', () => {
    const required = [...readFileSync(file(name), 'utf8').matchAll(/\brequire\("([^"]+)"\)/g)].map(
      (match) => match[1] ?? '',
    )

    const others = required.filter((one) => !isBuiltin(one))
    expect(others.filter((one) => !['pg-native', 'pg-cloudflare', 'encoding'].includes(one))).toEqual([])
  })

  it("does not load the client of Tencent's API before there is something to ask: querystring, which nothing else here needs", async () => {
    const code = `
      const Module = require('node:module')
      const load = Module._load
      Module._load = function (name) { console.log(name); return load.apply(this, arguments) }
      require(process.argv[1])
      process.exit(0)`

    const { stdout } = await promisify(execFile)(process.execPath, ['-e', code, file(name)])

    expect(stdout.split('\n')).not.toContain('querystring')
  })
})

it('only who migrates has the part of kysely that makes tables', () => {
  const parts = names.map((name) => [name, /left out by lib.deploy.bundle/.test(readFileSync(file(name), 'utf8'))])

  expect(Object.fromEntries(parts)).toEqual({
    console: true,
    migrate: false,
    reconcile: true,
    status: false,
    webhook: true,
  })
})

it('the bundles know every function', () => {
  expect(names).toEqual(expect.arrayContaining(['console', 'migrate', 'reconcile', 'webhook']))
  expect(readFileSync(file('reconcile'), 'utf8')).toContain('require("querystring")')
})

describe('in place of packages of the SDK', () => {
  it('no proxy agent is needed: secrets are read and functions invoked directly, whatever proxy the environment names', async () => {
    const world = await openWorld()
    const { simulator, env, account } = await world.simulate('default', { cachedShare: 1 })
    await world.subscribe()
    createSession(simulator, { userId: 'abc', projectId: 'p' })
    const secrets = holding({ token: account.api.accessToken })
    const tencent = await serveTencent((response, call) =>
      call.headers['x-tc-action'] === 'Invoke' ? respond(response, {}) : secrets(response, call),
    )
    const proxy = await serveTencent()
    const proxies = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy'].map((name) => [
      name,
      proxy.url,
    ])

    const { result, log } = await invokeBundle('reconcile', {
      ...env,
      ...role,
      ...(Object.fromEntries(proxies) as Record<string, string>),
      IVH_ACCESS_TOKEN: 'ssm:token',
      WEBHOOK_FUNCTION: 'rollcall-webhook',
      TENCENT_API_URL: tencent.url,
    })
    tencent.close()
    proxy.close()
    await world.close()

    expect(result).toMatchObject({ accounts: [{ outcome: 'committed' }] })
    expect(log).toContain('"invoked":"rollcall-webhook"')
    expect(tencent.calls.map(({ headers }) => headers['x-tc-action'])).toEqual(['GetSecretValue', 'Invoke'])
    expect(proxy.calls).toEqual([])
    for (const { headers } of tencent.calls) {
      expect(headers['x-tc-traceid']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    }
  })

  it('Node writes the JSON: a big integer, which no request has, is refused and not rounded', () => {
    expect(nativeJson().stringify({ Name: 'a', Nested: [1, null] })).toBe('{"Name":"a","Nested":[1,null]}')
    expect(() => nativeJson().stringify({ Big: 2n ** 60n })).toThrow(/BigInt/)
  })
})
