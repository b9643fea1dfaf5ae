// Which addresses an endpoint may have. A webhook URL comes from outside: it must never make Rollcall talk to its own
// network or to a cloud's metadata service.
import { lookup as resolve } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { AppError } from './errors.ts'

/** Special-purpose IPv4 blocks of the IANA registry, and 168.63.129.16, Azure's host. */
const PRIVATE_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** Global unicast is 2000::/3; inside it, Teredo and other special blocks, documentation, and 6to4. */
const GLOBAL_IPV6 = '2000::/3'
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20']
/** No allow-list opens these: the metadata services of clouds, which are link-local in most, also by NAT64 and 6to4. */
const NEVER = [
  '169.254.0.0/16',
  '64:ff9b::a9fe:0/112',
  '2002:a9fe::/32',
  '100.100.100.200/32',
  '64:ff9b::6464:64c8/128',
  '2002:6464:64c8::/48',
  '168.63.129.16/32',
  '64:ff9b::a83f:8110/128',
  '2002:a83f:8110::/48',
  '192.0.0.192/32',
  '64:ff9b::c000:c0/128',
  '2002:c000:c0::/48',
  'fe80::/10',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
]

/** The ranges an operator opened although they are private. */
export interface AddressGuard {
  allowed: BlockList
}

/** A guard that also lets through the given CIDR ranges. Throws a plain Error naming the first that is none. */
export function addressGuard(allowedCidrs: readonly string[]): AddressGuard {
  return { allowed: blockList(allowedCidrs) }
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [, address = '', prefix = ''] = /^([^/%]+)\/(\d{1,3})$/.exec(cidr) ?? []
    const family = isIP(address)
    if (!family || Number(prefix) > (family === 4 ? 32 : 128)) {
      throw new Error(`${cidr} is not an address range such as 10.0.0.0/8 or fd00::/8`)
    }
    list.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

const privateIpv4 = blockList(PRIVATE_IPV4)
const globalIpv6 = blockList([GLOBAL_IPV6])
const specialIpv6 = blockList(SPECIAL_IPV6)
const never = blockList(NEVER)

/** Whether a literal address may be connected to. */
export function isAllowed(guard: AddressGuard, address: string): boolean {
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  // A zone names a link of this machine.
  if (!isIP(address) || address.includes('%') || never.check(address, family)) return false
  if (guard.allowed.check(address, family)) return true
  if (family === 'ipv4') return !privateIpv4.check(address, 'ipv4')
  return globalIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6')
}

/** The URL in a text, or undefined when it is none; `URL.canParse` is newer than SCF's Node. */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/** The literal address in a URL's host, without brackets; undefined for a name. */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) ? host : undefined
}

/** Raised by the lookup below; the name's answers stay out of it. */
export class ForbiddenAddress extends Error {
  override name = 'ForbiddenAddress'
}

/** A resolver that refuses a name when any of its answers is not allowed. What it answers is what gets connected to. */
export function guardedLookup(guard: AddressGuard): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, answers) => {
      if (error) return callback(error, '', 0)
      const [first] = answers
      if (!first || !answers.every(({ address }) => isAllowed(guard, address))) {
        return callback(new ForbiddenAddress('the name resolves to an address that is not allowed'), '', 0)
      }
      if (options.all) callback(null, answers)
      else callback(null, first.address, first.family)
    })
  }
}

/**
 * The URL of an endpoint, checked as far as its text tells; its name's addresses are checked at each connect. Throws
 * `input_invalid`.
 */
export function endpointUrl(guard: AddressGuard, text: string): string {
  const refuse = (why: string) => new AppError('input_invalid', `this URL cannot be an endpoint: ${why}`)
  const url = parseUrl(text)
  if (!url) throw refuse('it is no URL; expected https://host/path')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('it is neither https:// nor http://')
  if (url.username || url.password) throw refuse('it has a user name or password in it')
  const literal = literalAddress(url)
  const isLocalName = /(^|\.)localhost\.?$/.test(url.hostname) && !isAllowed(guard, '127.0.0.1')
  if (isLocalName || (literal !== undefined && !isAllowed(guard, literal))) {
    throw refuse('its address is private or reserved; WEBHOOK_ALLOW can open a private range, such as 10.1.0.0/16')
  }
  url.hash = ''
  return url.href
}
