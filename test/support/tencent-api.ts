// Stands where Tencent Cloud's API is, on a real socket at http://*.localhost:PORT. It checks signatures by the published
// algorithm (TC3-HMAC-SHA256, document 213/30654), written here anew from node:crypto.
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The only credential that the API knows, by the names under which SCF gives a function that of its running role. */
export const role = {
  TENCENTCLOUD_SECRETID: 'AKIDtestsecretid',
  TENCENTCLOUD_SECRETKEY: 'hush-the-secret-key',
  TENCENTCLOUD_SESSIONTOKEN: 'hush-the-session-token',
}

/** One request as the API saw it. */
export interface Call {
  /** Method and path. */
  url: string
  headers: IncomingHttpHeaders
  body: string
}

export type Answer = (response: ServerResponse, call: Call) => void

/** The API, all its services, with what it was asked in the order of arrival. */
export interface TencentApi {
  /** For `TENCENT_API_URL`. */
  url: string
  calls: Call[]
  close(): void
}

const success: Answer = (response) => respond(response, {})

/** Serves the API, which answers as told. */
export async function serveTencent(answer: Answer = success): Promise<TencentApi> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const call = { url: `${request.method} ${request.url}`, headers: request.headers, body }
      calls.push(call)
      answer(response, call)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    calls,
    close: () => (server.close(), server.closeAllConnections()),
  }
}

/** A success of the API with these fields. */
export function respond(response: ServerResponse, fields: object): void {
  response.end(JSON.stringify({ Response: { ...fields, RequestId: 'r-1' } }))
}

/** An error of the API, which comes with status 200. */
export function refuse(response: ServerResponse, code: string, message = 'words of the API'): void {
  respond(response, { Error: { Code: code, Message: message } })
}

/** Answers as a Secrets Manager that holds these by name, and that checks who asks; `secrets` may change meanwhile. */
export function holding(secrets: Record<string, string>): Answer {
  return (response, call) => {
    const isRight = call.headers.authorization === authorization(call, role.TENCENTCLOUD_SECRETKEY)
    if (!isRight) return refuse(response, 'AuthFailure.SignatureFailure')
    const { SecretName, VersionId } = JSON.parse(call.body) as { SecretName: string; VersionId: string }
    const content = secrets[SecretName]
    if (content === undefined || VersionId !== 'SSM_Current') return refuse(response, 'ResourceNotFound')
    respond(response, { SecretName, VersionId, SecretBinary: '', SecretString: content })
  }
}

/** The names of the secrets that an API was asked for, in the order of arrival. */
export const secretsAsked = ({ calls }: TencentApi): string[] =>
  calls
    .filter(({ headers }) => headers['x-tc-action'] === 'GetSecretValue')
    .map(({ body }) => (JSON.parse(body) as { SecretName: string }).SecretName)

/** The header `authorization` that a request must have. */
export function authorization({ headers, body }: Call, secretKey: string): string {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const timestamp = String(headers['x-tc-timestamp'])
  const date = new Date(Number(timestamp) * 1_000).toISOString().slice(0, 10)
  // The SDK signs the host without its port; the real API has none.
  const host = headers.host?.split(':')[0] ?? ''
  const service = host.split('.')[0] ?? ''
  const request = `POST\n/\n\ncontent-type:${headers['content-type']}\nhost:${host}\n\ncontent-type;host\n${hash(body)}`
  const text = `TC3-HMAC-SHA256\n${timestamp}\n${date}/${service}/tc3_request\n${hash(request)}`
  const key = hmac(hmac(hmac(`TC3${secretKey}`, date), service), 'tc3_request')
  const signature = createHmac('sha256', key).update(text).digest('hex')
  const scope = `Credential=${role.TENCENTCLOUD_SECRETID}/${date}/${service}/tc3_request`
  return `TC3-HMAC-SHA256 ${scope}, SignedHeaders=content-type;host, Signature=${signature}`
}
