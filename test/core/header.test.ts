import { validateHeaderName, validateHeaderValue } from 'node:http'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { headerFault } from '../../lib/core/header.ts'

// No doubles: a pure function. What a header can be is asked of Node, which sends it.

test.each([
  ['authorization', 'Bearer abc.def'],
  ['x-api-key', 'k=1; q="2"'],
  ['cookie', 'a=b'],
  ['user-agent', 'our-gateway/1'],
  ['x-empty', ''],
  ['contents', 'not one of content-*'],
  ['proxy', 'not one of proxy-*'],
  ['webhook', 'not one of webhook-*'],
  ['hosts', 'not host'],
  ['x-content-type', 'only the whole name counts'],
  ["!#$%&'*+.^_`|~09az-", 'every character that a name can have'],
  ['__proto__', 'just a name'],
])('%s can be set', (name, value) => {
  expect(headerFault(Object.fromEntries([[name, value]]))).toBeUndefined()
})

test.each([
  'host',
  'content-type',
  'content-length',
  'content-encoding',
  'content-anything',
  'transfer-encoding',
  'te',
  'trailer',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
  'proxy-authorization',
  'proxy-connection',
  'accept-encoding',
  'http2-settings',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'webhook-anything',
])('%s cannot be set, and the fault names it but not its value', (name) => {
  const fault = headerFault({ [name]: 'hidden-value' })

  expect(fault).toContain(name)
  expect(fault).not.toContain('hidden-value')
})

test.each([
  'Host',
  'CONTENT-LENGTH',
  'X-Key',
  '',
  ' ',
  'a b',
  'a:b',
  'a\r\nb',
  'a\n',
  '\nhost',
  'é',
  'a\0',
  'x(y)',
  'host\t',
])('the name %j is refused: names are tokens in lower case', (name) => {
  expect(headerFault({ [name]: 'value' })).toBeDefined()
})

test.each([
  'a\r\nhost: evil',
  'a\nb',
  'a\rb',
  'a\0b',
  '\ta',
  'a\tb',
  ' a',
  'a ',
  'é',
  '阿',
  '\u007f',
  '\u0085',
  '\u2028',
  'a\r\n',
])('the value %j is refused', (value) => {
  expect(headerFault({ 'x-key': value })).toContain('x-key')
})

describe('how many and how long', () => {
  const headers = (count: number, value = '') =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${String(index).padStart(2, '0')}`, value]))

  test('20 are sent, and one more is too many', () => {
    expect(headerFault(headers(20))).toBeUndefined()
    expect(headerFault(headers(21))).toContain('21')
  })

  test('4,096 bytes as they are on the wire are sent, and one more is too many', () => {
    // name: value\r\n
    const value = 'a'.repeat(4_096 - 'x-00: \r\n'.length)

    expect(headerFault(headers(1, value))).toBeUndefined()
    expect(headerFault(headers(1, `${value}a`))).toContain('4097')
  })
})

test('whatever passes can be sent by Node, is no header that moves, cuts or rewrites the request, and has no line break', () => {
  const name = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.string({ unit: fc.constantFrom('x', '-', 'k', '_', ':', ' ', '\r', '\n', 'A'), maxLength: 6 }),
    fc.constantFrom('host', 'te', 'content-type', 'webhook-id', 'authorization', 'expect', 'Host', 'proxy-x'),
  )
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ unit: fc.constantFrom('a', ' ', '\r', '\n', '\t', 'é'), maxLength: 6 }),
  )
  const ours = /^(host|te|trailer|connection|expect|upgrade|transfer-encoding|(content|webhook|proxy)-.*)$/i

  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }), (headers) => {
      if (headerFault(headers) !== undefined) return

      for (const [key, text] of Object.entries(headers)) {
        validateHeaderName(key)
        validateHeaderValue(key, text)
        expect(key).not.toMatch(ours)
        expect(key).toBe(key.toLowerCase())
        expect(text).toMatch(/^([!-~]([ -~]*[!-~])?)?$/)
        expect(`${key}${text}`).not.toMatch(/[\r\n\0]/)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a fault never holds a value, whichever it is of', () => {
  const value = fc.string({ unit: 'grapheme', minLength: 12, maxLength: 40 }).map((text) => `S3cr3t-${text}`)

  fc.assert(
    fc.property(fc.constantFrom('x-key', 'host', 'X-Key', 'a b'), value, (name, text) => {
      expect(headerFault({ [name]: text }) ?? '').not.toContain('S3cr3t')
    }),
  )
})

test('a name that cannot be says so', () => {
  expect(headerFault({ 'x y': 'a' })).toBe('the name of a header has a character that no header can have')
})
