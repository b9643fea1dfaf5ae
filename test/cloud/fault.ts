// What can go wrong with a request on purpose: a refusal, a broken answer, none at all, before or after it took effect; and
// the death of the whole connection between two requests, as when a deployment is interrupted.

export interface Fault {
  /** Of the API, or `*`. */
  action: string
  kind: 'error' | 'http500' | 'html' | 'hangup' | 'delay' | 'badState'
  /** `after`: it took effect, but the caller learns nothing of it. badState is always after. */
  when?: 'before' | 'after'
  /** How many requests it hits; 1 by default. */
  times?: number
  code?: string
  message?: string
  /** Of a delay. */
  ms?: number
}

export interface Faults {
  faults: { fault: Fault; left: number }[]
  /** The changes that still work; undefined: all. */
  changesLeft: number | undefined
  isLastAnswerLost: boolean
}

/** The fault that hits a request, which is thereby used up once. */
export function takeFault({ faults }: Faults, action: string): Fault | undefined {
  const found = faults.find(({ fault, left }) => left > 0 && (fault.action === '*' || fault.action === action))
  if (found) found.left -= 1
  return found?.fault
}

/** Whether the action changes something, an invocation included. */
export function isChange(action: string): boolean {
  return !/^(Get|List|Search)/.test(action)
}
