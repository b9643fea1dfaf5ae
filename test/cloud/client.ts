// Asks a cloud as its users do: through Tencent's own SDK, whose signatures the cloud verifies.
import http from 'node:http'
import type { LookupFunction } from 'node:net'
import { CommonClient } from 'tencentcloud-sdk-nodejs-common'
import { zipSync } from 'fflate'
import type { Cloud } from './cloud.ts'

const VERSIONS = { scf: '2018-04-16', ssm: '2019-09-23', cls: '2020-10-16' }

const loopback: LookupFunction = (_, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

export interface Caller {
  service?: keyof typeof VERSIONS
  version?: string
  region?: string
  credential?: { secretId: string; secretKey: string; token?: string }
}

/** The answer of an action; throws the SDK's error, whose `code` is the API's. */
export async function ask<Answer = Record<string, unknown>>(
  cloud: Cloud,
  action: string,
  parameters: object,
  { service = 'scf', version = VERSIONS[service], region = 'ap-guangzhou', credential = cloud.person }: Caller = {},
): Promise<Answer> {
  const client = new CommonClient(new URL(cloud.url).host.replace('localhost', `${service}.localhost`), version, {
    credential,
    region,
    profile: { httpProfile: { protocol: 'http://', reqTimeout: 30, agent: new http.Agent({ lookup: loopback }) } },
  })
  return (await client.request(action, parameters)) as Answer
}

/** A zip of these files, as an action takes it. */
export function zip(files: Record<string, string>): string {
  const contents = Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const)
  return Buffer.from(zipSync(Object.fromEntries(contents))).toString('base64')
}
