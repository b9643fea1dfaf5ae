// What goes wrong between the caller and the API: drawn from a queue ("the next 2 lists") or by chance, before the API
// itself is asked. It must leave sessions alone, except for the kinds marked "after the call took effect".
import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, refused, unauthorized } from './api.ts'
import { happens } from './chance.ts'
import { refuse } from './codes.ts'
import type { Simulator } from './simulator.ts'

/** The kinds, each with what it does and the fields it reads. */
export const faultKinds = {
  code: 'Header.Code `code` (-101000) with HTTP 200',
  slow: 'the true answer, `delayMs` (1000) late',
  cut: 'the connection ends before the answer, after the call took effect',
  cutBody: 'the connection ends in the middle of the body, after the call took effect',
  html: 'an HTML page with HTTP `status` (200)',
  status: 'HTTP `status` (500) with a line of text',
  body: 'any text, `body` ("[]"), as JSON with HTTP `status` (200)',
  invalidJson: 'a body that is not JSON',
  truncatedJson: 'the first half of the true answer as if it were whole, after the call took effect',
  huge: 'a valid list, padded to `bytes` (64 MiB)',
  never: 'no answer at all, until the caller hangs up',
  badSignature: 'the answer to a bad signature',
  redirect: '302 to `location` ("/redirected")',
} as const

/** One fault. Without `share` it strikes the next `times` (1) calls and is gone; with it, that share of calls, for good. */
export interface Fault {
  kind: keyof typeof faultKinds
  times?: number
  share?: number
  /** Strikes only endpoints whose name contains this: `list` is all three lists. */
  path?: string
  /** Real milliseconds before anything is sent; possible with every kind. */
  delayMs?: number
  code?: number
  status?: number
  body?: string
  bytes?: number
  location?: string
}

/** The fault that strikes this call, if any: the oldest queued one first, then those by chance. Uses up a queued one. */
export function takeFault({ faults, chance }: Simulator, endpoint: string): Fault | undefined {
  const concerned = faults.filter(({ path = '' }) => endpoint.includes(path))
  const queued = concerned.find(({ share }) => share === undefined)
  if (queued === undefined) return concerned.find(({ share = 0 }) => happens(chance.answers, share))
  const times = (queued.times ?? 1) - 1
  faults.splice(faults.indexOf(queued), 1, ...(times > 0 ? [{ ...queued, times }] : []))
  return queued
}

/** Answers a call with a fault; `call` has it take effect and gives the true answer, as of before any delay. */
export async function strike(
  simulator: Simulator,
  fault: Fault,
  response: ServerResponse,
  call: () => Answer,
): Promise<void> {
  const { kind, status } = fault
  const late = kind === 'slow' ? 1000 : 0
  const truthful = kind === 'slow' || kind === 'cut' || kind === 'cutBody' || kind === 'truncatedJson'
  const { status: trueStatus, body } = truthful ? call() : { status: 200, body: '' }
  // Not ref'd: the open socket keeps the process alive as long as somebody waits.
  await delay(fault.delayMs ?? late, undefined, { ref: false })
  switch (kind) {
    case 'code':
      return send(response, refused(simulator, refuse(fault.code ?? -101000)))
    case 'slow':
      return send(response, { status: trueStatus, body })
    case 'cut':
      return void response.destroy()
    case 'cutBody':
      response.writeHead(trueStatus, { ...jsonType, 'content-length': Buffer.byteLength(body) })
      return void response.write(firstHalf(body), () => response.destroy())
    case 'html':
      return send(response, { status: status ?? 200, body: '<html><body><h1>nginx</h1></body></html>' }, 'text/html')
    case 'status':
      return send(response, { status: status ?? 500, body: 'upstream error\n' }, 'text/plain')
    case 'body':
      return send(response, { status: status ?? 200, body: fault.body ?? '[]' })
    case 'invalidJson':
      return send(response, { status: 200, body: '{"Header":{"Code":0,"Message":undefined}}' })
    case 'truncatedJson':
      return send(response, { status: trueStatus, body: firstHalf(body) })
    case 'huge':
      return sendPadded(response, fault.bytes ?? 64 * 1024 * 1024)
    case 'never':
      return
    case 'badSignature':
      return send(response, unauthorized(simulator))
    case 'redirect':
      return void response.writeHead(302, { location: fault.location ?? '/redirected' }).end()
  }
}

const jsonType = { 'content-type': 'application/json;charset=utf-8' }

/** Sends an answer whole. */
export function send(response: ServerResponse, { status, body }: Answer, type = jsonType['content-type']): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}

function firstHalf(body: string): string {
  return body.slice(0, Math.floor(body.length / 2))
}

async function sendPadded(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, jsonType)
  // `pipeline` waits for a slow reader and stops when the caller hangs up, which is no error here.
  await pipeline(paddedList(bytes), response).catch(() => undefined)
}

function* paddedList(bytes: number): Generator<Buffer> {
  const head = Buffer.from('{"Header":{"Code":0,"Message":""},"Payload":{"Sessions":[')
  const tail = Buffer.from(']}}')
  const padding = Buffer.alloc(64 * 1024, ' ')
  yield head
  for (let left = bytes - head.length - tail.length; left > 0; left -= padding.length) yield padding.subarray(0, left)
  yield tail
}

/** A fault of outside origin, checked; throws an Error that says what is wrong. */
export function parseFault(value: unknown): Fault {
  if (typeof value !== 'object' || value === null || !('kind' in value)) {
    throw new Error('fault: expected an object such as {"kind": "cut", "times": 2, "path": "list"}')
  }
  if (typeof value.kind !== 'string' || !Object.hasOwn(faultKinds, value.kind)) {
    throw new Error(`kind: expected one of ${Object.keys(faultKinds).join(', ')}, got ${JSON.stringify(value.kind)}`)
  }
  for (const [key, field] of Object.entries(value)) {
    const expected = fieldTypes[key]
    if (expected === undefined) throw new Error(`${key}: not a field of a fault`)
    if (typeof field !== expected) throw new Error(`${key}: expected a ${expected}, got ${JSON.stringify(field)}`)
  }
  return value as Fault
}

const fieldTypes: Record<string, 'string' | 'number'> = {
  kind: 'string',
  times: 'number',
  share: 'number',
  path: 'string',
  delayMs: 'number',
  code: 'number',
  status: 'number',
  body: 'string',
  bytes: 'number',
  location: 'string',
}
