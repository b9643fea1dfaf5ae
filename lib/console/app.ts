// The console as a web application: from a Request to a Response, for whatever serves it. It must never answer with a stack
// or, unless who may write asks for it, a stream address; and never log these, a token, a secret or a body.
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { secureHeaders } from 'hono/secure-headers'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import pLimit from 'p-limit'
import * as v from 'valibot'
import { AppError, codeOf, describe, type ErrorCode } from '../errors.ts'
import { inert } from '../inert.ts'
import type { Log } from '../log.ts'
import { explainDatabaseError } from '../store/fault.ts'
import type { Tokens } from './access.ts'
import type { Asset } from './assets.ts'
import { type Guard, openGuard } from './guard.ts'
import { openCache } from './cache.ts'
import { Refusal } from './refusal.ts'
import type { Connection, Env, Route, Services } from './route.ts'
import { ROUTES } from './routes/index.ts'
import { noBody, noQuery } from './schemas.ts'

/** What the console is opened with. */
export interface ConsoleOptions extends Omit<Services, 'cached' | 'reportTurn' | 'now' | 'guard'> {
  tokens: Tokens
  /** That of the one-time link; none where nobody sees it printed. */
  onceCode?: string
  assets: Readonly<Record<string, Asset>>
  log: Log
  now?: () => number
}

/** Gives an answer to every request, whatever happens. */
export type Console = (request: Request, connection: Connection) => Promise<Response>

const MOST_BYTES = 256 * 1024
/** Of the four connections that a pool has by default. */
const REPORTS_AT_ONCE = 2

/** The console with its routes and its page. */
export function openConsole({ tokens, onceCode, assets, log, now = Date.now, ...given }: ConsoleOptions): Console {
  const guard = openGuard(tokens, now, onceCode)
  const services: Services = { ...given, now, guard, cached: openCache(now), reportTurn: pLimit(REPORTS_AT_ONCE) }
  const app = new Hono<Env>()

  app.use(timed(log, now), hardened)
  app.use(bodyLimit({ maxSize: MOST_BYTES, onError: tooLong }))
  for (const [path, asset] of Object.entries(assets)) app.get(path, (c) => serveAsset(c, asset))
  for (const route of ROUTES) app.on(route.method, route.pattern, (c) => serveRoute(c, route, services))
  for (const pattern of new Set(ROUTES.map((route) => route.pattern))) {
    app.all(pattern, (c) => refuseMethod(c, pattern, guard))
  }
  app.notFound((c) => {
    guard.admit(c, 'read')
    throw new Refusal(404, 'not_found', 'there is nothing here')
  })
  app.onError((error, c) => serveError(c, error, log))
  const answer = app.fetch
  return async (request, connection) => answer(request, connection)
}

async function serveRoute(c: Context<Env>, route: Route, services: Services): Promise<Response> {
  const { schemas, scope } = route
  const caller = scope === 'none' ? null : services.guard.admit(c, scope)
  const answer = await route.handle({
    path: schemas.path && parsed(schemas.path, c.req.param(), 'the path'),
    query: parsed(schemas.query ?? noQuery, queryOf(c), 'the query'),
    body: route.method === 'GET' ? undefined : parsed(schemas.body ?? noBody, await bodyOf(c), 'the body'),
    caller,
    services,
    c,
  })
  if (route.method !== 'GET') services.cached.clear()
  return answer instanceof Response ? answer : c.json(answer, route.status ?? 200)
}

/** A name given twice is refused: readers disagree on which one counts. */
function queryOf(c: Context): Record<string, string> {
  const pairs = [...new URL(c.req.url).searchParams]
  const names = new Set(pairs.map(([name]) => name))
  if (names.size < pairs.length) throw new AppError('input_invalid', 'the query has a name twice')
  return Object.fromEntries(pairs)
}

/** Nothing at all counts as an empty object. */
async function bodyOf(c: Context): Promise<unknown> {
  const text = await c.req.text()
  if (text === '') return {}
  if (!/^application\/json *(;|$)/i.test(c.req.header('content-type') ?? '')) {
    throw new Refusal(415, 'unsupported_media_type', 'the body must be application/json')
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new AppError('input_invalid', 'the body is not JSON')
  }
}

/** Throws `input_invalid`, with where the fault is and what it is, never with what was given. */
function parsed(schema: v.GenericSchema, value: unknown, what: string): unknown {
  const result = v.safeParse(schema, value, { abortPipeEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  const path = inert(v.getDotPath(issue) ?? '').slice(0, 100)
  const message = told(issue)
  throw new AppError('input_invalid', `${what}${path && ` has a fault at ${path}`}: ${message}`)
}

function told({ type, expected, message }: v.BaseIssue<unknown>): string {
  if (type === 'strict_object') return expected === 'never' ? 'is not known here' : 'is missing'
  return message.replace(/ but received .*/s, '').slice(0, 300)
}

/** The page says nothing of its own; what has a hash in its name never changes. */
function serveAsset(c: Context, { type, body, immutable }: Asset): Response {
  c.header('content-type', type)
  c.header('cache-control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache')
  return c.body(body)
}

function refuseMethod(c: Context, pattern: string, guard: Guard): never {
  const methods = ROUTES.filter((route) => route.pattern === pattern).map(({ method }) => method)
  guard.admit(c, 'read')
  const allow = [...methods, methods.includes('GET') ? 'HEAD' : []].flat().join(', ')
  throw new Refusal(405, 'method_not_allowed', `this takes ${allow} only`, { allow })
}

function tooLong(): never {
  throw new Refusal(413, 'too_long', `a body may have ${MOST_BYTES} bytes at most`)
}

const STATUS: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  input_invalid: 400,
  not_found: 404,
  config_invalid: 503,
  database_unreachable: 503,
  not_migrated: 503,
}

function serveError(c: Context<Env>, error: unknown, log: Log): Response {
  const fault = isCutOff(c, error) ? CUT_OFF : explainDatabaseError(error)
  const refusal = refusalOf(fault)
  if (refusal.status >= 500) log('error', 'console failed', { path: pathOf(c), error: describe(fault) })
  if (refusal.code === 'database_unreachable') c.env.lost?.()
  for (const [name, value] of Object.entries(refusal.headers)) c.header(name, value)
  return c.json({ error: { code: refusal.code, message: refusal.message } }, refusal.status)
}

const CUT_OFF = new AppError('input_invalid', 'the body did not come whole')

/** Whoever asks left before all was there, by an error that looks like one of the database's. */
const isCutOff = (c: Context, error: unknown) => c.req.raw.signal.aborted && codeOf(error) === 'ECONNRESET'

function refusalOf(fault: unknown): Refusal {
  if (fault instanceof Refusal) return fault
  const status = fault instanceof AppError ? STATUS[fault.code] : undefined
  if (fault instanceof AppError && status) return new Refusal(status, fault.code, fault.message)
  // Class 22: Postgres was given a value that it cannot take, such as a text with a zero byte or a time out of its range.
  if (codeOf(fault).startsWith('22')) return new Refusal(400, 'input_invalid', 'a value is none that can be')
  return new Refusal(500, 'internal', 'this should not have happened; the log has more')
}

/** Whoever asks writes it: without line breaks, and short enough for a log. */
const pathOf = (c: Context) => inert(c.req.path).slice(0, 200)

const timed = (log: Log, now: () => number) => async (c: Context<Env>, next: () => Promise<void>) => {
  const startedAt = now()
  await next()
  const { method } = c.req
  const { status } = c.res
  const isNews = (method !== 'GET' && method !== 'HEAD') || status === 401 || status === 403 || status >= 429
  const fields = { method, path: pathOf(c), status, address: c.env.address, durationMs: now() - startedAt }
  log(isNews ? 'info' : 'debug', 'console answered', fields)
}

const HEADERS = {
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  permissionsPolicy: {
    camera: false,
    microphone: false,
    geolocation: false,
    displayCapture: false,
    payment: false,
    usb: false,
  },
  xFrameOptions: 'DENY',
}
const overHttp = secureHeaders({ ...HEADERS, strictTransportSecurity: false })
const overHttps = secureHeaders({ ...HEADERS, strictTransportSecurity: 'max-age=31536000' })

/** What every answer has, refusals too. */
const hardened = async (c: Context, next: () => Promise<void>) => {
  await (c.req.url.startsWith('https:') ? overHttps : overHttp)(c, next)
  if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store')
}
