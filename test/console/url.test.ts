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

it('an answer is a status, one value for each header, and a text', async () => {
  const response = new Response('ü', { status: 201, headers: { 'set-cookie': 'a=b', 'content-type': 'text/plain' } })

  expect(await answerOf(response)).toEqual({
    statusCode: 201,
    headers: { 'set-cookie': 'a=b', 'content-type': 'text/plain' },
    body: 'ü',
  })
})

it('takes for an address what may be one, since it is logged', () => {
  const addressOf = (value: string) => requestOf({ headers: { 'X-Scf-Remote-Addr': value } }).address

  expect(['198.51.100.7', '2001:db8::7', 'a\nb', '1'.repeat(1_000)].map(addressOf)).toEqual([
    '198.51.100.7',
    '2001:db8::7',
    '',
    '',
  ])
})
