// The guarded POST of design section 5: whatever it meets is one outcome. It must never connect to an address that the
// guard does not let through, nor outlast its deadline.
import { type AddressGuard, isAllowed, literalAddress } from './address.ts'
import { type Outcome, retryAfterMs } from './core/retry.ts'
import { codeOf } from './errors.ts'
import { type Agents, openAgents, RequestFault, send } from './http.ts'
import { ForbiddenAddress, guardedLookup } from './resolve.ts'

/** What every POST to an endpoint goes through: the address guard, and connections opened under it. */
export interface Poster {
  guard: AddressGuard
  agents: Agents
  /** The URLs of endpoints, by their text, that may be connected to as far as their text says. */
  allowed: Map<string, URL>
}

/** What a POST sends. */
export interface Message {
  headers: Record<string, string>
  body: string
}

/** Answers longer than this are not read further; their status counts. */
const MAX_ANSWER_BYTES = 16 * 1024

/** A poster whose connections go only where the guard lets them. `dnsServers` as `address:port`, instead of the system's. */
export function openPoster(guard: AddressGuard, dnsServers?: readonly string[]): Poster {
  return { guard, agents: openAgents(guardedLookup(guard, dnsServers)), allowed: new Map() }
}

/**
 * One POST to an endpoint under the address guard, done after `deadlineMs` at the latest. Never throws: whatever it
 * meets is one outcome. Redirects are answers, not followed.
 */
export async function post(poster: Poster, endpoint: string, message: Message, deadlineMs: number): Promise<Outcome> {
  return (await postAndRead(poster, endpoint, message, deadlineMs)).outcome
}

/** As `post`, with the first 16 KiB of the answer's body as they came, never decoded; empty when there is no answer. */
export async function postAndRead(
  poster: Poster,
  endpoint: string,
  message: Message,
  deadlineMs: number,
): Promise<{ outcome: Outcome; body: Buffer }> {
  try {
    const url = allowedUrl(poster, endpoint)
    if (!url) return { outcome: { kind: 'forbidden_address' }, body: NOTHING }
    const request = { method: 'POST', ...message, deadlineMs, maxBytes: MAX_ANSWER_BYTES } as const
    const { status, headers, body } = await send(poster.agents, url, request)
    const asked = retryAfterMs(headers['retry-after'], new Date())
    return { outcome: { kind: 'answered', status, retryAfterMs: asked }, body }
  } catch (error) {
    return { outcome: outcomeOf(error), body: NOTHING }
  }
}

const NOTHING = Buffer.alloc(0)
const MOST_ALLOWED = 1_000

/** Undefined for one that its text forbids already. Throws TypeError for what is no URL. */
function allowedUrl({ guard, allowed }: Poster, endpoint: string): URL | undefined {
  const known = allowed.get(endpoint)
  if (known) return known
  const url = new URL(endpoint)
  const literal = literalAddress(url)
  if (literal !== undefined && !isAllowed(guard, literal)) return undefined
  // Node would send a user name and password as a header.
  if (url.username || url.password) return undefined
  if (allowed.size >= MOST_ALLOWED) allowed.clear()
  allowed.set(endpoint, url)
  return url
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof RequestFault)) return { kind: 'broken_answer' }
  if (error.cause instanceof ForbiddenAddress) return { kind: 'forbidden_address' }
  if (isLocalFault(error.cause)) return { kind: 'local_fault' }
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

/** No more files, memory or buffers for this process or machine. */
const NO_RESOURCES = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAI_MEMORY']
/**
 * No way out of this machine: no DNS server, no route, no free port. EHOSTUNREACH, EPERM and EACCES are not among them:
 * they are about one host, and an endpoint whose host is switched off, or behind our firewall, would never count as failing.
 */
const NO_NETWORK = ['EAI_AGAIN', 'ENETDOWN', 'ENETUNREACH', 'EADDRNOTAVAIL']

/** Whether this machine failed, not the endpoint. When Node tried several addresses, all of them must have failed here. */
function isLocalFault(cause: unknown): boolean {
  const tried: unknown[] = cause instanceof AggregateError ? cause.errors : [cause]
  const codes = tried.filter((error) => !isWithoutIpv6(error)).map(codeOf)
  return codes.length > 0 && codes.every((code) => NO_RESOURCES.includes(code) || NO_NETWORK.includes(code))
}

/** Most machines have no IPv6. That lasts: it is for the endpoint to have an IPv4 address, too. */
function isWithoutIpv6(error: unknown): boolean {
  const address: unknown = error instanceof Error ? Reflect.get(error, 'address') : undefined
  return typeof address === 'string' && address.includes(':') && NO_NETWORK.includes(codeOf(error))
}
