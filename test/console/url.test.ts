// From a function URL's event to a Request, and from a Response to what SCF takes.
import { describe, expect, it } from 'vitest'
import { answerOf, requestOf } from '../../lib/console/url.ts'

const event = {
  httpMethod: 'POST',
  path: '/api/sessions/default/m%201/1',
  headers: {
    'Content-Type': 'application/json',
    'content-length': '3',
    'x-scf-remote-addr': '198.51.100.7',
    Host: 'x',
  },
  queryString: { a: '1 & 2', b: 'ü' },
  body: '{"ü":1}',
}

describe('the request of an event', () => {
  it('has its method, place, headers and body, and comes from the address that the platform saw', async () => {
    const { request, address } = requestOf(event)

    expect([request.method, request.url]).toEqual([
      'POST',
      'https://console/api/sessions/default/m%201/1?a=1+%26+2&b=%C3%BC',
    ])
    expect(Object.fromEntries(request.headers)).toEqual({
      'content-type': 'application/json',
      'x-scf-remote-addr': '198.51.100.7',
    })
    expect(await request.text()).toBe('{"ü":1}')
    expect(address).toBe('198.51.100.7')
  })

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a timer', { Type: 'Timer', TriggerName: 'x' }],
    ['a text', 'GET /'],
    ['an empty one', {}],
    ['one of odd types', { httpMethod: 1, path: [], headers: 'x', queryString: 7, body: {} }],
  ])('that is %s asks for the page', (_, odd) => {
    const { request, address } = requestOf(odd)

    expect([request.method, request.url, address]).toEqual(['GET', 'https://console/', ''])
  })

  it.each([
    ['two slashes', '//evil.example/x', 'https://console//evil.example/x'],
    ['a user', '/@evil.example', 'https://console/@evil.example'],
    ['a query of its own', '/a?b=c#d', 'https://console/a%3Fb=c%23d?a=1+%26+2&b=%C3%BC'],
    ['another scheme', 'https://evil.example/', 'https://console/?a=1+%26+2&b=%C3%BC'],
    ['half a character', '/\ud800', 'https://console/%EF%BF%BD?a=1+%26+2&b=%C3%BC'],
  ])('with a path that is %s stays here', (_, path, url) => {
    const { request } = requestOf({ ...event, path })

    expect(request.url.split('?')[0]).toBe(url.split('?')[0])
  })

  it('leaves out headers that no request can have, and takes no method that is none', () => {
    const headers = { 'a b': '1', x: 'a\r\nb: c', y: 'ok', z: '你好' }

    const { request } = requestOf({ ...event, httpMethod: 'TRACE', headers, body: '' })

    expect([request.method, Object.fromEntries(request.headers)]).toEqual(['OPTIONS', { y: 'ok' }])
  })

  it('has no body where there can be none', () => {
    expect(requestOf({ ...event, httpMethod: 'GET' }).request.body).toBeNull()
  })
})

it('a body that came as base64 is what it was, and a name may have several values', async () => {
  const body = Buffer.from('{"ü":1}').toString('base64')

  const { request } = requestOf({ ...event, body, isBase64Encoded: true, queryString: { a: ['1', '2'], b: '3' } })

  expect(await request.text()).toBe('{"ü":1}')
  expect(new URL(request.url).search).toBe('?a=1&a=2&b=3')
})

describe('an answer', () => {
  it('is a status, one value for each header, and a text', async () => {
    const response = new Response('ü', { status: 201, headers: { 'set-cookie': 'a=b', 'content-type': 'text/plain' } })

    expect(await answerOf(response)).toEqual({
      statusCode: 201,
      headers: { 'set-cookie': 'a=b', 'content-type': 'text/plain' },
      body: 'ü',
    })
  })

  it('keeps cookies and JSON out of the first 8 KB, which SCF writes into its log', async () => {
    const headers = { 'set-cookie': 'a=cookie', 'content-type': 'application/json' }

    const answer = await answerOf(new Response('{"secret":"whsec_x"}', { headers }))

    expect(JSON.parse(answer.body)).toEqual({ secret: 'whsec_x' })
    expect(JSON.stringify(answer).slice(0, 8_192)).not.toMatch(/cookie|secret/)
  })

  it('without a body has none', async () => {
    const response = new Response(null, { status: 304, headers: { 'content-type': 'application/json' } })

    expect((await answerOf(response)).body).toBe('')
  })
})

describe('an address', () => {
  const addressOf = (value: string) => requestOf({ headers: { 'X-Scf-Remote-Addr': value } }).address

  it.each([
    ['198.51.100.7', '198.51.100.7'],
    ['198.51.100.7:4711', '198.51.100.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['a\nb', ''],
    ['::::', ''],
    ['1'.repeat(1_000), ''],
  ])('given as %j is %j, since it is counted by and logged', (given, address) => {
    expect(addressOf(given)).toBe(address)
  })

  it('is unknown where the client gave one, too', () => {
    const headers = { 'x-scf-remote-addr': '198.51.100.7', 'X-Scf-Remote-Addr': '203.0.113.9' }

    expect(requestOf({ headers }).address).toBe('')
  })
})
