import { type AddressGuard, ForbiddenAddress, guardedLookup, isAllowed, literalAddress } from './address.ts'
import { type Outcome, retryAfterMs } from './core/retry.ts'
import { type Agents, openAgents, RequestFault, send } from './http.ts'

/** What every POST to an endpoint goes through: the address guard, and connections opened under it. */
export interface Poster {
  guard: AddressGuard
  agents: Agents
}

/** Answers longer than this are not read further; their status counts. */
const MAX_ANSWER_BYTES = 16 * 1024

/** A poster whose connections go only where the guard lets them. */
export function openPoster(guard: AddressGuard): Poster {
  return { guard, agents: openAgents(guardedLookup(guard)) }
}

/**
 * One POST to an endpoint under the address guard, done after `deadlineMs` at the latest. Never throws: whatever it
 * meets is one outcome. Redirects are answers, not followed.
 */
export async function post(
  poster: Poster,
  endpoint: string,
  message: { headers: Record<string, string>; body: string },
  deadlineMs: number,
): Promise<Outcome> {
  try {
    const url = new URL(endpoint)
    const literal = literalAddress(url)
    if (literal !== undefined && !isAllowed(poster.guard, literal)) return { kind: 'forbidden_address' }
    const request = { method: 'POST', ...message, deadlineMs, maxBytes: MAX_ANSWER_BYTES } as const
    const { status, headers } = await send(poster.agents, url, request)
    return { kind: 'answered', status, retryAfterMs: retryAfterMs(headers['retry-after'], new Date()) }
  } catch (error) {
    return outcomeOf(error)
  }
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof RequestFault)) return { kind: 'broken_answer' }
  if (error.cause instanceof ForbiddenAddress) return { kind: 'forbidden_address' }
  switch (error.stage) {
    case 'dns':
      return { kind: 'dns_failed' }
    case 'connect':
      return { kind: 'connect_failed' }
    case 'tls':
      return { kind: 'tls_failed' }
    case 'timeout':
      return { kind: 'timeout' }
    case 'answer':
      return { kind: 'broken_answer' }
  }
}
