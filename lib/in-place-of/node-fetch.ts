// In the bundles, in place of the package node-fetch, by which the Tencent SDK sends its calls: 19 KB, and a cold function's first
// call took 24 ms of CPU with it. It does what the SDK asks for, by the same words where a call fails, for lib/tencent.ts judges
// by them; it follows no redirect, which the API never sends, and asks for no compression.
import http, { type Agent, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'

interface Init {
  method: string
  headers: OutgoingHttpHeaders
  body: string
  /** Milliseconds for the whole call. */
  timeout: number
  agent: Agent
  signal?: AbortSignal
}

/** As much of a response as the SDK reads. */
interface Answer {
  status: number
  statusText: string
  headers: { get(name: string): string | null }
  json(): Promise<unknown>
}

/** Sends a call and gives its whole answer, whatever the status. */
export default function fetch(url: string, { method, headers, body, timeout, agent, signal }: Init): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) => {
      clearTimeout(timer)
      reject(new Error(message))
    }
    const request = (url.startsWith('https:') ? https : http).request(url, { method, headers, agent, signal })
    const timer = setTimeout(() => {
      fail(`network timeout at: ${url}`)
      request.destroy()
    }, timeout)
    request.on('error', (error) => {
      fail(signal?.aborted ? 'The user aborted a request.' : `request to ${url} failed, reason: ${error.message}`)
    })
    request.on('response', (response) => {
      const { statusCode: status = 0, statusMessage: statusText = '' } = response
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('error', (error) => fail(`Invalid response body while trying to fetch ${url}: ${error.message}`))
      response.on('end', () => {
        clearTimeout(timer)
        const get = (name: string) => response.headers[name]?.toString() ?? null
        resolve({ status, statusText, headers: { get }, json: async () => JSON.parse(text) as unknown })
      })
    })
    request.end(body)
  })
}
