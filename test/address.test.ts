import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressGuard, endpointUrl, isAllowed, literalAddress } from '../lib/address.ts'
import { AppError } from '../lib/errors.ts'
import { METADATA_URLS, NO_URLS, PRIVATE_URLS, URLS_WITH_A_USER } from './support/hostile-urls.ts'

const closed = addressGuard([])
const wideOpen = addressGuard(['0.0.0.0/0', '::/0'])

const words = (text: string) => text.trim().split(/\s+/)

const REFUSED = {
  'this host': ['0.0.0.0', '0.1.2.3', '::'],
  private: ['10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.255.255', 'fd00::1'],
  'carrier NAT': ['100.64.0.1', '100.127.255.255'],
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fe80::1%eth0'],
  'site-local': ['fec0::1'],
  documentation: ['192.0.2.1', '198.51.100.7', '203.0.113.255', '2001:db8::1', '3fff::1'],
  benchmarks: ['198.18.0.1', '198.19.255.255', '2001:2::1'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
  reserved: [
    '240.0.0.1',
    '255.255.255.255',
    '192.0.0.8',
    '192.88.99.1',
    '100::1',
    '100:0:0:1::1',
    '5f00::1',
    '4000::1',
  ],
  mapped: ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '::7f00:1'],
  NAT64: ['64:ff9b::7f00:1', '64:ff9b::808:808', '64:ff9b:1::a00:1'],
  '6to4': ['2002:7f00:1::', '2002:808:808::1'],
  Teredo: ['2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
  metadata: ['169.254.169.254', '169.254.0.23', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'],
  'no address at all': ['', 'localhost', '8.8.8', '8.8.8.8 ', '0x08080808', '08.8.8.8', '[2606:4700::1]', '1.1.1.1/32'],
}

describe('isAllowed', () => {
  it.each(Object.entries(REFUSED))('refuses %s', (_, addresses) => {
    const passed = addresses.filter((address) => isAllowed(closed, address))

    expect(passed).toEqual([])
  })

  it('lets public addresses through, those beside a private block too', () => {
    const addresses = words(`
      1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
      169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.167.255.255
      192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 2606:4700:4700::1111 2400:cb00::1 2001:200::1
      2a00:1450::1 2003::1 3ffe::1
    `)

    const refused = addresses.filter((address) => !isAllowed(closed, address))

    expect(refused).toEqual([])
  })

  it('opens the ranges of the allow-list, their first and last address, and nothing beside them', () => {
    const guard = addressGuard(['10.1.0.0/16', '127.0.0.1/32', 'fd12:3456::/32', '::1/128'])

    const opened = ['10.1.0.0', '10.1.255.255', '127.0.0.1', 'fd12:3456::', 'fd12:3456:ffff::1', '::1', '8.8.8.8']
    const still = ['10.0.255.255', '10.2.0.0', '127.0.0.2', 'fd12:3455::1', 'fd12:3457::', '::2', '192.168.0.1']

    expect(opened.filter((address) => !isAllowed(guard, address))).toEqual([])
    expect(still.filter((address) => isAllowed(guard, address))).toEqual([])
  })

  it('never opens a metadata service, whatever the allow-list says and however its address is wrapped', () => {
    const metadata = words(`
      169.254.169.254 169.254.0.23 100.100.100.200 168.63.129.16 192.0.0.192 fe80::a9fe:a9fe fd00:ec2::254
      fd20:ce::254 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:100.100.100.200 ::ffff:168.63.129.16
      64:ff9b::169.254.169.254 64:ff9b::6464:64c8 2002:a9fe:a9fe:: 2002:6464:64c8::1
    `)

    const opened = metadata.filter((address) => isAllowed(wideOpen, address))

    expect(opened).toEqual([])
    expect(isAllowed(wideOpen, '10.0.0.1') && isAllowed(wideOpen, 'fd00::1')).toBe(true)
  })

  it('reads any IPv4 range as arithmetic on 32 bits does', () => {
    const bits = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const dotted = (n: number) => [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join('.')

    fc.assert(
      fc.property(bits, bits, fc.integer({ min: 0, max: 32 }), fc.boolean(), (network, other, prefix, near) => {
        const size = 2 ** (32 - prefix)
        const address = near ? Math.floor(network / size) * size + (other % size) : other
        const inside = Math.floor(address / size) === Math.floor(network / size)
        const guard = addressGuard([`${dotted(network)}/${prefix}`])
        const never = /^(169\.254\.|100\.100\.100\.200$|168\.63\.129\.16$|192\.0\.0\.192$)/.test(dotted(address))

        expect(isAllowed(guard, dotted(address))).toBe(!never && (inside || isAllowed(closed, dotted(address))))
      }),
      { numRuns: 2_000 },
    )
  })

  it('reads any unique-local IPv6 range as arithmetic on 128 bits does', () => {
    const rest = fc.bigInt({ min: 0n, max: 2n ** 120n - 1n })
    const text = (n: bigint) =>
      Array.from({ length: 8 }, (_, group) => ((n >> BigInt(112 - 16 * group)) & 0xffffn).toString(16)).join(':')

    fc.assert(
      fc.property(rest, rest, fc.integer({ min: 8, max: 128 }), fc.boolean(), (a, b, prefix, near) => {
        const network = (0xfcn << 120n) + a
        const size = 2n ** BigInt(128 - prefix)
        const address = near ? (network / size) * size + (b % size) : (0xfcn << 120n) + b
        const guard = addressGuard([`${text(network)}/${prefix}`])

        expect(isAllowed(guard, text(address))).toBe(address / size === network / size)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('endpointUrl', () => {
  it.each([
    ['https://example.com/hook?x=1#part', 'https://example.com/hook?x=1'],
    ['HTTPS://EXAMPLE.com:443', 'https://example.com/'],
    ['http://8.8.8.8:8080/a b', 'http://8.8.8.8:8080/a%20b'],
    ['https://[2606:4700:4700::1111]/', 'https://[2606:4700:4700::1111]/'],
    ['https://例え.jp/通知', 'https://xn--r8jz45g.jp/%E9%80%9A%E7%9F%A5'],
    ['https://notlocalhost/', 'https://notlocalhost/'],
    ['https://localhost.example.com/', 'https://localhost.example.com/'],
  ])('%s is kept as %s', (text, kept) => {
    expect(endpointUrl(closed, text)).toBe(kept)
  })

  it.each<[string, RegExp]>([
    ['', /it is no URL; expected https:\/\/host\/path/],
    [' ', /it is no URL/],
    ['example.com/hook', /it is no URL/],
    ['//example.com/hook', /it is no URL/],
    ['https://', /it is no URL/],
    ['https://exa mple.com', /it is no URL/],
    ['https://example.com:65536', /it is no URL/],
    ['https://[::1', /it is no URL/],
    ['http://1.2.3.256/', /it is no URL/],
    ['ftp://example.com/', /neither https:\/\/ nor http:\/\//],
    ['file:///etc/passwd', /neither/],
    ['javascript:alert(1)', /neither/],
    ['data:text/plain,x', /neither/],
    ['unix:/var/run/docker.sock', /neither/],
    ['https://user@example.com/', /user name or password/],
    ['https://:hush@example.com/', /user name or password/],
    ['https://example.com@127.0.0.1/', /user name or password/],
  ])('%s is refused as input_invalid: %s', (text, expected) => {
    const refuse = () => endpointUrl(closed, text)

    expect(refuse).toThrow(AppError)
    expect(refuse).toThrow(expect.objectContaining({ code: 'input_invalid', message: expect.stringMatching(expected) }))
    expect(refuse).not.toThrow(/hush/)
  })

  it.each(PRIVATE_URLS)('%s is private, in whatever form it is written', (text) => {
    expect(() => endpointUrl(closed, text)).toThrow(
      /its address is private or reserved; WEBHOOK_ALLOW can open a private range/,
    )
  })

  it.each(METADATA_URLS)('%s is a metadata service, which no allow-list opens', (text) => {
    expect(() => endpointUrl(wideOpen, text)).toThrow(/private or reserved/)
  })

  it.each(URLS_WITH_A_USER)('%s is refused for its user name', (text) => {
    expect(() => endpointUrl(wideOpen, text)).toThrow(/user name or password/)
  })

  it.each(NO_URLS)('%s is no URL', (text) => {
    expect(() => endpointUrl(wideOpen, text)).toThrow(/it is no URL/)
  })

  it.each(['http://localhost:1/', 'http://a.localhost/'])('%s is taken where either loopback address is', (text) => {
    for (const range of ['127.0.0.1/32', '::1/128']) expect(endpointUrl(addressGuard([range]), text)).toBe(text)
  })

  it('takes what the allow-list opens, but no metadata service', () => {
    const guard = addressGuard(['127.0.0.0/8', '10.0.0.0/8'])

    expect(endpointUrl(guard, 'http://localhost:3000/x')).toBe('http://localhost:3000/x')
    expect(endpointUrl(guard, 'http://0x7f000001')).toBe('http://127.0.0.1/')
    expect(() => endpointUrl(guard, 'http://[::1]/')).toThrow(/private/)
    expect(() => endpointUrl(wideOpen, 'http://169.254.169.254/')).toThrow(/private/)
    expect(() => endpointUrl(wideOpen, 'http://[::ffff:169.254.169.254]/')).toThrow(/private/)
  })

  it('gives a public http(s) URL without fragment and user, or input_invalid, for any text', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4Extended(),
      fc.ipV6().map((text) => `[${text}]`),
      fc.string(),
    )
    const crafted = fc
      .tuple(fc.constantFrom('http:', 'https:', 'HTTP:', 'ftp:', ''), fc.constantFrom('//', '\\\\', '/', ''), host)
      .chain(([scheme, slashes, name]) =>
        fc.string({ unit: 'binary' }).map((rest) => `${scheme}${slashes}${name}${rest}`),
      )

    fc.assert(
      fc.property(fc.oneof(crafted, fc.webUrl(), fc.string({ unit: 'binary' })), (text) => {
        expect(isRefusedOrPublic(text)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })
})

function isRefusedOrPublic(text: string): boolean {
  const kept = attempt(text)
  if (kept instanceof AppError) return kept.code === 'input_invalid'
  const literal = literalAddress(new URL(kept))
  const isPublic = literal === undefined || isAllowed(closed, literal)
  return isPublic && /^https?:\/\/[^@/]+\/[^#]*$/.test(kept) && attempt(kept) === kept
}

/** What it gives or, of the kind it may throw, what it throws. */
function attempt(text: string): string | AppError {
  try {
    return endpointUrl(closed, text)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}
