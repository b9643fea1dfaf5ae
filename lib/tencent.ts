import http from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { CommonClient } from 'tencentcloud-sdk-nodejs-common'
import { AppError, codeOf, describe } from './errors.ts'

/** Access to Tencent Cloud's API. The credential is asked for at each call: SCF's are temporary. */
export interface Cloud {
  url: URL
  region: string
  credential: () => { secretId: string | undefined; secretKey: string | undefined; token: string | undefined }
}

/**
 * Invokes the default alias of an SCF function asynchronously: done when SCF has taken the invocation, which it runs at
 * least once. Throws `invoke_failed`, and `config_invalid` without a credential.
 */
export async function invokeFunction(cloud: Cloud, name: string): Promise<void> {
  const client = openClient(cloud, 'scf', '2018-04-16')
  try {
    // Without a qualifier SCF runs $LATEST, which is half-updated during a deploy (Tencent 583/36149).
    const which = { FunctionName: name, Qualifier: '$DEFAULT' }
    await client.request('Invoke', { ...which, InvocationType: 'Event', ClientContext: '{}' })
  } catch (error) {
    const reason = [codeOf(error), describe(error)].filter(Boolean).join(': ')
    const message = `function ${name} was not invoked: ${reason}; its timer will deliver`
    throw new AppError('invoke_failed', message, { cause: error })
  }
}

const INVOKE_TIMEOUT_SECONDS = 5

function openClient({ url, region, credential }: Cloud, service: string, version: string): CommonClient {
  const { secretId, secretKey, token } = credential()
  if (!secretId || !secretKey) {
    const message =
      'there is no Tencent Cloud credential: give the function a running role, or set TENCENTCLOUD_SECRETID'
    throw new AppError('config_invalid', `${message} and TENCENTCLOUD_SECRETKEY`)
  }
  const { Agent } = url.protocol === 'https:' ? https : http
  return new CommonClient(`${service}.${url.host}`, version, {
    // Given as a function, since the SDK's own lookup of the environment reads other names than SCF sets.
    credential: { getCredential: () => Promise.resolve({ secretId, secretKey, ...(token && { token }) }) },
    region,
    profile: {
      httpProfile: {
        protocol: `${url.protocol}//`,
        reqTimeout: INVOKE_TIMEOUT_SECONDS,
        // Without an agent of ours the SDK would obey http_proxy, even for loopback.
        agent: new Agent(url.hostname === 'localhost' ? { lookup: loopback } : {}),
      },
    },
  })
}

/** Names under localhost are loopback (RFC 6761, 6.3), which not every resolver knows. */
const loopback: LookupFunction = (_, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}
