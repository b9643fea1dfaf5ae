// TC3-HMAC-SHA256, the signature of every request to Tencent Cloud's API (Tencent 213/30654), from node:crypto alone and
// not from the SDK, whose signatures it judges.
import { createHash, createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface Signable {
  headers: IncomingHttpHeaders
  body: string
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** The Authorization header that a POST to / must have when this key signs it, at its own X-TC-Timestamp. */
export function authorization(
  { headers, body }: Signable,
  service: string,
  { secretId, secretKey }: { secretId: string; secretKey: string },
  signedHeaders = 'content-type;host',
): string {
  const timestamp = String(headers['x-tc-timestamp'])
  const date = dateOf(timestamp)
  const canonical = signedHeaders
    .split(';')
    // The SDK signs the host without its port; the real API has none.
    .map((name) => `${name}:${name === 'host' ? headers.host?.split(':')[0] : String(headers[name]).trim()}\n`)
  const request = `POST\n/\n\n${canonical.join('')}\n${signedHeaders}\n${hash(body)}`
  const text = `TC3-HMAC-SHA256\n${timestamp}\n${date}/${service}/tc3_request\n${hash(request)}`
  const key = hmac(hmac(hmac(`TC3${secretKey}`, date), service), 'tc3_request')
  const signature = createHmac('sha256', key).update(text).digest('hex')
  const scope = `Credential=${secretId}/${date}/${service}/tc3_request`
  return `TC3-HMAC-SHA256 ${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
}

/** Who says to have signed, and which headers; null when the header is not of TC3's form. */
export function signerOf(header: string): { secretId: string; signedHeaders: string } | null {
  const form =
    /^TC3-HMAC-SHA256 Credential=([^/]+)\/[\d-]+\/[a-z0-9]+\/tc3_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=\w+$/
  const [, secretId, signedHeaders] = form.exec(header) ?? []
  return secretId && signedHeaders ? { secretId, signedHeaders } : null
}

function dateOf(timestamp: string): string {
  const time = new Date(Number(timestamp) * 1_000)
  return Number.isNaN(time.getTime()) ? '' : time.toISOString().slice(0, 10)
}
