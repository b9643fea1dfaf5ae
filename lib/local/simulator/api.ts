// The API as a function of one request: signature, envelope, endpoint. It must answer every failure with HTTP 200 and
// a Header.Code, as the real one does.
import { text } from './chance.ts'
import { refuse, type Refusal } from './codes.ts'
import { listing, streamOf } from './listing.ts'
import { isSigned } from './signature.ts'
import * as sessions from './simulator.ts'
import type { Outcome, Simulator } from './simulator.ts'

/** Where the endpoints are. */
export const basePath = '/v2/ivh/sessionmanager/sessionmanagerservice/'

/** A call as it came in: the endpoint's name, the raw query string, the body's text. */
export interface Call {
  endpoint: string
  query: string
  body: string
}

/** What goes out: the HTTP status and the JSON text. */
export interface Answer {
  status: number
  body: string
}

type Fields = Record<string, unknown>

const endpoints: Record<string, (simulator: Simulator, payload: Fields) => Outcome<object>> = {
  listsessionofuin: (simulator) => ({ ok: listing(simulator) }),
  listsessionofprojectid: (simulator, { VirtualmanProjectId: id }) =>
    isText(id) ? { ok: listing(simulator, (session) => session.projectId === id) } : missing('VirtualmanProjectId'),
  listsessionofassetvk: (simulator, { AssetVirtualmanKey: key }) =>
    isText(key) ? { ok: listing(simulator, (session) => session.assetKey === key) } : missing('AssetVirtualmanKey'),
  statsession: (simulator, { SessionId: id }) => (isText(id) ? stat(simulator, id) : missing('SessionId')),
  createsession: (simulator, { VirtualmanProjectId: projectId, ...payload }) =>
    isText(projectId) ? create(simulator, payload, { projectId }) : missing('VirtualmanProjectId'),
  createsessionbyasset: (simulator, { AssetVirtualmanKey: assetKey, ...payload }) =>
    isText(assetKey) ? create(simulator, payload, { assetKey }) : missing('AssetVirtualmanKey'),
  startsession: (simulator, { SessionId: id }) =>
    isText(id) ? emptied(sessions.startSession(simulator, id)) : missing('SessionId'),
  closesession: (simulator, { SessionId: id }) =>
    isText(id) ? emptied(sessions.closeSession(simulator, id)) : missing('SessionId'),
}

/** True for a name the API has. */
export function isEndpoint(name: string): boolean {
  return Object.hasOwn(endpoints, name)
}

/** Answers one call as a healthy gateway does; the call's effects happen now. */
export function answer(simulator: Simulator, call: Call): Answer {
  sessions.advance(simulator)
  if (!isSigned(call.query, simulator, simulator.wallClock())) return unauthorized(simulator)
  const request = parse(call.body)
  if (!isObject(request) || !isObject(request['Header']) || !isObject(request['Payload'])) {
    return refused(simulator, refuse(100001, 'Header and Payload are needed'))
  }
  const { ReqId: reqId, ...payload } = request['Payload']
  if (!isText(reqId) || !/^[0-9a-f]{32}$/i.test(reqId)) return refused(simulator, missing('ReqId'))
  const outcome = endpoints[call.endpoint]?.(simulator, payload) ?? refuse(100001, 'no such endpoint')
  if (!('ok' in outcome)) return refused(simulator, outcome, reqId)
  return envelope(simulator, { code: 0, message: '' }, { ReqId: reqId, ...outcome.ok })
}

/** A failure with HTTP 200, as the API sends them. */
export function refused(simulator: Simulator, refusal: Refusal, reqId = ''): Answer {
  return envelope(simulator, refusal, simulator.settings.payloadOnFailure ? { ReqId: reqId } : undefined)
}

/** The answer to a bad signature, a stale timestamp or an unknown appkey. */
export function unauthorized(simulator: Simulator): Answer {
  return { ...refused(simulator, refuse(100005)), status: simulator.settings.unauthorizedStatus }
}

function envelope(simulator: Simulator, { code, message }: Refusal, payload: object | undefined): Answer {
  const requestId = text(simulator.chance.answers, '0123456789abcdef', 32)
  const body = { Header: { Code: code, Message: message, RequestID: requestId }, ...(payload && { Payload: payload }) }
  return { status: 200, body: simulator.settings.trailingCommas ? withTrailingCommas(body) : JSON.stringify(body) }
}

function stat(simulator: Simulator, sessionId: string): Outcome<object> {
  if (simulator.settings.statUnavailable) return refuse(-101000)
  const session = simulator.sessions.get(sessionId)
  if (session === undefined || sessions.isForgotten(simulator, session)) return refuse(110018)
  const { status: SessionStatus, started: IsSessionStarted, errorCode: ErrorCode, errorMessage } = session
  const message = errorMessage === '' ? {} : { ErrorMessage: errorMessage }
  return { ok: { SessionStatus, ...streamOf(session), IsSessionStarted, ErrorCode, ...message } }
}

function create(
  simulator: Simulator,
  { UserId: userId, Protocol: protocol = 'rtmp', DriverType: driver = 1 }: Fields,
  of: { projectId: string } | { assetKey: string },
): Outcome<object> {
  if (!isText(userId)) return missing('UserId')
  if (protocol !== 'rtmp' && protocol !== 'trtc' && protocol !== 'webrtc') return missing('Protocol')
  const driverType = Number(driver)
  if (driverType !== 1 && driverType !== 3) return missing('DriverType')
  const outcome = sessions.createSession(simulator, { userId, protocol, driverType, ...of })
  if (!('ok' in outcome)) return outcome
  const { id: SessionId, status: SessionStatus } = outcome.ok
  return { ok: { SessionId, SessionStatus, ...streamOf(outcome.ok) } }
}

function emptied(outcome: Outcome<unknown>): Outcome<object> {
  return 'ok' in outcome ? { ok: {} } : outcome
}

function missing(field: string): Refusal {
  return refuse(100001, `${field} is missing or wrong`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

function withTrailingCommas(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map((item) => `${withTrailingCommas(item)},`).join('')}]`
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${withTrailingCommas(member)},`)
    .join('')}}`
}
