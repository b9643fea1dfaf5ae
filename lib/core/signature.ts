import { createHmac } from 'node:crypto'

/** What a symmetric secret starts with; Base64 of 24 to 64 bytes follows. */
export const SECRET_PREFIX = 'whsec_'

/**
 * The headers that sign one message, after the Standard Webhooks specification: one `v1` signature for each secret, so
 * that a subscriber can verify with the old or the new one while it rotates. `time` is when this try is sent.
 */
export function sign(id: string, time: Date, body: string, secrets: readonly string[]): Record<string, string> {
  const timestamp = String(Math.floor(time.getTime() / 1000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
