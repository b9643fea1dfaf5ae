// Any endpoint URL, from a grammar of hostile forms. What is asked of the operating system is looked at where Node asks it,
// in the binding that connects sockets, so that nothing between a URL's text and an address is left out; nothing is sent.
// A real DNS server answers each name from a list, another one each time. Doubles at the network's rim: that binding, and the
// system's own resolver, which knows no name.
import type * as Dns from 'node:dns'
import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { addressGuard, endpointUrl } from '../../lib/address.ts'
import { AppError } from '../../lib/errors.ts'
import { openPoster, post } from '../../lib/post.ts'
import { type NameServer, openNameServer } from '../support/name-server.ts'
import { runs } from './effort.ts'
import { answersOf, urls } from './odd-urls.ts'

vi.mock('node:dns', async (original) => {
  const dns = await original<typeof Dns>()
  const missing = Object.assign(new Error('no such name'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })
  return { ...dns, promises: { ...dns.promises, lookup: () => Promise.reject(missing) } }
})

/** Every address a socket was told to connect to. */
const connected: string[] = []
const REFUSED = -111
interface TcpPrototype {
  connect: (request: unknown, address: string) => number
  connect6: (request: unknown, address: string) => number
}
const binding = (Reflect.get(process, 'binding') as (name: string) => { TCP: { prototype: TcpPrototype } }).call(
  process,
  'tcp_wrap',
)
const real = {
  ...binding.TCP.prototype,
  connect: binding.TCP.prototype.connect,
  connect6: binding.TCP.prototype.connect6,
}
let dns: NameServer
beforeAll(async () => {
  dns = await openNameServer(({ name, count }) => {
    const answers = answersOf.get(name.toLowerCase())
    return answers?.[Math.min(count, answers.length) - 1] ?? 'no such name'
  })
  const refuse = (_: unknown, address: string) => (connected.push(address), REFUSED)
  Object.assign(binding.TCP.prototype, { connect: refuse, connect6: refuse })
})
afterAll(() => {
  Object.assign(binding.TCP.prototype, { connect: real.connect, connect6: real.connect6 })
  return dns.close()
})

/** Not globally reachable, after the IANA registries of special-purpose addresses; multicast; and clouds' hosts. */
const FORBIDDEN = `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
  192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32
  ::/128 ::1/128 ::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 2002::/16
  3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8`
const OPENED = ['10.1.0.0/16', 'fd12::/16']
const METADATA = `169.254.0.0/16 100.100.100.200/32 168.63.129.16/32 fe80::/10 fd00:ec2::/32
  ::a9fe:0/112 64:ff9b::a9fe:0/112 2002:a9fe::/32 64:ff9b:1::/48 2001::/32`

const forbidden = listOf(FORBIDDEN.split(/\s+/))
const metadata = listOf(METADATA.split(/\s+/))

function listOf(ranges: string[]): { has(address: string): boolean } {
  const lists = { 4: new BlockList(), 6: new BlockList() }
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address) as 4 | 6
    lists[family].addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    has: (address) => {
      const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/
        .exec(address)
        ?.slice(1)
        .map((group) => parseInt(group, 16))
      const [high = 0, low = 0] = mapped ?? []
      if (mapped && lists[4].check([high >> 8, high & 255, low >> 8, low & 255].join('.'))) return true
      return isIP(address) === 4 ? lists[4].check(address) : lists[6].check(address, 'ipv6')
    },
  }
}

const guards = fc.constantFrom([], OPENED, ['0.0.0.0/0', '::/0'])
const message = { headers: { 'content-type': 'application/json' }, body: '{}' }

/** What it is kept as, or undefined when it is refused in the way it may be. */
function added(guard: ReturnType<typeof addressGuard>, text: string): string | undefined {
  try {
    return endpointUrl(guard, text)
  } catch (error) {
    const isClear =
      error instanceof AppError && error.code === 'input_invalid' && /^[^\r\n]{20,200}$/.test(error.message)
    if (isClear) return undefined
    throw error
  }
}

test('whatever URL is taken or posted to as it is, no socket is told to connect to where it must not', async () => {
  const tally = { kept: 0, connected: 0, forbidden: 0 }
  await fc.assert(
    fc.asyncProperty(urls, guards, async (text, ranges) => {
      const guard = addressGuard(ranges)
      const kept = added(guard, text)
      if (kept !== undefined) tally.kept += 1
      connected.splice(0)

      // The text as it is, too: what is stored may be older than the rules.
      for (const url of [kept, kept, text]) {
        if (url === undefined) continue
        const outcome = await post(openPoster(guard, [dns.address]), url, message, 20_000)
        expect(outcome.kind).toMatch(/^(connect_failed|dns_failed|forbidden_address|broken_answer)$/)
        if (outcome.kind === 'forbidden_address') tally.forbidden += 1
      }

      tally.connected += connected.length
      const opened = listOf(ranges)
      const wrong = connected.filter(
        (address) => metadata.has(address) || (forbidden.has(address) && !opened.has(address)),
      )
      expect(wrong).toEqual([])
    }),
    runs(1_500),
  )

  expect(tally).toSatisfy(({ kept, connected, forbidden }) => kept > 0 && connected > 0 && forbidden > 0)
  console.log(JSON.stringify(tally))
})
