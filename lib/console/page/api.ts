// Every call of the API. It must never leave the origin, and tells a lost session from a refusal and from a lost connection.
import type {
  AddedEndpoint,
  Attempts,
  Deliveries,
  Enabled,
  Endpoint,
  EndpointChange,
  Endpoints,
  Failure,
  Me,
  NewEndpoint,
  Now,
  Pinged,
  Replay,
  Replayed,
  Secrets,
  SessionLife,
  Sessions,
  SessionsQuery,
  Timeline,
  Watching,
} from '../schemas.ts'
import { account, clockOffset, heardAt, isOver, me } from './state.ts'

/** An answer other than 2xx. `code` is the API's, such as `input_invalid`. */
export class Refused extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.name = 'Refused'
    this.status = status
    this.code = code
  }
}

/** No answer: the network, or the server, is away. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

type Query = Record<string, string | undefined>

/** The address of a call, without what is undefined or empty. */
export function addressOf(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]))
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}

interface Call {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  body?: unknown
  etag?: string | undefined
  signal?: AbortSignal | undefined
}

/** A server that hangs is away: a ping to an endpoint, the longest call, takes half of it. */
const WAIT_MS = 30_000

async function send(address: string, { method = 'GET', body, etag, signal }: Call): Promise<Response> {
  const csrf = me.get()?.csrf
  const headers = {
    accept: 'application/json',
    ...(method !== 'GET' && { 'content-type': 'application/json' }),
    ...(method !== 'GET' && csrf && { 'x-csrf-token': csrf }),
    ...(etag && { 'if-none-match': etag }),
  }
  let response: Response
  try {
    response = await fetch(address, {
      method,
      headers,
      credentials: 'same-origin',
      // The ETag is asked with here, and the browser's own cache would answer in its place.
      cache: 'no-store',
      ...(method !== 'GET' && { body: JSON.stringify(body ?? {}) }),
      signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)]) : AbortSignal.timeout(WAIT_MS),
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Unreachable('no answer', { cause: error })
  }
  noteClock(response.headers.get('date'))
  // Who logged in anew in another tab has another cookie, to which another token belongs.
  if (response.status === 403 && method !== 'GET') {
    me.set(await readMe())
    if (me.get()?.csrf !== csrf) return send(address, { method, body, etag, signal })
  }
  if (response.ok || response.status === 304) {
    heardAt.set(Date.now())
    return response
  }
  const failure: Partial<Failure> = await response.json().catch(() => ({}))
  const { code = 'unknown', message = response.statusText } = failure.error ?? {}
  // Whoever was logged in is not any more; a wrong token at the login is no news.
  if (response.status === 401 && !address.endsWith('/login')) {
    if (me.get()) isOver.set(true)
    me.set(null)
  }
  throw new Refused(response.status, code, message)
}

/** The header knows whole seconds: only what is more than that is a difference. */
const CLOCK_MS = 1_500

function noteClock(date: string | null): void {
  const offset = Date.parse(date ?? '') - Date.now()
  if (Math.abs(offset - clockOffset.get()) > CLOCK_MS) clockOffset.set(Math.abs(offset) > CLOCK_MS ? offset : 0)
}

async function call<T>(address: string, options: Call = {}): Promise<T> {
  const response = await send(address, options)
  return (await response.json()) as T
}

/** What one can look at, by the type of its answer. */
export interface Address<T> {
  address: string
  /** Never there: it carries the type. */
  answers?: T
}

/** An answer with its ETag, or null where it is still what that ETag stands for. */
export async function fetchIfChanged<T>(
  { address }: Address<T>,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<{ answer: T; etag: string | undefined } | null> {
  const response = await send(address, { etag, signal })
  if (response.status === 304) return null
  return { answer: (await response.json()) as T, etag: response.headers.get('etag') ?? undefined }
}

const at = <T>(path: string, query: Query = {}): Address<T> => ({ address: addressOf(path, query) })
const text = encodeURIComponent

/** The addresses of what is looked at again and again. */
export const queries = {
  now: () => at<Now>('/api/now', { account: account.get() }),
  timeline: (from: Date, to: Date) =>
    at<Timeline>('/api/timeline', { account: account.get(), from: from.toISOString(), to: to.toISOString() }),
  sessions: (query: SessionsQuery) => at<Sessions>('/api/sessions', { ...query }),
  session: (of: string, id: string, incarnation: number, unmasked: boolean) =>
    at<SessionLife>(`/api/sessions/${text(of)}/${text(id)}/${incarnation}`, unmasked ? { unmasked: 'true' } : {}),
  endpoints: () => at<Endpoints>('/api/endpoints'),
  deliveries: (query: { endpoint?: string; state?: string; session?: string; cursor?: string; limit?: string }) =>
    at<Deliveries>('/api/deliveries', query),
  attempts: (delivery: string) => at<Attempts>(`/api/deliveries/${text(delivery)}/attempts`),
  watching: (from: Date, to: Date) =>
    at<Watching>('/api/watching', { account: account.get(), from: from.toISOString(), to: to.toISOString() }),
}

/** One look. */
export const get = <T>({ address }: Address<T>, signal?: AbortSignal): Promise<T> => call<T>(address, { signal })

const endpointAt = (id: string, verb = '') => `/api/endpoints/${text(id)}${verb && `/${verb}`}`
const post = <T>(address: string, body?: unknown) => call<T>(address, { method: 'POST', body })

export const readMe = (): Promise<Me> => call<Me>('/api/me')
export const login = (token: string): Promise<unknown> => post('/api/login', { token })
export const logout = (): Promise<unknown> => post('/api/logout')
export const addEndpoint = (endpoint: NewEndpoint): Promise<AddedEndpoint> => post('/api/endpoints', endpoint)
export const changeEndpoint = (id: string, change: EndpointChange): Promise<Endpoint> =>
  call(endpointAt(id), { method: 'PATCH', body: change })
export const removeEndpoint = (id: string): Promise<unknown> => call(endpointAt(id), { method: 'DELETE' })
export const rotate = (id: string, graceHours: number): Promise<Secrets> =>
  post(endpointAt(id, 'rotate'), { graceHours })
export const ping = (id: string): Promise<Pinged> => post(endpointAt(id, 'ping'))
export const pause = (id: string): Promise<unknown> => post(endpointAt(id, 'pause'))
export const enable = (id: string, missed: 'all' | 'latest' | 'none'): Promise<Enabled> =>
  post(endpointAt(id, 'enable'), { missed })
/** One step of a replay; the next is asked for with its `next` as `cursor`. */
export const replay = (step: Replay): Promise<Replayed> => post('/api/replay', step)
