// URLs of endpoints, from a grammar of the forms that have fooled address guards elsewhere.
import fc from 'fast-check'

/** What DNS answers for each name, one after the other, the last one for ever; others do not exist. */
export const answersOf = new Map<string, string[][]>()

const PRIVATE = words(
  '127.0.0.1 10.0.0.1 10.2.3.4 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 168.63.129.16 0.0.0.0',
)
const PUBLIC = words('8.8.8.8 1.1.1.1 93.184.215.14')
const PRIVATE_6 = words(
  '::1 :: fe80::1 fe80::1%25eth0 fd00:ec2::254 fc00::1 ff02::1 2001::1 2002:7f00:1:: 64:ff9b::7f00:1 100::1 ::7f00:1 100:0:0:1::1 4000::1',
)
const PUBLIC_6 = words('2606:4700:4700::1111 2a00:1450:4001::200e')
const OPEN = words('10.1.2.3 fd12::1')

function words(text: string): string[] {
  return text.split(' ')
}

const v4 = fc.oneof(fc.constantFrom(...PRIVATE, ...PUBLIC, '10.1.2.3'), fc.ipV4())
const v6 = fc.oneof(fc.constantFrom(...PRIVATE_6, ...PUBLIC_6, 'fd12::1'), fc.ipV6())

const BASES = [
  (n: number) => String(n),
  (n: number) => `0x${n.toString(16)}`,
  (n: number) => `0X${n.toString(16).toUpperCase()}`,
  (n: number) => `0${n.toString(8)}`,
  (n: number) => `000${n.toString(8)}`,
]
const FULL_WIDTH = [...'０１２３４５６７８９']
const ODD_LETTERS: [RegExp, (letter: string) => string][] = [
  [/\d/g, (digit) => FULL_WIDTH[Number(digit)] ?? ''],
  [/[1-9]/g, (digit) => String.fromCodePoint(0x245f + Number(digit))],
  [/\d/g, (digit) => String.fromCodePoint(0x1d7ce + Number(digit))],
  [/\./g, () => '。'],
  [/\./g, () => '．'],
  [/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`],
  [/./g, (letter) => `%25${letter.charCodeAt(0).toString(16)}`],
  [/[a-z]/g, (letter) => String.fromCodePoint(0xff41 + letter.charCodeAt(0) - 97)],
  [/$/, () => '.'],
  [/$/, () => '..'],
  [/\./, () => '.\u00ad'],
  [/\./, () => '\u200b.'],
]

/** An IPv4 address in one of the forms that some reader takes for it. */
const odd4 = fc.tuple(v4, fc.constantFrom(...BASES), fc.integer({ min: 1, max: 4 })).map(([address, base, parts]) => {
  const bytes = address.split('.').map(Number)
  const last = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0)
  return [...bytes.slice(0, parts - 1), last].map(base).join('.')
})
const hex = (address: string) => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}
/** An IPv4 address inside of an IPv6 one: mapped, compatible, NAT64, 6to4, Teredo, ISATAP. */
const wrapped4 = fc
  .tuple(
    v4,
    fc.constantFrom(
      '::ffff:',
      '::',
      '::ffff:0:',
      '64:ff9b::',
      '64:ff9b:1::',
      '0:0:0:0:0:ffff:',
      '2001:0:',
      '2606:4700::5efe:',
    ),
    fc.boolean(),
  )
  .map(([address, prefix, dotted]) => prefix + (dotted ? address : hex(address)))
const sixToFour = v4.map((address) => `2002:${hex(address)}::1`)

let count = 0
const nameWith = (answers: string[][]) => {
  const name = `n${(count += 1)}.example`
  answersOf.set(name, answers)
  return name
}
const anyAddress = fc.constantFrom(
  ...PRIVATE,
  ...PUBLIC,
  ...PUBLIC,
  ...PUBLIC_6,
  '::1',
  '::ffff:7f00:1',
  'fe80::1',
  ...OPEN,
)
const resolved = fc
  .array(fc.array(anyAddress, { maxLength: 3 }), { minLength: 1, maxLength: 3 })
  .map((answers) => nameWith(answers))

const odd = <T extends string>(hosts: fc.Arbitrary<T>) =>
  fc
    .tuple(hosts, fc.constantFrom(undefined, undefined, ...ODD_LETTERS))
    .map(([host, change]) => (change ? host.replace(change[0], change[1]) : host))
const hosts = fc.oneof(
  odd(odd4),
  odd(v4),
  fc.oneof(v6, wrapped4, sixToFour).map((address) => `[${address}]`),
  odd(resolved),
  odd(
    fc.constantFrom(
      'localhost',
      'LOCALHOST',
      'a.localhost',
      'localhost.',
      'localhost.localdomain',
      'metadata.google.internal',
    ),
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
export const urls = fc
  .record({
    scheme: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom('http:', 'https:') },
      fc.constantFrom('HTTP:', 'ftp:', 'file:', 'ws:', 'javascript:', '', 'http', 'h\tttp:'),
    ),
    slashes: fc.oneof(
      { weight: 9, arbitrary: fc.constant('//') },
      fc.constantFrom('', '/', '\\\\', '///', '/\\', '/\t/'),
    ),
    user: fc.oneof(
      { weight: 9, arbitrary: fc.constant('') },
      fc.constantFrom('u@', ':p@', '8.8.8.8@', '@', 'a:b@c@', '8.8.8.8\\@', '8.8.8.8#@', '8.8.8.8?@', '%40'),
    ),
    host: hosts,
    port: fc.oneof(
      { weight: 6, arbitrary: fc.constant('') },
      fc.constantFrom(':80', ':0', ':443', ':22', ':65536', ':', ':0x50', ':80:80', ':８０'),
    ),
    rest: fc.constantFrom(
      '/',
      '',
      '/hook?x=1',
      '?x',
      '#x',
      '\\x',
      '/../..',
      '/%00',
      '/\u0000',
      '/\r\nHost: x',
      ' ',
      '/é😀',
    ),
    stray: fc.oneof(
      { weight: 9, arbitrary: fc.constant('') },
      fc.constantFrom('\t', '\n', '\r', ' ', '\0', '\u00ad', '\\'),
    ),
    at: fc.nat(),
  })
  .map(({ scheme, slashes, user, host, port, rest, stray, at }) => {
    const text = scheme + slashes + user + host + port + rest
    const place = at % (text.length + 1)
    return text.slice(0, place) + stray + text.slice(place)
  })
