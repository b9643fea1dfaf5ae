import type { Range } from './chance.ts'

/** Every guess about the real API, and every way in which it may misbehave for a while. Shares are 0 to 1. */
export interface Settings {
  /** From create to ready (or failed). */
  preparingSeconds: Range
  /** Creations whose model is cached: ready at once. */
  cachedShare: number
  /** Creations that end in status 4, with one of `failureCodes`. */
  failedShare: number
  failureCodes: number[]
  /** Ready sessions whose stream breaks (-111002) within `brokenAfterSeconds` of being ready, unless they end first. */
  brokenShare: number
  brokenAfterSeconds: Range
  /** Without a start or a heartbeat for this long, a session is closed; what statsession then says of it. */
  idleCloseSeconds: number
  idleErrorCode: number
  idleErrorMessage: string
  /** Live sessions of the account; a creation above it meets 100008. */
  capacity: number
  /** A creation closes the live session of the same UserId (110022). */
  displaceSameUser: boolean
  /** How long statsession knows an ended session; then 110018. */
  retentionSeconds: number
  /** statsession answers -101000. */
  statUnavailable: boolean
  /** How long the lists still show a session with status 2 or 4. */
  lingerSeconds: number
  /** What an empty list looks like. */
  emptyAs: '[]' | 'null' | 'missing'
  /** Fields of a listed session: the international page's or the newer mainland page's. */
  fields: 6 | 11
  driverTypeAs: 'number' | 'string'
  /** Lists come in another order each time; otherwise in the order of creation. */
  shuffle: boolean
  /** Sessions that the lists show with status 5, always the same ones. */
  unknownStatusShare: number
  /** Sessions that a list shows twice. */
  duplicateShare: number
  /** Sessions that a list leaves out although they live. */
  droppedShare: number
  /** Lists that are empty although sessions live. */
  emptyListShare: number
  /** Raw items, however odd, added to every list. */
  extraItems: unknown[]
  /** A comma after each last member, as in the documentation's samples. */
  trailingCommas: boolean
  /** Failures carry a Payload (with the ReqId) beside the Header. */
  payloadOnFailure: boolean
  /** HTTP status of an answer to a bad signature, stale timestamp or unknown appkey. */
  unauthorizedStatus: number
}

/** A well-behaved API: creations prepare for 5 to 40 s, nothing fails, lists are short-form and complete. */
export const defaults: Settings = {
  preparingSeconds: [5, 40],
  cachedShare: 0,
  failedShare: 0,
  failureCodes: [-111003, -101001, -111004],
  brokenShare: 0,
  brokenAfterSeconds: [5, 300],
  idleCloseSeconds: 600,
  idleErrorCode: 0,
  idleErrorMessage: 'SessionTimeout: 会话超时关闭',
  capacity: 1000,
  displaceSameUser: true,
  retentionSeconds: 3600,
  statUnavailable: false,
  lingerSeconds: 0,
  emptyAs: '[]',
  fields: 6,
  driverTypeAs: 'number',
  shuffle: false,
  unknownStatusShare: 0,
  duplicateShare: 0,
  droppedShare: 0,
  emptyListShare: 0,
  extraItems: [],
  trailingCommas: false,
  payloadOnFailure: true,
  unauthorizedStatus: 200,
}

interface Rule {
  holds(value: unknown): boolean
  expected: string
}

const isAmount = (value: unknown): value is number => Number.isFinite(value) && (value as number) >= 0
const oneOf = (...values: unknown[]): Rule => ({
  holds: (value) => values.includes(value),
  expected: `one of ${JSON.stringify(values)}`,
})
const flag: Rule = oneOf(true, false)
const whole: Rule = { holds: Number.isSafeInteger, expected: 'a whole number' }
const amount: Rule = { holds: isAmount, expected: 'a number, 0 or more' }
const share: Rule = { holds: (value) => isAmount(value) && value <= 1, expected: 'a number from 0 to 1' }
const text: Rule = { holds: (value) => typeof value === 'string', expected: 'a string' }
const range: Rule = {
  holds: (value) => Array.isArray(value) && value.length === 2 && value.every(isAmount) && value[0]! <= value[1]!,
  expected: 'two numbers of seconds, [lowest, highest]',
}

const rules: Record<keyof Settings, Rule> = {
  preparingSeconds: range,
  cachedShare: share,
  failedShare: share,
  failureCodes: {
    holds: (value) => Array.isArray(value) && value.length > 0 && value.every(Number.isSafeInteger),
    expected: 'a list of at least one whole number',
  },
  brokenShare: share,
  brokenAfterSeconds: range,
  idleCloseSeconds: amount,
  idleErrorCode: whole,
  idleErrorMessage: text,
  capacity: amount,
  displaceSameUser: flag,
  retentionSeconds: amount,
  statUnavailable: flag,
  lingerSeconds: amount,
  emptyAs: oneOf('[]', 'null', 'missing'),
  fields: oneOf(6, 11),
  driverTypeAs: oneOf('number', 'string'),
  shuffle: flag,
  unknownStatusShare: share,
  duplicateShare: share,
  droppedShare: share,
  emptyListShare: share,
  extraItems: { holds: Array.isArray, expected: 'a list' },
  trailingCommas: flag,
  payloadOnFailure: flag,
  unauthorizedStatus: { holds: (value) => isAmount(value) && value >= 200 && value <= 599, expected: 'an HTTP status' },
}

/** The settings a patch names, checked; throws an Error that names the first unknown key or wrong value. */
export function parseSettings(patch: unknown): Partial<Settings> {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) {
    throw new Error('settings: expected an object such as {"failedShare": 0.1}')
  }
  for (const [key, value] of Object.entries(patch)) {
    const rule = Object.hasOwn(rules, key) ? rules[key as keyof Settings] : undefined
    if (rule === undefined) throw new Error(`${key}: not a setting; known are ${Object.keys(rules).join(', ')}`)
    if (!rule.holds(value)) throw new Error(`${key}: expected ${rule.expected}, got ${JSON.stringify(value)}`)
  }
  return patch
}
