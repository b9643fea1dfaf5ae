// Function URLs: HTTP in, an event for the function, HTTP out (Tencent 583/96099, 583/100227). The event has what API
// gateway's had without isBase64Encoded and its like; an answer without statusCode is taken as the body, with 200 and
// application/json. Inferred: the statuses of failures, and that isBase64Encoded is understood in an answer. CAM is not
// modelled beyond its refusals.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isReady, resolve } from './function-state.ts'
import { errorText } from './invocation-log.ts'
import { newOrder } from './invoke.ts'
import { invokeNow } from './pool.ts'
import type { Region } from './region.ts'
import type { UrlDesc } from './triggers.ts'

interface HttpAnswer {
  statusCode?: number
  headers?: Record<string, string | string[]>
  body?: string
  isBase64Encoded?: boolean
}

/** Where a request goes: the URL's id or the function's name, and the path that the function sees. */
export interface Place {
  id: string
  path: string
}

const LARGEST = 6 * 1_048_576

/**
 * The place of a request to `localhost/url/ID/…`, or to `ID.url.localhost/…`, where as in the real SCF the path is the
 * function's alone; null when it is for the API.
 */
export function urlPlace({ url: target = '/', headers: { host = '' } }: IncomingMessage): Place | null {
  const [, ofHost] = /^([\w-]+)\.url\./.exec(host) ?? []
  const [path = ''] = target.split('?')
  if (ofHost !== undefined) return { id: ofHost, path }
  const [, ofPath, rest = '/'] = /^\/url\/([\w-]+)(\/.*)?$/.exec(path) ?? []
  return ofPath === undefined ? null : { id: ofPath, path: rest }
}

/** Answers a request to a function's URL. */
export async function serveUrl(
  region: Region,
  { id, path }: Place,
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const found = findUrl(region, id)
  const desc = found && (JSON.parse(found.trigger.desc) as UrlDesc)
  if (!found || !desc?.NetConfig.EnableExtranet || !found.trigger.isOpen) return void response.writeHead(404).end()
  if (desc.AuthType === 'CAM') return void response.writeHead(request.headers.authorization ? 403 : 401).end()
  if (body.length > LARGEST) return void response.writeHead(406).end('RequestTooLarge')
  const { qualifier } = found.trigger
  if (!isReady(resolve(found.state, qualifier))) return void response.writeHead(438).end('FunctionStatusError')
  const event = {
    body,
    headers: { ...headersOf(request), 'x-scf-remote-addr': request.socket.remoteAddress ?? '' },
    httpMethod: request.method,
    path,
    queryString: Object.fromEntries(new URL(request.url ?? '/', region.url).searchParams),
  }
  const order = newOrder(found.state, qualifier, 'url', event)
  const outcome = await invokeNow(region, order)
  response.setHeader('x-scf-request-id', order.requestId)
  if (outcome.status === 200) answer(response, outcome.result)
  else response.writeHead(outcome.status, { 'content-type': 'application/json' }).end(errorText(order, outcome))
}

function findUrl({ functions }: Region, id: string) {
  const all = [...functions.values()].flatMap((state) =>
    state.triggers.filter(({ type }) => type === 'http').map((trigger) => ({ state, trigger })),
  )
  return all.find(({ trigger }) => trigger.urlId === id) ?? all.find(({ state }) => state.name === id)
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

function answer(response: ServerResponse, json: string): void {
  const result: unknown = JSON.parse(json)
  const isStandard = typeof result === 'object' && result !== null && 'statusCode' in result
  const whole: HttpAnswer = { headers: { 'content-type': 'application/json' }, body: json }
  const {
    statusCode = 200,
    headers = {},
    body = '',
    isBase64Encoded = false,
  } = isStandard ? (result as HttpAnswer) : whole
  response.writeHead(statusCode, headers).end(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'))
}
