// What a function URL hands over and takes back. Source: Tencent 583/96099.
import * as v from 'valibot'

/** What a function URL sends back. */
export interface HttpAnswer {
  statusCode: number
  headers: Record<string, string>
  body: string
}

/** For whoever asks while the console cannot be opened: the log says why, and nobody else should know. */
export const UNAVAILABLE: HttpAnswer = {
  statusCode: 503,
  headers: {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  },
  body: JSON.stringify({
    error: { code: 'unavailable', message: 'the console cannot be opened; its log says why' },
  }),
}

/** Nothing that is missing or odd makes it fail: what is no request asks for nothing. */
const texts = v.fallback(v.record(v.string(), v.fallback(v.string(), '')), {})
const eventSchema = v.fallback(
  v.object({
    httpMethod: v.fallback(v.pipe(v.string(), v.regex(/^[A-Z]{1,20}$/)), 'GET'),
    path: v.fallback(v.pipe(v.string(), v.startsWith('/')), '/'),
    headers: texts,
    queryString: texts,
    body: v.fallback(v.string(), ''),
  }),
  { httpMethod: 'GET', path: '/', headers: {}, queryString: {}, body: '' },
)

/** Of the body as it was; what came of it here may be longer. */
const NOT_OURS = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
  'expect',
  'keep-alive',
  'upgrade',
])
const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const ADDRESS = /^[\dA-Fa-f:.]{2,45}$/
/** Those that no Request can have. */
const IMPOSSIBLE = new Set(['CONNECT', 'TRACE', 'TRACK'])

/** The request that an event tells of, and the address that it came from as the platform saw it. */
export function requestOf(event: unknown): { request: Request; address: string } {
  const { httpMethod, path, headers, queryString, body } = v.parse(eventSchema, event)
  const lower = Object.entries(headers).map(([name, value]): [string, string] => [name.toLowerCase(), value])
  const usable = lower.filter(([name, value]) => NAME.test(name) && VALUE.test(value) && !NOT_OURS.has(name))
  const query = new URLSearchParams(queryString).toString()
  // Its own name does not matter, and a path of two slashes must not become one.
  const url = `https://console${path.replaceAll(/[?#]/g, encodeURIComponent)}${query && `?${query}`}`
  const method = IMPOSSIBLE.has(httpMethod) ? 'OPTIONS' : httpMethod
  const hasBody = body !== '' && method !== 'GET' && method !== 'HEAD'
  const request = new Request(url, { method, headers: new Headers(usable), ...(hasBody && { body }) })
  const address = new Map(lower).get('x-scf-remote-addr') ?? ''
  return { request, address: ADDRESS.test(address) ? address : '' }
}

/** The answer as a function URL takes it: one value a header, and a text. */
export async function answerOf(response: Response): Promise<HttpAnswer> {
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  }
}
