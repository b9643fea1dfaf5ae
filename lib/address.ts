// Which addresses an endpoint may have. A webhook URL comes from outside: it must never make Rollcall talk to its own
// network or to a cloud's metadata service.
import { BlockList, isIP } from 'node:net'
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
/** The metadata services of clouds: in most of them link-local, and hosts of Alibaba Cloud, Azure and Oracle Cloud. */
const METADATA_IPV4 = ['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32']
/** What an IPv4 address is written behind: compatible, mapped, translated (RFC 2765) and NAT64. */
const IPV4_INSIDE = ['::', '::ffff:', '::ffff:0:', '64:ff9b::']
/** No allow-list opens these. Teredo masks the IPv4 address inside; where it is in a local NAT64 is its operator's choice. */
const NEVER = () => [
  ...METADATA_IPV4.flatMap(inAnyNotation),
  '2001::/32',
  '64:ff9b:1::/48',
  'fe80::/10',
  // AWS, Oracle Cloud, Scaleway and Google Cloud.
  'fd00:ec2::/32',
  'fd00:c1::a9fe:a9fe/128',
  'fd00:42::42/128',
  'fd20:ce::254/128',
]

/** An IPv4 range, and every IPv6 range that leads to it. */
function inAnyNotation(cidr: string): string[] {
  const [address = '', prefix] = cidr.split('/')
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const sixToFour = `2002:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}::/${16 + Number(prefix)}`
  return [cidr, sixToFour, ...IPV4_INSIDE.map((before) => `${before}${address}/${96 + Number(prefix)}`)]
}

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

interface Closed {
  never: BlockList
  privateIpv4: BlockList
  globalIpv6: BlockList
  specialIpv6: BlockList
}

let closed: Closed | undefined

/** Made when first asked for: they were a fifth of what it takes to load a function (6 of 31 ms, Node 20), and a tick asks for none. */
function closedRanges(): Closed {
  return (closed ??= {
    never: blockList(NEVER()),
    privateIpv4: blockList(PRIVATE_IPV4),
    globalIpv6: blockList([GLOBAL_IPV6]),
    specialIpv6: blockList(SPECIAL_IPV6),
  })
}

/** Whether a literal address may be connected to. */
export function isAllowed(guard: AddressGuard, address: string): boolean {
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  const { never, privateIpv4, globalIpv6, specialIpv6 } = closedRanges()
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

/** What `localhost` and every name under it are, whatever DNS says of them (RFC 6761, 6.3). */
export const LOOPBACK = ['127.0.0.1', '::1']

/** Whether a URL's host is a name of this machine's loopback. */
export function isLocalName(hostname: string): boolean {
  return /(^|\.)localhost\.?$/i.test(hostname)
}

/** `input_invalid`, for a URL that may not become an endpoint; `why` holds no address. */
export function refusedEndpoint(why: string): AppError {
  return new AppError('input_invalid', `this URL cannot be an endpoint: ${why}`)
}

/**
 * The URL of an endpoint, checked as far as its text tells; its name's addresses are checked by `checkEndpoint` and at each
 * connect. Throws `input_invalid`.
 */
export function endpointUrl(guard: AddressGuard, text: string): string {
  const url = parseUrl(text)
  // An empty label, as in 127.0.0.1.. or localhost.., makes a name of what others may read as an address.
  if (!url || /(^|\.)\./.test(url.hostname)) throw refusedEndpoint('it is no URL; expected https://host/path')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refusedEndpoint('it is neither https:// nor http://')
  if (url.username || url.password) throw refusedEndpoint('it has a user name or password in it')
  const literal = literalAddress(url)
  const isClosedName = isLocalName(url.hostname) && !LOOPBACK.some((address) => isAllowed(guard, address))
  if (isClosedName || (literal !== undefined && !isAllowed(guard, literal))) {
    throw refusedEndpoint(
      'its address is private or reserved; WEBHOOK_ALLOW can open a private range, such as 10.1.0.0/16',
    )
  }
  url.hash = ''
  return url.href
}
