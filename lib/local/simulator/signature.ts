import { createHmac } from 'node:crypto'

/** The signature before percent-encoding: HMAC-SHA256 in Base64 over the sorted `k=v&k=v` (Tencent documents 1240/107197, 1211/53). */
export function signatureOf(parameters: Iterable<[string, string]>, accessToken: string): string {
  const text = [...parameters]
    .filter(([name]) => name !== 'signature')
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  return createHmac('sha256', accessToken).update(text).digest('base64')
}

/**
 * Whether a raw query string carries the right appkey, a timestamp (unix seconds) within 5 minutes of `nowMs`, and the
 * signature over all its other parameters. As on the real gateway, a `+` that was not percent-encoded reads as a space.
 */
export function isSigned(query: string, keys: { appkey: string; accessToken: string }, nowMs: number): boolean {
  // URLSearchParams decodes forms: `+` is a space.
  const parameters = new URLSearchParams(query)
  const timestamp = parameters.get('timestamp') ?? ''
  return (
    parameters.get('appkey') === keys.appkey &&
    /^\d{1,11}$/.test(timestamp) &&
    Math.abs(nowMs / 1000 - Number(timestamp)) <= 300 &&
    parameters.get('signature') === signatureOf(parameters, keys.accessToken)
  )
}
