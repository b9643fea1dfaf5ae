// What stands in the bundles in place of node-fetch, beside node-fetch itself, as the Tencent SDK calls them. The doubles are
// servers on loopback.
import { once } from 'node:events'
import { Agent, createServer, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import ours from '../lib/in-place-of/node-fetch.ts'

/** That of the SDK. */
const theirs = createRequire(import.meta.resolve('tencentcloud-sdk-nodejs-common'))('node-fetch') as typeof ours

const undo: (() => void)[] = []
afterEach(() => {
  for (const step of undo.splice(0)) step()
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  undo.push(() => (server.close(), server.closeAllConnections()))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const init = (more: { timeout?: number; signal?: AbortSignal } = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', 'X-TC-Action': 'Invoke' },
  body: '{"Name":"名"}',
  timeout: 5_000,
  agent: new Agent(),
  ...more,
})

/** A fault without where it happened. */
const faultOf = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error: Error) => error.message.replace(/http:\S+?\/(?=\W|$)/, 'URL'),
  )

describe.each([
  ['node-fetch', theirs],
  ['in place of node-fetch', ours],
])('%s', (_, fetch) => {
  it('sends a call and gives its answer, in whatever pieces it comes', async () => {
    const received: unknown[] = []
    const url = await serve((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        received.push({ method: request.method, action: request.headers['x-tc-action'], body })
        const bytes = Buffer.from('{"Response":{"Name":"名"}}')
        response.writeHead(200, { 'content-type': 'application/json', 'x-tc-traceid': 't-1' })
        response.write(bytes.subarray(0, 21))
        setImmediate(() => response.end(bytes.subarray(21)))
      })
    })

    const answer = await fetch(url, init())

    expect(received).toEqual([{ method: 'POST', action: 'Invoke', body: '{"Name":"名"}' }])
    expect(answer).toMatchObject({ status: 200, statusText: 'OK' })
    expect(answer.headers.get('x-tc-traceid')).toBe('t-1')
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.get('x-other')).toBeNull()
    expect(await answer.json()).toEqual({ Response: { Name: '名' } })
  })

  it('gives an answer of any status', async () => {
    const url = await serve((_request, response) => response.writeHead(502).end('words'))

    expect(await fetch(url, init())).toMatchObject({ status: 502, statusText: 'Bad Gateway' })
  })

  it('tells by the same words why there is no answer: lib/tencent.ts judges by them', async () => {
    const silent = await serve(() => undefined)
    const hangsUp = await serve((request) => request.socket.destroy())
    const breaksOff = await serve((request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{')
      setImmediate(() => request.socket.destroy())
    })
    const isNoJson = await serve((_request, response) => response.end('<html>'))
    const gone = 'http://127.0.0.1:1/'
    const aborting = new AbortController()
    setTimeout(() => aborting.abort(), 50)

    expect(await faultOf(fetch(silent, init({ timeout: 50 })))).toMatch(/^network timeout at: URL/)
    expect(await faultOf(fetch(silent, init({ signal: aborting.signal })))).toBe('The user aborted a request.')
    expect(await faultOf(fetch(hangsUp, init()))).toBe('request to URL failed, reason: socket hang up')
    expect(await faultOf(fetch(gone, init()))).toBe('request to URL failed, reason: connect ECONNREFUSED 127.0.0.1:1')
    // Theirs waits for what will never come.
    expect(await faultOf(fetch(breaksOff, init({ timeout: 200 })).then((answer) => answer.json()))).toMatch(
      /^(Invalid response body while trying to fetch URL: aborted|Response timeout while trying to fetch URL)/,
    )
    expect(await faultOf(fetch(isNoJson, init()).then((answer) => answer.json()))).toMatch(
      /^(invalid json response body at|Unexpected token)/,
    )
  })
})
