import { createHmac } from 'node:crypto'

/**
 * The signature of a query: all its parameters but `signature`, sorted by name, as `k=v&k=v`; HMAC-SHA256 with the
 * access token, in Base64, not yet percent-encoded. Neither path nor body is signed. Source: Tencent 1240/107197.
 */
export function signature(parameters: Record<string, string>, accessToken: string): string {
  const names = Object.keys(parameters).sort()
  const text = names.map((name) => `${name}=${parameters[name]}`).join('&')
  return createHmac('sha256', accessToken).update(text).digest('base64')
}

/** The signed query string for one call at `time`; the server accepts it within 5 minutes of its own clock. */
export function signedQuery(appkey: string, accessToken: string, time: Date): string {
  const parameters = { appkey, timestamp: String(Math.floor(time.getTime() / 1000)) }
  // Left unencoded, the `+` that about half of all digests contain would arrive as a space.
  return new URLSearchParams({ ...parameters, signature: signature(parameters, accessToken) }).toString()
}
