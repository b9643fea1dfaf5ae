// Ticks of more accounts than one instance can take: whoever the timer invokes takes the first share of the accounts, and
// invokes its own function for each other one. A share may be done twice, late or not at all: a tick that is repeated changes
// nothing, and the next timer begins anew.
import pMap from 'p-map'
import * as v from 'valibot'
import { AppError, describe } from './errors.ts'
import { type Cloud, invokeFunction } from './tencent.ts'

/** Which of how many equal parts of the accounts; the first is 0. */
export interface Share {
  index: number
  of: number
}

/** A share that nobody was invoked for, and why. */
export interface Uninvoked extends Share {
  reason: string
}

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least))
const shareSchema = v.pipe(
  v.object({ index: count(0), of: count(1) }),
  v.check(({ index, of }) => index < of),
)
const eventSchema = v.fallback(v.looseObject({ share: v.optional(v.unknown()) }), {})

/** The share that an event asks for, `{"share":{"index":1,"of":4}}`; undefined where it asks for none. Throws `input_invalid`. */
export function shareIn(event: unknown): Share | undefined {
  const { share } = v.parse(eventSchema, event)
  if (share === undefined) return undefined
  const parsed = v.safeParse(shareSchema, share)
  if (parsed.success) return parsed.output
  throw new AppError(
    'input_invalid',
    'the event asks for no share: expected {"share":{"index":1,"of":4}}, from index 0',
  )
}

/** Each account is in exactly one share of the same list. */
export function accountsOf<Account>(accounts: readonly Account[], { index, of }: Share): Account[] {
  return accounts.filter((_, position) => position % of === index)
}

const INVOCATIONS_AT_ONCE = 16

/** Invokes the function for every share but the first; gives those that it could not be invoked for. Never throws. */
export async function invokeOthers(cloud: Cloud, functionName: string, of: number): Promise<Uninvoked[]> {
  const others = Array.from({ length: of - 1 }, (_, before) => ({ index: before + 1, of }))
  const invoke = (share: Share) =>
    invokeFunction(cloud, functionName, { share }).then(
      () => [],
      (error: unknown) => [{ ...share, reason: describe(error) }],
    )
  return (await pMap(others, invoke, { concurrency: INVOCATIONS_AT_ONCE })).flat()
}
