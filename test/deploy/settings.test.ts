import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { environmentOf, readSettings, settingsFaults } from '../../lib/deploy/settings.ts'
import { readService, type Service } from '../../lib/deploy/service.ts'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'rollcall-settings-'))))
afterEach(() => rmSync(folder, { recursive: true }))

function service(provider: object = { role: 'runs' }, more: object = {}): Service {
  const functions = {
    reconcile: {
      handler: 'functions/reconcile.main_handler',
      environment: { WEBHOOK_FUNCTION: 'rollcall-prod-webhook' },
      settings: ['DATABASE_URL', 'IVH_APPKEY'],
      ...more,
    },
    webhook: { handler: 'functions/webhook.main_handler', settings: ['DATABASE_URL', 'SECRET_KEY'] },
  }
  const given = { stage: 'prod', region: 'ap-guangzhou', settingsFile: '.env.prod', ...provider }
  return readService({ service: 'rollcall', provider: given, functions })
}

describe('the file of a stage', () => {
  it('has comments, quotes and empty values, which count as unset', () => {
    const path = join(folder, '.env.prod')
    writeFileSync(path, '# who\nIVH_APPKEY="a b"\nSECRET_KEY=\nLOG_LEVEL = debug\nexport X=1\n')

    expect(readSettings(path)).toEqual({ IVH_APPKEY: 'a b', LOG_LEVEL: 'debug', X: '1' })
  })

  it('is asked for when it is missing, with what to copy', () => {
    expect(() => readSettings(join(folder, '.env.prod'))).toThrow(/there is no .*\.env\.prod: copy \.env\.example/)
  })
})

describe('a function', () => {
  it('gets only what it lists, and what it is given', () => {
    const [reconcile, webhook] = service().functions
    const settings = { DATABASE_URL: 'd', SECRET_KEY: 's', IVH_APPKEY: 'k' }

    expect(environmentOf(reconcile!, settings)).toEqual({
      DATABASE_URL: 'd',
      IVH_APPKEY: 'k',
      WEBHOOK_FUNCTION: 'rollcall-prod-webhook',
    })
    expect(environmentOf(webhook!, settings)).toEqual({ DATABASE_URL: 'd', SECRET_KEY: 's' })
  })
})

describe('settings are refused', () => {
  const secret = 'hush-hush'

  it.each<[string, Service, Record<string, string>, RegExp]>([
    ['of an unknown name', service(), { IVH_APKEY: secret }, /IVH_APKEY is no setting of any function/],
    [
      'of a reserved name',
      service(),
      { TENCENTCLOUD_SECRETID: secret },
      /TENCENTCLOUD_SECRETID begins with a prefix that SCF reserves/,
    ],
    [
      'too large together',
      service(),
      { SECRET_KEY: secret.repeat(500), DATABASE_URL: 'postgresql://u@db.example.com/x' },
      /functions\.webhook would get 4553 bytes of environment of at most 4096: keep the largest, SECRET_KEY,.*SECRET_KEY=ssm:NAME/,
    ],
    [
      'that name a secret without a role',
      service({}),
      { DATABASE_URL: 'ssm:database' },
      /functions\.webhook has no role.* DATABASE_URL/,
    ],
    ['whose invocation needs a role', service({}), {}, /functions\.reconcile has no role.* WEBHOOK_FUNCTION/],
    [
      'with a private database outside its VPC',
      service(),
      { DATABASE_URL: `postgresql://u:${secret}@172.20.1.5:5432/x` },
      /functions\.reconcile is in no VPC, and DATABASE_URL is at 172\.20\.1\.5/,
    ],
    [
      'fixed in the file under a reserved name',
      service({ role: 'r' }, { environment: { SCF_X: secret } }),
      {},
      /environment\.SCF_X begins/,
    ],
  ])('%s', (_, declared, settings, expected) => {
    const faults = settingsFaults(declared, settings).join('; ')

    expect(faults).toMatch(expected)
    expect(faults).not.toContain(secret)
  })

  it('and are not when they are well', () => {
    const inVpc = service({ role: 'runs', vpc: { vpcId: 'vpc-1', subnetId: 'subnet-1' } })

    expect(settingsFaults(inVpc, { DATABASE_URL: 'postgresql://u:p@10.0.0.5/x', IVH_APPKEY: 'k' })).toEqual([])
  })
})

describe('a line that could be read in two ways is refused by its number, without what it has', () => {
  it.each([
    ['a value that is cut at a #', 'IVH_ACCESS_TOKEN=hush#def'],
    ['text after a quote', 'X="hush"def'],
    ['a quote that does not end', 'X="hush'],
    ['no name', 'postgresql://u:hush@h/d?sslmode=require'],
    ['a bare word', 'hush'],
    ['a colon', 'NAME: hush'],
    ['two lines in one', 'A=hush\rB=2'],
    ['a name that comes again', 'A=1\nA=hush'],
  ])('%s', (_, text) => {
    const path = join(folder, '.env.prod')
    writeFileSync(path, `# first\n${text}\n`)

    const fault = (() => {
      try {
        return readSettings(path)
      } catch (error) {
        return String(error)
      }
    })()

    expect(fault).toMatch(/line [23] (is not NAME=VALUE|has A again)/)
    expect(fault).not.toContain('hush')
  })

  it.each([
    ["A='x#y'", 'x#y'],
    ['A="x # y" # why', 'x # y'],
    ['A=x # why', 'x'],
    ['export A=x', 'x'],
    ['\uFEFFA=x\r\n', 'x'],
    ['A=postgresql://u:p%23@h/d?a=b', 'postgresql://u:p%23@h/d?a=b'],
  ])('%j is not', (text, value) => {
    const path = join(folder, '.env.prod')
    writeFileSync(path, text)

    expect(readSettings(path)).toEqual({ A: value })
  })
})
