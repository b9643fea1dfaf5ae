// The state of one region of the cloud, which all actions read and write; and what a test may choose about it.
import type { StatusReason } from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError, invalid } from './api-error.ts'
import type { Credentials } from './credentials.ts'
import { assertReady, type FunctionState } from './function-state.ts'
import type { Invocation, Pool } from './pool.ts'
import { parse, type Shape } from './parameters.ts'

export interface RegionSettings {
  region: string
  /** How long a function is Creating, Updating or Publishing. */
  busyMs: number
  /** The wait before an asynchronous invocation that failed is tried again: a minute in the real SCF. */
  retryMs: number
  /** The VPCs that exist with their subnets; undefined: any. */
  vpcs: Record<string, string[]> | undefined
  /** The roles that exist; undefined: any. */
  roles: string[] | undefined
  /** The memory that the running instances of all functions may have together. */
  totalMb: number
  /** Stops instances between invocations by SIGSTOP, as SCF freezes them. */
  freezes: boolean
  /** Of timers. Tencent documents no zone for SCF's (583/9708), and UTC+8 for the same timers elsewhere. */
  timerOffsetHours: number
  /** Whether a function URL's trigger gets a name of its own, as in the API's example, rather than the one it was given. */
  renamesUrls: boolean
  /** The Node that runs a Runtime. */
  nodeOf: (runtime: string) => string | Promise<string>
}

/** A line of a function's log, as SCF delivers it to CLS. */
export interface LogLine {
  topicId: string
  atMs: number
  fields: Record<string, string>
}

export interface Region {
  settings: RegionSettings
  credentials: Credentials
  functions: Map<string, FunctionState>
  /** Values by name, of the version SSM_Current, and by `name/version`. */
  secrets: Map<string, string>
  pool: Pool
  invocations: Invocation[]
  logs: LogLine[]
  /** Where unpacked code lies. */
  folder: string
  /** http://localhost:PORT */
  url: string
}

/** What a fault adds to one request: why the work it begins will fail. */
export interface Circumstances {
  failsFor: StatusReason | null
}

/** An action of the API: takes what the caller sent, gives the answer without its RequestId, or throws an ApiError. */
export type Action = (region: Region, parameters: unknown, circumstances: Circumstances) => object | Promise<object>

/** An action whose parameters are checked first. */
export function action<Request extends object>(
  shape: Shape<Request>,
  run: (region: Region, parameters: Request, circumstances: Circumstances) => object | Promise<object>,
): Action {
  return (region, parameters, circumstances) => run(region, parse(shape, parameters), circumstances)
}

/** Throws the code, or ResourceNotFound.Namespace: there is only `default`. */
export function functionOf(
  { functions }: Region,
  { FunctionName: name = '', Namespace = 'default' }: { FunctionName?: string; Namespace?: string },
  code = 'ResourceNotFound.FunctionName',
): FunctionState {
  if (Namespace !== 'default') throw new ApiError('ResourceNotFound.Namespace', `There is no namespace ${Namespace}.`)
  const found = functions.get(name)
  if (!found) throw new ApiError(code, `There is no function ${name}.`)
  return found
}

/** As functionOf; throws FailedOperation.…, here the code, while a change of $LATEST is under way. */
export function changeableOf(
  region: Region,
  request: { FunctionName: string; Namespace?: string },
  code?: string,
): FunctionState {
  const state = functionOf(region, request)
  assertReady(state.latest, code)
  return state
}

/** The default by the documentation; here the most too, as nothing tells whether SCF gives more. */
const PAGE = 20

/** A page of a list. */
export function page<Item>(items: Item[], offset: number | undefined, limit: number | undefined): Item[] {
  const start = offset ?? 0
  if (start < 0) invalid('Offset', `Offset is ${start}.`)
  if (limit !== undefined && limit < 1) invalid('Limit', `Limit is ${limit}.`)
  return items.slice(start, start + Math.min(limit ?? PAGE, PAGE))
}

/** As the API writes times. Its zone is that of Tencent's clocks in China; UTC here. */
export function timeText(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ')
}
