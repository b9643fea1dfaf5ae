// Who may call: the person who deploys, with a key pair that lasts, and the running role of each function instance, with a
// temporary key pair and a session token (Tencent 583/32748), allowed what a policy says and no more.
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { ApiError } from './api-error.ts'
import { authorization, signerOf } from './tc3.ts'

export interface Credential {
  secretId: string
  secretKey: string
  /** Of temporary ones only. */
  token?: string
}

export interface Known extends Credential {
  owner: 'person' | 'role'
  isExpired: boolean
}

/** Actions as CAM names them, for example `scf:InvokeFunction` or `ssm:*`. */
export type Policy = Record<Known['owner'], string[]>

export interface Credentials {
  known: Map<string, Known>
  policy: Policy
}

/** A new credential of the person, or of a running role. */
export function issue({ known }: Credentials, owner: Known['owner']): Known {
  const random = (bytes: number) => randomBytes(bytes).toString('hex')
  const credential: Known = {
    secretId: `AKID${random(16)}`,
    secretKey: random(16),
    ...(owner === 'role' && { token: random(64) }),
    owner,
    isExpired: false,
  }
  known.set(credential.secretId, credential)
  return credential
}

/** The caller whose signature the request bears. Throws AuthFailure.… as the API does (583/30771). */
export function authenticate(
  { known }: Credentials,
  headers: IncomingHttpHeaders,
  service: string,
  body: string,
): Known {
  const given = headers.authorization ?? ''
  const signer = signerOf(given)
  if (!signer || !/(^|;)content-type;host(;|$)/.test(signer.signedHeaders)) {
    throw new ApiError(
      'AuthFailure.InvalidAuthorization',
      'The Authorization header is not of the TC3-HMAC-SHA256 form.',
    )
  }
  if (!(Math.abs(Date.now() / 1_000 - Number(headers['x-tc-timestamp'])) <= 300)) {
    throw new ApiError(
      'AuthFailure.SignatureExpire',
      'The timestamp and server time cannot differ by more than five minutes.',
    )
  }
  const credential = known.get(signer.secretId)
  if (!credential)
    throw new ApiError('AuthFailure.SecretIdNotFound', 'The SecretId is not found, please ensure it is correct.')
  if (given !== authorization({ headers, body }, service, credential, signer.signedHeaders)) {
    const message = 'The provided credentials could not be validated. Please check your signature is correct.'
    throw new ApiError('AuthFailure.SignatureFailure', message)
  }
  if (headers['x-tc-token'] !== credential.token || credential.isExpired) {
    throw new ApiError('AuthFailure.TokenFailure', 'The session token is wrong or has expired.')
  }
  return credential
}

/** Throws UnauthorizedOperation unless the caller's policy allows it. */
export function authorize({ policy }: Credentials, { owner }: Known, service: string, action: string): void {
  // CAM names the action of both ways to invoke InvokeFunction.
  const operation = `${service}:${action === 'Invoke' ? 'InvokeFunction' : action}`
  const isAllowed = policy[owner].some((rule) => rule === '*' || rule === operation || rule === `${service}:*`)
  if (!isAllowed) {
    throw new ApiError('UnauthorizedOperation', `you are not authorized to perform operation (${operation})`)
  }
}
