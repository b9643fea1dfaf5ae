// Function URLs: HTTP in, an event for the function, HTTP out (Tencent 583/96099, 583/100227). The event has what API gateway's had
// without isBase64Encoded and its like; an answer without statusCode is taken as the body, with 200 and application/json.
// Inferred: the statuses of failures, and that isBase64Encoded is understood in an answer. CAM is not modelled beyond its refusals.
import type { IncomingMessage, ServerResponse } from 'node:http'
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

/** Answers a request to /url/URLID/… or /url/FUNCTION/…: the rest is the path that the function sees. */
export async function serveUrl(
  region: Region,
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', region.url)
  const [, , id = '', ...rest] = url.pathname.split('/')
  const found = findUrl(region, decodeURIComponent(id))
  const desc = found && (JSON.parse(found.trigger.desc) as UrlDesc)
  if (!found || !desc?.NetConfig.EnableExtranet || !found.trigger.isOpen) return void response.writeHead(404).end()
  if (desc.AuthType === 'CAM') return void response.writeHead(request.headers.authorization ? 403 : 401).end()
  const event = {
    body,
    headers: { ...headersOf(request), 'x-scf-remote-addr': request.socket.remoteAddress ?? '' },
    httpMethod: request.method,
    path: `/${rest.join('/')}`,
    queryString: Object.fromEntries(url.searchParams),
  }
  const order = newOrder(found.state, found.trigger.qualifier, 'url', event)
  const outcome = await invokeNow(region, order)
  response.setHeader('x-scf-request-id', order.requestId)
  if (outcome.status === 200) answer(response, JSON.parse(outcome.result) as unknown)
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

function answer(response: ServerResponse, result: unknown): void {
  const isStandard = typeof result === 'object' && result !== null && 'statusCode' in result
  if (!isStandard) {
    const body = typeof result === 'string' ? result : JSON.stringify(result)
    return void response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  }
  const { statusCode = 200, headers = {}, body = '', isBase64Encoded = false } = result as HttpAnswer
  response.writeHead(statusCode, headers).end(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'))
}
