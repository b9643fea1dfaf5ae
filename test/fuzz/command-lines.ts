// Command lines made of real verbs, options and values, and of wrong ones. `own` stands for the id of an endpoint there is.
import fc from 'fast-check'
import { QUESTIONS } from '../../lib/store/report/cookbook.ts'

const VERBS = ['migrate', 'tick', 'drain', 'sessions', 'events', 'deliveries', 'report', 'endpoint']
const ENDPOINT_VERBS = ['add', 'list', 'show', 'enable', 'disable', 'remove']
const OPTIONS =
  '--json --url --events --account --description --missed --live --at --limit --after --endpoint --state --seconds --from --to --timezone --channels --format --list'
/** What an argument of a process can hold: anything but U+0000 and half characters. */
const anyArgument = fc
  .string({ unit: 'binary', maxLength: 10 })
  .map((text) => Buffer.from(text.replaceAll('\0', '')).toString())
const junk = fc.oneof(
  anyArgument,
  anyArgument.map((text) => `--${text}`),
  fc.constantFrom(
    '',
    ' ',
    '-',
    '--',
    '---',
    '-j',
    '--jso',
    '--json=',
    '--json=1',
    '--no-json',
    '--limit=',
    '=',
    '__proto__',
    '--__proto__',
  ),
  fc.constantFrom(
    '\u001b[2J',
    '\u202e',
    'a\nb',
    "'; drop table event; --",
    '%s',
    '$(true)',
    '*',
    'x'.repeat(100_000),
    '--constructor',
    '@file',
  ),
  fc.constantFrom('-V', '--version', 'help', 'toString', 'endpoint list', 'Tick', '-1', '--seconds=-1', '--limit=1e3'),
)
const numbers = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 2_000 }).map(String) },
  fc.constantFrom(
    '0',
    '1',
    '-1',
    '1.5',
    '1e9',
    '999999999999999',
    '9007199254740993',
    '0x10',
    '٣',
    '+1',
    '',
    'NaN',
    'Infinity',
  ),
  fc.nat().map(String),
)
const TIMES = [
  '2026-11-22T10:00:00Z',
  '2026-11-22',
  '2026-11',
  '2026-13-01',
  '0000-01-01',
  '0001-01-01',
  '9999-12-31T23:59:59Z',
]
const ODD_TIMES = [
  '2026-11-22T10:00:00+99:99',
  '2026-11-22 10:00',
  '2026-02-30',
  '9999-99',
  '2026-11-22T10:00:00.123456789Z',
  '0000-00',
]
/** Where nobody listens, or what no endpoint may be. */
const URLS = [
  'http://127.0.0.1:1/',
  'http://localhost:1/x?y#z',
  'http://10.0.0.1/',
  'ftp://127.0.0.1/',
  'http://u:p@127.0.0.1/',
  '//',
  'http://[::1]:1/',
]
const EVENTS = [
  '*',
  'session.started',
  'session.started,session.closed',
  'session.begun',
  ',',
  '*,*',
  ' session.failed ',
  'session.started,',
]
const values: Record<string, fc.Arbitrary<string>> = {
  '--url': fc.constantFrom(...URLS),
  '--events': fc.constantFrom(...EVENTS),
  '--account': fc.constantFrom(
    'default',
    'other',
    'a/b',
    '-',
    'x'.repeat(64),
    'x'.repeat(65),
    '../x',
    'DEFAULT',
    '__proto__',
  ),
  '--description': anyArgument,
  '--missed': fc.constantFrom('all', 'latest', 'none', 'some'),
  '--at': fc.constantFrom(...TIMES, ...ODD_TIMES),
  '--from': fc.constantFrom(...TIMES, ...ODD_TIMES),
  '--to': fc.constantFrom(...TIMES, ...ODD_TIMES),
  '--timezone': fc.constantFrom('UTC', 'Asia/Shanghai', 'asia/kathmandu', '+3', 'Mars/Base', ''),
  '--channels': numbers,
  '--format': fc.constantFrom('table', 'csv', 'json', 'xml'),
  '--limit': numbers,
  '--after': numbers,
  '--endpoint': fc.constantFrom('own', 'ep_none'),
  '--state': fc.constantFrom('pending', 'delivered', 'dead', 'lost'),
  '--seconds': fc.oneof(fc.constantFrom('0', '1', '2', '3'), numbers),
}
/** The options that take a value. */
export const VALUED = Object.keys(values)
const option = fc
  .constantFrom(...OPTIONS.split(' '))
  .chain((name) =>
    fc
      .tuple(values[name] ?? fc.constant(''), fc.boolean())
      .map(([value, joined]) => (values[name] ? (joined ? [`${name}=${value}`] : [name, value]) : [name])),
  )
const OF_VERB: Record<string, string[]> = {
  drain: ['--seconds'],
  sessions: ['--live', '--at', '--account', '--limit'],
  events: ['--account', '--after', '--limit'],
  deliveries: ['--endpoint', '--state', '--limit'],
  add: ['--url', '--events', '--account', '--description'],
  enable: ['--missed'],
  report: ['--account', '--from', '--to', '--timezone', '--channels', '--format', '--list'],
}
const fitting = (verb: string) =>
  option.filter(
    ([name = '']) => name.startsWith('--json') || (OF_VERB[verb] ?? []).some((known) => name.startsWith(known)),
  )
const verbs = fc.oneof(
  fc.constantFrom(...VERBS.slice(0, -1)).map((verb) => [verb]),
  fc.constantFrom(...QUESTIONS.map(({ name }) => name), 'lunch').map((name) => ['report', name]),
  fc.tuple(fc.constantFrom(...ENDPOINT_VERBS), fc.constantFrom('own', 'own', 'ep_none')).map(([verb, id]) => {
    if (verb === 'add') return ['endpoint', verb, '--url', 'http://127.0.0.1:1/']
    return verb === 'list' ? ['endpoint', verb] : ['endpoint', verb, id]
  }),
)
/** Mostly a command with options of its own; anything may be put in, taken out or come in another order. */
export const commandLines = verbs
  .chain((verb) =>
    fc.record({
      verb: fc.constant(verb),
      options: fc.array(
        fc.oneof({ weight: 9, arbitrary: fitting(verb[0] === 'endpoint' ? (verb[1] ?? '') : (verb[0] ?? '')) }, option),
        { maxLength: 4 },
      ),
      json: fc.constantFrom([], ['--json']),
      spoil: fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        fc.array(fc.tuple(fc.nat(), fc.oneof(junk, fc.constant(undefined))), { maxLength: 2 }),
      ),
    }),
  )
  .map(({ verb, options, json, spoil }) => {
    const args = [...verb, ...options.flat(), ...json]
    for (const [at, text] of spoil) {
      if (text === undefined) args.splice(at % args.length, 1)
      else args.splice(at % (args.length + 1), 0, text)
    }
    return args
  })
  .filter((args) => args.length === 0 || !['start', 'simulate'].some((server) => args.includes(server)))
