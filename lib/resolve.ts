// From an endpoint's name to the addresses that a socket may connect to. Names are resolved by Node's own resolver, not by
// getaddrinfo, which blocks one of few threads for as long as a name's servers hang. No answer is used before it is checked.
import { promises as dns, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import {
  type AddressGuard,
  endpointUrl,
  isAllowed,
  isLocalName,
  literalAddress,
  LOOPBACK,
  refusedEndpoint,
} from './address.ts'
import { codeOf } from './errors.ts'

/** Over UDP or TCP, one server that never answers is given up after 3 s, three of them after 9 s: within a POST's 15 s. */
const PATIENCE = { timeout: 1_000, tries: 2 }
/** Of each family; a name with thousands of addresses must not make one POST knock at all of them. */
const MOST_ADDRESSES = 4
/** For the system's own resolver: a POST is over then. */
const LONGEST_WAIT_MS = 15_000
/** DNS knows no such name, or there is no DNS server: the hosts file or a search domain may know it. A timeout tells nothing. */
const ASK_SYSTEM = ['ENOTFOUND', 'ENODATA', 'ECONNREFUSED']

/** A name has an answer that is not allowed. The answers stay out of it. */
export class ForbiddenAddress extends Error {
  override name = 'ForbiddenAddress'
}

/**
 * What a socket resolves its name with: it connects to what was checked here, and every new socket asks again.
 * `dnsServers` as `address:port`, instead of the system's.
 */
export function guardedLookup(guard: AddressGuard, dnsServers?: readonly string[]): LookupFunction {
  return (hostname, options, callback) => {
    resolved(guard, hostname, dnsServers, (error, answers) => {
      const [first] = answers ?? []
      if (error || !first) callback(error, '', 0)
      // Node 20 asks for all of them, Node 18 for one.
      else if (options.all) callback(null, answers)
      else callback(null, first.address, first.family)
    })
  }
}

/**
 * The URL to keep for an endpoint: one whose text and whose name's present addresses are allowed. A name that does not
 * resolve at present is taken, since it may not exist yet. Throws `input_invalid`, never with an address in it.
 */
export async function checkEndpoint(
  guard: AddressGuard,
  text: string,
  dnsServers?: readonly string[],
): Promise<string> {
  const kept = endpointUrl(guard, text)
  const url = new URL(kept)
  if (literalAddress(url) !== undefined) return kept
  try {
    await allowedAddresses(guard, url.hostname, dnsServers)
  } catch (error) {
    if (error instanceof ForbiddenAddress) {
      throw refusedEndpoint(
        'its name resolves to a private or reserved address; WEBHOOK_ALLOW can open a private range, such as 10.1.0.0/16',
      )
    }
  }
  return kept
}

/** IPv4 first, for Node 18 tries the first only. Throws `ForbiddenAddress`, or Node's error of a name without an answer. */
async function allowedAddresses(
  guard: AddressGuard,
  name: string,
  dnsServers: readonly string[] | undefined,
): Promise<LookupAddress[]> {
  const isOpen = ({ address }: LookupAddress) => isAllowed(guard, address)
  // Nobody outside says what these are: the one that is allowed may be used although the other is not.
  const answers = isLocalName(name) ? loopback.filter(isOpen) : await resolve(name, dnsServers)
  const ofFamily = (family: number) => answers.filter((one) => one.family === family).slice(0, MOST_ADDRESSES)
  if (answers.length === 0 || !answers.every(isOpen)) {
    throw new ForbiddenAddress('the name resolves to an address that is not allowed')
  }
  return [...ofFamily(4), ...ofFamily(6)]
}

const resolved = callbackify(allowedAddresses)

const loopback = LOOPBACK.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

async function resolve(name: string, dnsServers: readonly string[] | undefined): Promise<LookupAddress[]> {
  // A new one each time, for 40 µs: it knows the servers of now, and nothing of what other names' servers did.
  const resolver = new dns.Resolver(PATIENCE)
  if (dnsServers) resolver.setServers(dnsServers)
  const queries = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const answers = queries.flatMap((query, index) =>
    query.status === 'fulfilled' ? query.value.map((address) => ({ address, family: index === 0 ? 4 : 6 })) : [],
  )
  // A server that does not answer for one family is broken; what the other one has is checked and will do.
  if (answers.length > 0) return answers
  const errors = queries.flatMap((query) => (query.status === 'rejected' ? [query.reason as Error] : []))
  const failed = errors.find((error) => !ASK_SYSTEM.includes(codeOf(error)))
  if (failed) throw failed
  return askSystem(name).catch((error: unknown) => {
    // What DNS said of the name stands: the name's own servers must not pass for our trouble by failing the second time.
    throw errors.find((one) => codeOf(one) !== 'ECONNREFUSED') ?? new NoNameServer('no DNS server', { cause: error })
  })
}

/** There was no DNS server to ask, or no file left to ask it with; the system would say it so, if not of every name. */
class NoNameServer extends Error {
  code = 'EAI_AGAIN'
  syscall = 'getaddrinfo'
}

let systemAsked: Promise<unknown> = Promise.resolve()

/** Asks getaddrinfo, one name at a time: servers that deny a name and then hang take one thread, not all. */
function askSystem(name: string): Promise<LookupAddress[]> {
  const since = performance.now()
  const answer = systemAsked.then(() => {
    // Nobody waits for it any more, and the line must not get longer than names come.
    if (performance.now() - since > LONGEST_WAIT_MS) throw new Error('other names keep the system resolver busy')
    return dns.lookup(name, { all: true })
  })
  systemAsked = answer.catch(() => undefined)
  return answer
}
