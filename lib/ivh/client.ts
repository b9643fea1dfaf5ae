import { setTimeout as sleep } from 'node:timers/promises'
import type { Evidence } from '../core/diff.ts'
import { CLOSED } from '../core/session.ts'
import { AppError } from '../errors.ts'
import { newId } from '../id.ts'
import { openAgents, RequestFault, send } from '../http.ts'
import { itemsOf, parseAnswer, type ParsedAnswer, readStat } from './protocol.ts'
import { signedQuery } from './sign.ts'

/** One account's access to the Digital Human API. */
export interface Api {
  baseUrl: string
  appkey: string
  accessToken: string
}

const agents = openAgents()
const SERVICE = '/v2/ivh/sessionmanager/sessionmanagerservice/'
const MAX_LISTING_BYTES = 64 * 1024 * 1024
const MAX_STAT_BYTES = 64 * 1024
const NOT_AUTHORISED = 100005
const ALREADY_CLOSED = 110013
const DOES_NOT_EXIST = 110018
/** Codes after which the same call may succeed a moment later (code table of the API). */
const RETRYABLE = new Set([-101000, -101001, -101002, 100012])
const TRIES = 3
const FIRST_WAIT_MS = 200

/** All ongoing sessions of an account, as the API answered. */
export interface ListAnswer {
  items: unknown[]
  /** Those of the answer from its list on, and nothing that is another at each call. */
  bytes: Uint8Array
}

/**
 * All ongoing sessions of the account, complete, within `deadlineMs` for all tries together. Throws `api_unreachable`,
 * `api_refused` or `api_answer_invalid`.
 */
export async function listSessions(api: Api, deadlineMs: number): Promise<ListAnswer> {
  const { code, message, answer, body } = await call(api, 'listsessionofuin', {}, deadlineMs, MAX_LISTING_BYTES)
  if (code !== 0) throw refused(api, 'listsessionofuin', code, message)
  // Before it is the header, with the number of the call.
  return { items: itemsOf(answer), bytes: body.subarray(Math.max(0, body.indexOf('"Sessions"'))) }
}

/** What the API says of one session, `gone` when it does not know it. Throws as `listSessions` does. */
export async function statSession(api: Api, sessionId: string, deadlineMs: number): Promise<Evidence> {
  const payload = { SessionId: sessionId }
  const { code, message, answer } = await call(api, 'statsession', payload, deadlineMs, MAX_STAT_BYTES)
  if (code === DOES_NOT_EXIST) return { kind: 'gone' }
  if (code === ALREADY_CLOSED)
    return { kind: 'found', status: CLOSED, started: false, playStreamAddr: null, error: null }
  if (code !== 0) throw refused(api, 'statsession', code, message)
  return readStat(answer)
}

async function call(
  api: Api,
  method: string,
  payload: Record<string, string>,
  deadlineMs: number,
  maxBytes: number,
): Promise<ParsedAnswer & { body: Buffer }> {
  const end = performance.now() + deadlineMs
  for (let attempt = 1; ; attempt++) {
    const waitMs = FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random())
    const mayRetry = () => attempt < TRIES && performance.now() + waitMs < end
    try {
      const answer = await callOnce(api, method, payload, end - performance.now(), maxBytes)
      if (!RETRYABLE.has(answer.code) || !mayRetry()) return answer
    } catch (error) {
      if (!mayRetry()) throw error
    }
    await sleep(waitMs)
  }
}

async function callOnce(
  api: Api,
  method: string,
  payload: Record<string, string>,
  deadlineMs: number,
  maxBytes: number,
): Promise<ParsedAnswer & { body: Buffer }> {
  const url = new URL(api.baseUrl.replace(/\/+$/, '') + SERVICE + method)
  url.search = signedQuery(api.appkey, api.accessToken, new Date())
  const body = JSON.stringify({ Header: {}, Payload: { ReqId: newId(''), ...payload } })
  const headers = { 'content-type': 'application/json;charset=utf-8' }
  const request = { method: 'POST', headers, body, deadlineMs: Math.max(1, deadlineMs), maxBytes } as const
  const answer = await send(agents, url, request).catch((error: unknown) => {
    const what = error instanceof RequestFault ? error.message : 'no answer'
    throw new AppError('api_unreachable', `${method} at ${url.host}: ${what}`, { cause: error })
  })
  if (answer.truncated) {
    throw new AppError('api_answer_invalid', `${method} at ${url.host} answered more than ${maxBytes} bytes`)
  }
  // The decoder drops a byte order mark, which JSON.parse would not.
  const text = new TextDecoder().decode(answer.body)
  if (answer.status === 200) return { ...parseAnswer(text), body: answer.body }
  // A gateway may give its refusal a status of HTTP; the code in it says more.
  const refusal = refusalIn(text)
  if (refusal) return { ...refusal, body: answer.body }
  throw new AppError('api_unreachable', `${method} at ${url.host} answered HTTP ${answer.status}`)
}

function refusalIn(text: string): ParsedAnswer | undefined {
  try {
    const parsed = parseAnswer(text)
    return parsed.code === 0 ? undefined : parsed
  } catch {
    return undefined
  }
}

function refused(api: Api, method: string, code: number, text: string): AppError {
  const message = withoutSecrets(text, api)
  const cure =
    code === NOT_AUTHORISED
      ? '; check IVH_APPKEY and IVH_ACCESS_TOKEN, and that the clock here is right to 5 minutes'
      : ''
  return new AppError('api_refused', `${method} answered code ${code} (${message})${cure}`)
}

/** Some gateways repeat what they could not verify; and a stream's address may hold the right to watch it. */
function withoutSecrets(text: string, { appkey, accessToken }: Api): string {
  let shown = text.replaceAll(/\S*:\/\/\S*/g, '…').replaceAll(/\b(signature=)[^\s&]+/gi, '$1…')
  for (const secret of [appkey, accessToken, encodeURIComponent(appkey), encodeURIComponent(accessToken)]) {
    shown = shown.replaceAll(secret, '…')
    // A long message is cut, which may leave the beginning of a secret at its end.
    for (let length = secret.length - 1; length >= 4; length -= 1) {
      if (shown.endsWith(secret.slice(0, length))) shown = `${shown.slice(0, -length)}…`
    }
  }
  return shown
}
