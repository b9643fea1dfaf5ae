// A double of the Tencent Cloud APIs that a deployment of Rollcall uses: SCF, Secrets Manager and Cloud Log Service, in one
// region, on a real socket. It stands at the network's rim: behind it uploaded zips really run, in processes of their own.
// It must be stricter than the real thing rather than laxer, and say in its files which rules are documented and which
// inferred.
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasNodes, node18, node20 } from '../support/nodes.ts'
import { ApiError } from './api-error.ts'
import { authenticate, authorize, type Credential, issue, type Known, type Policy } from './credentials.ts'
import { type Fault, type Faults, isChange, takeFault } from './fault.ts'
import type { FunctionState } from './function-state.ts'
import { serveUrl, urlPlace } from './function-url.ts'
import type { Invocation } from './invocation-log.ts'
import { closePool, idle, openPool, retire } from './pool.ts'
import type { Region, RegionSettings } from './region.ts'
import { actionOf } from './services.ts'
import { startClock, tickTimers } from './timers.ts'

export type { Fault } from './fault.ts'
export type { Invocation } from './invocation-log.ts'

export interface CloudOptions extends Partial<RegionSettings> {
  /** What the running role may do; by default to invoke functions and to read secrets. */
  roleMay?: string[]
  /** What the person may do; by default everything. */
  personMay?: string[]
}

/** A request that the API understood, in order of arrival. */
export interface Call {
  service: string
  action: string
  /** Code is abbreviated. */
  params: Record<string, unknown>
  caller: Known['owner'] | 'unknown'
  at: Date
  /** The code it was refused with. */
  error: string | null
}

export interface Cloud {
  /** http://localhost:PORT; the services are at scf.localhost, ssm.localhost and cls.localhost. */
  url: string
  /** The key pair of who deploys. */
  person: Required<Pick<Credential, 'secretId' | 'secretKey'>>
  /** Values by name, of the version SSM_Current, and by `name/version`. */
  secrets: Map<string, string>
  /** Who may do what; may be changed at any time. */
  policy: Policy
  calls: Call[]
  /** Every run of a function, in the order they ended. */
  invocations: Invocation[]
  functions(): FunctionState[]
  /**
   * The address of a function's URL, with a slash at its end; of several, see their TriggerDesc. For those who can resolve
   * it there is also `http://NAME.url.localhost:PORT/`.
   */
  functionUrl(name: string): string
  fault(fault: Fault): void
  /** After so many more changes by the person nothing is answered, nor is the last of them if `lost`, until `revive`. */
  dieAfter(changes: number, lastAnswer?: 'given' | 'lost'): void
  revive(): void
  /** From now on the temporary credentials that functions have are refused; their next invocation gets new ones. */
  expireCredentials(): void
  /** Fires the timers that are due at this second; gives the request ids. */
  tickTimers(at: Date): string[]
  /** Fires timers by the real clock, until `stopClock`. */
  startClock(): void
  stopClock(): void
  /** Ends idle instances: the next invocation starts cold. */
  recycle(): void
  /** Resolves when no asynchronous invocation runs, waits, or will be tried again. */
  idle(): Promise<void>
  close(): Promise<void>
}

const DEFAULTS: RegionSettings = {
  region: 'ap-guangzhou',
  busyMs: 30,
  retryMs: 50,
  vpcs: undefined,
  roles: undefined,
  totalMb: 128_000,
  freezes: false,
  timerOffsetHours: 0,
  renamesUrls: false,
  nodeOf: (runtime) => (hasNodes ? (runtime === 'Nodejs18.15' ? node18() : node20()) : process.execPath),
}

/** Opens it on a free port of 127.0.0.1. */
export async function openCloud({ roleMay, personMay, ...chosen }: CloudOptions = {}): Promise<Cloud> {
  const policy: Policy = { person: personMay ?? ['*'], role: roleMay ?? ['scf:InvokeFunction', 'ssm:GetSecretValue'] }
  const region: Region = {
    settings: { ...DEFAULTS, ...chosen },
    credentials: { known: new Map(), policy },
    functions: new Map(),
    secrets: new Map(),
    pool: openPool(),
    invocations: [],
    logs: [],
    folder: await mkdtemp(join(tmpdir(), 'rollcall-cloud-')),
    url: '',
  }
  const faults: Faults = { faults: [], changesLeft: undefined, isLastAnswerLost: false }
  const calls: Call[] = []
  const server = createServer((request, response) => {
    const place = urlPlace(request)
    const served = text(request).then((body) => {
      if (faults.changesLeft === 0) return void response.destroy()
      if (place) return serveUrl(region, place, request, body, response)
      return serveApi(region, faults, calls, request, body, response)
    })
    served.catch((error: unknown) => response.destroy(error as Error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  region.url = `http://localhost:${(server.address() as AddressInfo).port}`
  let stopClock = () => {}
  return {
    url: region.url,
    person: issue(region.credentials, 'person'),
    secrets: region.secrets,
    policy,
    calls,
    invocations: region.invocations,
    functions: () => [...region.functions.values()],
    functionUrl: (name) => `${region.url}/url/${name}/`,
    fault: (fault) => void faults.faults.push({ fault, left: fault.times ?? 1 }),
    dieAfter: (changes, lastAnswer = 'given') =>
      void Object.assign(faults, { changesLeft: changes, isLastAnswerLost: lastAnswer === 'lost' }),
    revive: () => void (faults.changesLeft = undefined),
    expireCredentials: () => {
      for (const known of region.credentials.known.values()) known.isExpired ||= known.owner === 'role'
    },
    tickTimers: (at) => tickTimers(region, at),
    startClock: () => {
      stopClock()
      stopClock = startClock(region)
    },
    stopClock: () => stopClock(),
    recycle: () => retire(region.pool),
    idle: () => idle(region),
    close: async () => {
      stopClock()
      await closePool(region.pool)
      server.close()
      server.closeAllConnections()
      await rm(region.folder, { recursive: true, force: true })
    },
  }
}

/** One request: who is it, what is wanted, what goes wrong on purpose, the action, the answer. */
async function serveApi(
  region: Region,
  faults: Faults,
  calls: Call[],
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const { headers } = request
  const service = headers.host?.split('.')[0] ?? ''
  const action = String(headers['x-tc-action'])
  const call: Call = { service, action, params: {}, caller: 'unknown', at: new Date(), error: null }
  calls.push(call)
  const run = async (): Promise<object> => {
    const perform = actionOf(service, action, headers, region.settings.region)
    const known = authenticate(region.credentials, headers, service, body)
    call.caller = known.owner
    const parameters = parametersOf(body)
    call.params = abbreviated(parameters)
    authorize(region.credentials, known, service, action)
    const fault = takeFault(faults, action)
    if (fault && fault.when !== 'after') await strike(fault, response)
    if (response.writableEnded || response.destroyed) return {}
    const failsFor =
      fault?.kind === 'badState'
        ? { ErrorCode: fault.code ?? 'InternalError', ErrorMessage: fault.message ?? 'It failed on purpose.' }
        : null
    const answer = await perform(region, parameters, { failsFor })
    if (fault?.when === 'after') await strike(fault, response)
    return answer
  }
  const outcome = await run().catch((error: unknown) => {
    const { code, message } =
      error instanceof ApiError ? error : { code: 'InternalError', message: `This double failed: ${String(error)}` }
    call.error = code
    return { Error: { Code: code, Message: message } }
  })
  if (faults.changesLeft !== undefined && call.caller === 'person' && isChange(action)) {
    faults.changesLeft -= 1
    if (faults.changesLeft === 0 && faults.isLastAnswerLost) return void response.destroy()
  }
  if (response.destroyed || response.writableEnded) return
  const answer = { Response: { ...outcome, RequestId: crypto.randomUUID() } }
  response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
}

/** Does what the fault says: throws, spoils the answer, or takes its time. */
async function strike({ kind, code, message, ms = 0 }: Fault, response: ServerResponse): Promise<void> {
  switch (kind) {
    case 'error':
      throw new ApiError(code ?? 'InternalError', message ?? 'It failed on purpose.')
    case 'http500':
      return void response.writeHead(500).end('Internal Server Error')
    case 'html':
      return void response.setHeader('content-type', 'text/html').end('<html><body>Please log in</body></html>')
    case 'hangup':
      return void response.destroy()
    case 'delay':
      return sleep(ms)
    case 'badState':
  }
}

function parametersOf(body: string): Record<string, unknown> {
  try {
    const parameters: unknown = JSON.parse(body)
    if (typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters)) return { ...parameters }
  } catch {}
  throw new ApiError('InvalidParameter', 'The body of the request is no JSON object.')
}

function abbreviated(parameters: Record<string, unknown>): Record<string, unknown> {
  const short = (key: string, value: unknown) =>
    key === 'ZipFile' && typeof value === 'string' ? `${value.length} characters` : value
  return JSON.parse(JSON.stringify(parameters, short)) as Record<string, unknown>
}

async function text(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await request.toArray()).toString()
}
