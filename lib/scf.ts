// What SCF hands to a function, read at the rim. Source: Tencent 583/9210 (context), 583/9708 (timer) and
// 583/32748 (environment).
import * as v from 'valibot'
import type { Environment } from './config.ts'
import type { Cloud } from './tencent.ts'

const contextSchema = v.fallback(v.object({ time_limit_in_ms: v.pipe(v.number(), v.minValue(1_000)) }), {
  time_limit_in_ms: 60_000,
})

/** How long this invocation may take, from its entry: SCF has no call that tells the time left. */
export function timeLimitMs(context: unknown): number {
  return v.parse(contextSchema, context).time_limit_in_ms
}

const namedSchema = v.fallback(v.object({ function_name: v.pipe(v.string(), v.minLength(1)) }), { function_name: '' })

/** What the function that runs is called; empty where nobody says so. */
export function ownName(context: unknown): string {
  return v.parse(namedSchema, context).function_name
}

const timerSchema = v.object({ Type: v.pipe(v.string(), v.toLowerCase(), v.literal('timer')) })

/** Whether a timer invoked the function, and not somebody who has something to do for it. */
export function isTimer(event: unknown): boolean {
  return v.safeParse(timerSchema, event).success
}

/**
 * Tencent Cloud's API with the credential that the environment has at each call: the temporary one of the running role, as
 * SCF injects it, else a person's, by the names that Tencent's own tools read.
 */
export function cloudOf(config: { url: URL; region: string }, env: Environment): Cloud {
  const ofRole = () => ({
    secretId: env.TENCENTCLOUD_SECRETID,
    secretKey: env.TENCENTCLOUD_SECRETKEY,
    token: env.TENCENTCLOUD_SESSIONTOKEN,
  })
  const ofPerson = () => ({
    secretId: env.TENCENTCLOUD_SECRET_ID,
    secretKey: env.TENCENTCLOUD_SECRET_KEY,
    token: env.TENCENTCLOUD_TOKEN,
  })
  // One or the other as a whole: a token belongs to its key.
  return { ...config, credential: () => (env.TENCENTCLOUD_SECRETID ? ofRole() : ofPerson()) }
}
