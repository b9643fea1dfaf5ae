import http from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommonClient } from 'tencentcloud-sdk-nodejs-common'
import * as v from 'valibot'
import { AppError, codeOf, describe } from './errors.ts'

/** Access to Tencent Cloud's API. The credential is asked for at each call: SCF's are temporary. */
export interface Cloud {
  url: URL
  region: string
  credential: () => { secretId: string | undefined; secretKey: string | undefined; token: string | undefined }
}

/** The alias every function has from its creation on, where triggers and invocations arrive (Tencent 583/36149). */
export const LIVE = '$DEFAULT'
/** The version that can be changed, and is half-updated during a deployment. */
export const LATEST = '$LATEST'

/**
 * Invokes the default alias of an SCF function asynchronously: done when SCF has taken the invocation, which it runs at
 * least once. Throws `invoke_failed`, and `config_invalid` without a credential.
 */
export async function invokeFunction(cloud: Cloud, name: string, event: object = {}): Promise<void> {
  const client = await openClient(cloud, 'scf', '2018-04-16', INVOKE_TIMEOUT_SECONDS)
  try {
    // Without a qualifier SCF runs $LATEST.
    const which = { FunctionName: name, Qualifier: LIVE }
    await client.request('Invoke', { ...which, InvocationType: 'Event', ClientContext: JSON.stringify(event) })
  } catch (error) {
    const reason = [codeOf(error), describe(error)].filter(Boolean).join(': ')
    const message = `function ${name} was not invoked: ${reason}; its timer makes up for it`
    throw new AppError('invoke_failed', message, { cause: error })
  }
}

/** One call of a service's API → its answer. Throws what the SDK throws: an error whose `code` is the API's, or Node's. */
export async function callApi<Answer>(
  cloud: Cloud,
  service: { name: string; version: string },
  action: string,
  params: object,
  timeoutSeconds = CALL_TIMEOUT_SECONDS,
): Promise<Answer> {
  const client = await openClient(cloud, service.name, service.version, timeoutSeconds)
  return (await client.request(action, params)) as Answer
}

const INVOKE_TIMEOUT_SECONDS = 5
const CALL_TIMEOUT_SECONDS = 30

/** Whoever reads a secret waits for it at a cold start. */
const READ_WITHIN_MS = 5_000
const READ_TIMEOUT_SECONDS = 2
const READ_TRIES = 4
const FIRST_WAIT_MS = 200

/**
 * The text in the current version of a secret of the Secrets Manager, within some seconds for all tries together. Throws
 * `secret_unreadable`, and `config_invalid` without a credential: the message is the reason and what to do, and holds nothing
 * that the answer says.
 */
export async function readSecret(cloud: Cloud, name: string): Promise<string> {
  const client = await openClient(cloud, 'ssm', '2019-09-23', READ_TIMEOUT_SECONDS)
  const end = performance.now() + READ_WITHIN_MS
  const signal = AbortSignal.timeout(READ_WITHIN_MS)
  for (let tries = 1; ; tries += 1) {
    try {
      const which = { SecretName: name, VersionId: CURRENT_VERSION }
      return contentOf(await client.request('GetSecretValue', which, { signal }))
    } catch (error) {
      const { reason, mayPass } = failureOf(error, cloud)
      const waitMs = FIRST_WAIT_MS * 2 ** (tries - 1) * (0.5 + Math.random())
      if (!mayPass || tries === READ_TRIES || performance.now() + waitMs > end) {
        // Without the cause: an answer that cannot be parsed is quoted in its error.
        throw new AppError('secret_unreadable', reason)
      }
      await sleep(waitMs)
    }
  }
}

/** As the version in use of a rotated secret is called, and that of any secret made without a version (Tencent 1105/40529). */
const CURRENT_VERSION = 'SSM_Current'

class NoSecret extends Error {}

const valueSchema = v.object({ SecretString: v.nullish(v.string(), ''), SecretBinary: v.nullish(v.string(), '') })

/** Only one of the two is filled; what was stored as bytes comes as Base64 (Tencent 1140/40522). */
function contentOf(answer: unknown): string {
  const value = v.safeParse(valueSchema, answer)
  if (!value.success) throw new NoSecret(NOT_ITS_PROTOCOL)
  const { SecretString, SecretBinary } = value.output
  const content = SecretString || decode(SecretBinary)
  if (!content.trim()) throw new NoSecret('it is empty')
  return content
}

function decode(base64: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'))
  } catch {
    throw new NoSecret('it is no text in UTF-8')
  }
}

const NOT_ITS_PROTOCOL = 'the answer is not that of the API; check TENCENT_API_URL'

/** What to do about an error of the API, by the beginning of its code. */
const CURES: [RegExp, (region: string) => string][] = [
  [
    /^ResourceNotFound/,
    (region) => `check the name, and that it is in ${region} and has a version named ${CURRENT_VERSION}`,
  ],
  [/^(AuthFailure\.)?UnauthorizedOperation/, () => 'give the running role `ssm:GetSecretValue` on it'],
  [/^AuthFailure/, () => 'check the credential, and that the clock here is right to 5 minutes'],
  [/^ResourceUnavailable\.NotPurchased/, () => 'activate the Secrets Manager'],
  [/^ResourceUnavailable/, () => 'it is disabled or about to be deleted: enable or restore it'],
]

/** Why a call failed, and whether the same call may succeed a moment later. */
function failureOf(error: unknown, { region }: Cloud): { reason: string; mayPass: boolean } {
  if (error instanceof NoSecret) return { reason: error.message, mayPass: false }
  const { message, httpCode, type } = error as Error & { httpCode?: number; type?: string }
  // What has a type is of node-fetch, and its code Node's.
  if (type === undefined && codeOf(error)) {
    const code = codeOf(error)
    const cure = CURES.find(([codes]) => codes.test(code))?.[1](region)
    return { reason: cure ? `${code}: ${cure}` : code, mayPass: /^(RequestLimitExceeded|InternalError)/.test(code) }
  }
  if (httpCode !== undefined) return { reason: `HTTP ${httpCode}`, mayPass: httpCode === 429 || httpCode >= 500 }
  const isLate = /^(network timeout|Response timeout|The user aborted) /.test(message)
  // These quote nothing of an answer.
  if (!isLate && !/^(request to|Invalid response body) /.test(message)) {
    return { reason: NOT_ITS_PROTOCOL, mayPass: false }
  }
  const what = isLate ? 'no answer in time' : message
  return { reason: `${what}; check TENCENT_API_URL, and that this network has a way there`, mayPass: true }
}

async function openClient(
  { url, region, credential }: Cloud,
  service: string,
  version: string,
  timeoutSeconds: number,
): Promise<CommonClient> {
  const { secretId, secretKey, token } = credential()
  if (!secretId || !secretKey) {
    const message = 'there is no Tencent Cloud credential: give the function a running role, or, at a shell, set'
    throw new AppError('config_invalid', `${message} TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY`)
  }
  // A header that cannot be sent is quoted in the error.
  if (![secretId, secretKey, token ?? ''].every((text) => /^[\x21-\x7e]*$/.test(text))) {
    throw new AppError('config_invalid', 'the Tencent Cloud credential has a space or a line break in it')
  }
  // Only now: most cold starts have nothing to invoke and no secret to read.
  const { CommonClient } = await import('tencentcloud-sdk-nodejs-common')
  const { Agent } = url.protocol === 'https:' ? https : http
  return new CommonClient(`${service}.${url.host}`, version, {
    // Given as a function, since the SDK's own lookup of the environment reads other names than SCF sets.
    credential: { getCredential: () => Promise.resolve({ secretId, secretKey, ...(token && { token }) }) },
    region,
    profile: {
      httpProfile: {
        protocol: `${url.protocol}//`,
        reqTimeout: timeoutSeconds,
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
