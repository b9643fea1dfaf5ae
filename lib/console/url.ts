// What a function URL hands over and takes back. Source: Tencent 583/96099.
import * as v from 'valibot'

/** What a function URL sends back. The body comes first, for what OUT_OF_THE_LOG says. */
export interface HttpAnswer {
  statusCode: number
  body: string
  headers: Record<string, string>
}

/**
 * SCF writes the first 8 KB of what a function returns into its log (583/43329), cookies and secrets, too. So what is JSON and no
 * refusal begins with as many spaces, which JSON allows, and what matters comes behind them.
 */
const OUT_OF_THE_LOG = ' '.repeat(8_192)

/** For whoever asks while the console cannot be opened: the log says why, and nobody else should know. */
export const UNAVAILABLE: HttpAnswer = {
  statusCode: 503,
  body: JSON.stringify({
    error: { code: 'unavailable', message: 'the console cannot be opened; its log says why' },
  }),
  headers: {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'strict-transport-security': 'max-age=31536000',
    'x-content-type-options': 'nosniff',
  },
}

/** Nothing that is missing or odd makes it fail: what is no request asks for nothing. */
const texts = v.fallback(v.record(v.string(), v.fallback(v.string(), '')), {})
const query = v.fallback(v.record(v.string(), v.fallback(v.union([v.string(), v.array(v.string())]), '')), {})
const eventSchema = v.fallback(
  v.object({
    httpMethod: v.fallback(v.pipe(v.string(), v.regex(/^[A-Z]{1,20}$/)), 'GET'),
    path: v.fallback(v.pipe(v.string(), v.startsWith('/')), '/'),
    headers: texts,
    queryString: query,
    body: v.fallback(v.string(), ''),
    isBase64Encoded: v.fallback(v.boolean(), false),
  }),
  { httpMethod: 'GET', path: '/', headers: {}, queryString: {}, body: '', isBase64Encoded: false },
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
/** Those that no Request can have. */
const IMPOSSIBLE = new Set(['CONNECT', 'TRACE', 'TRACK'])

/** The request that an event tells of, and the address that it came from as the platform saw it. */
export function requestOf(event: unknown): { request: Request; address: string } {
  const { httpMethod, path, headers, queryString, body, isBase64Encoded } = v.parse(eventSchema, event)
  const lower = Object.entries(headers).map(([name, value]): [string, string] => [name.toLowerCase(), value])
  const usable = lower.filter(([name, value]) => NAME.test(name) && VALUE.test(value) && !NOT_OURS.has(name))
  const query = searchOf(queryString)
  // Its own name does not matter, and a path of two slashes must not become one.
  const url = `https://console${path.replaceAll(/[?#]/g, encodeURIComponent)}${query && `?${query}`}`
  const method = IMPOSSIBLE.has(httpMethod) ? 'OPTIONS' : httpMethod
  const hasBody = body !== '' && method !== 'GET' && method !== 'HEAD'
  const bytes = isBase64Encoded ? Buffer.from(body, 'base64') : body
  const request = new Request(url, { method, headers: new Headers(usable), ...(hasBody && { body: bytes }) })
  return { request, address: addressOf(lower) }
}

/** A name with several values comes several times. */
function searchOf(queryString: Record<string, string | string[]>): string {
  const search = new URLSearchParams()
  for (const [name, values] of Object.entries(queryString)) {
    for (const value of [values].flat()) search.append(name, value)
  }
  return search.toString()
}

const ipSchema = v.pipe(v.string(), v.ip())

/** None where there are two, of which one is the client's. */
function addressOf(headers: readonly [string, string][]): string {
  const [address = '', ...others] = headers.filter(([name]) => name === 'x-scf-remote-addr').map(([, value]) => value)
  // Those who count by address must not count by port.
  const bare = address.replace(/^\[(.*)\](:\d+)?$|^([\d.]+):\d+$/, '$1$3')
  return others.length === 0 && v.is(ipSchema, bare) ? bare : ''
}

/** The answer as a function URL takes it: one value a header, and a text. */
export async function answerOf(response: Response): Promise<HttpAnswer> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
  return {
    statusCode: response.status,
    body: response.ok && isJson && text !== '' ? OUT_OF_THE_LOG + text : text,
    headers: Object.fromEntries(response.headers),
  }
}
