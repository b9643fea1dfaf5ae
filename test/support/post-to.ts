import { addressGuard } from '../../lib/address.ts'
import type { Outcome } from '../../lib/core/retry.ts'
import { type Message, openPoster, postAndRead } from '../../lib/post.ts'

/** How much later than the deadline an outcome may come on a busy machine. */
export const SLACK_MS = 1_500
/** Where no answer comes: the outcome is a timeout. */
export const DEADLINE_MS = 400
/** Where one comes: nothing but a fault takes so long. */
const AMPLE_MS = 5_000
export const MESSAGE: Message = { headers: { 'content-type': 'application/json' }, body: '{"greeting":"你好"}' }

/** The answer of a receiver that is content. */
export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

export const answered = (status: number, retryAfterMs: number | null = null): Outcome => ({
  kind: 'answered',
  status,
  retryAfterMs,
})

/** A poster that reaches loopback, in both families. */
export const loopback = () => openPoster(addressGuard(['127.0.0.0/8', '::1/128']))

/** The outcome and the body, or a failure when there is none long after the deadline. */
export async function postAndReadFrom(url: string, poster = loopback(), deadlineMs = AMPLE_MS, message = MESSAGE) {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`no outcome ${SLACK_MS} ms after the deadline`))
    timer = setTimeout(fail, deadlineMs + SLACK_MS)
  })
  try {
    return await Promise.race([postAndRead(poster, url, message, deadlineMs), late])
  } finally {
    clearTimeout(timer)
  }
}

/** The outcome, in time. */
export async function postTo(url: string, poster = loopback(), deadlineMs = AMPLE_MS): Promise<Outcome> {
  return (await postAndReadFrom(url, poster, deadlineMs)).outcome
}
