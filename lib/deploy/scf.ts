// Calls of SCF's API for a deployment: typed by the vendor's own models, patient where the API is busy, and clear about what a
// fault means. Whether a call took effect is known: `cloud_refused` says it did not, `cloud_unreachable` that nobody can tell.
import { setTimeout as wait } from 'node:timers/promises'
import type * as Scf from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { AppError, codeOf } from '../errors.ts'
import { callApi, type Cloud, LATEST } from '../tencent.ts'
import { meaningOf } from './meaning.ts'

interface Actions {
  CreateFunction: [Scf.CreateFunctionRequest, Scf.CreateFunctionResponse]
  CreateTrigger: [Scf.CreateTriggerRequest, Scf.CreateTriggerResponse]
  DeleteFunction: [Scf.DeleteFunctionRequest, Scf.DeleteFunctionResponse]
  DeleteReservedConcurrencyConfig: [
    Scf.DeleteReservedConcurrencyConfigRequest,
    Scf.DeleteReservedConcurrencyConfigResponse,
  ]
  DeleteTrigger: [Scf.DeleteTriggerRequest, Scf.DeleteTriggerResponse]
  GetAlias: [Scf.GetAliasRequest, Scf.GetAliasResponse]
  GetFunction: [Scf.GetFunctionRequest, Scf.GetFunctionResponse]
  GetFunctionEventInvokeConfig: [Scf.GetFunctionEventInvokeConfigRequest, Scf.GetFunctionEventInvokeConfigResponse]
  GetReservedConcurrencyConfig: [Scf.GetReservedConcurrencyConfigRequest, Scf.GetReservedConcurrencyConfigResponse]
  Invoke: [Scf.InvokeRequest, Scf.InvokeResponse]
  ListFunctions: [Scf.ListFunctionsRequest, Scf.ListFunctionsResponse]
  ListTriggers: [Scf.ListTriggersRequest, Scf.ListTriggersResponse]
  ListVersionByFunction: [Scf.ListVersionByFunctionRequest, Scf.ListVersionByFunctionResponse]
  PublishVersion: [Scf.PublishVersionRequest, Scf.PublishVersionResponse]
  PutReservedConcurrencyConfig: [Scf.PutReservedConcurrencyConfigRequest, Scf.PutReservedConcurrencyConfigResponse]
  UpdateAlias: [Scf.UpdateAliasRequest, Scf.UpdateAliasResponse]
  UpdateFunctionCode: [Scf.UpdateFunctionCodeRequest, Scf.UpdateFunctionCodeResponse]
  UpdateFunctionConfiguration: [Scf.UpdateFunctionConfigurationRequest, Scf.UpdateFunctionConfigurationResponse]
  UpdateFunctionEventInvokeConfig: [
    Scf.UpdateFunctionEventInvokeConfigRequest,
    Scf.UpdateFunctionEventInvokeConfigResponse,
  ]
  UpdateTrigger: [Scf.UpdateTriggerRequest, Scf.UpdateTriggerResponse]
}

/** Refusals that pass: a limit of calls a second, and a function that is still busy with the call before. */
const PASSING =
  /^RequestLimitExceeded|^FailedOperation\.(\w*Status\w*|OperationConflict|(Create|Delete)Trigger|DeleteFunction|PublishVersion|UpdateFunction\w+)$/
/** Of a call that changes nothing, any fault but a refusal may be tried again. */
const READING = /^(Get|List)/
/** Tencent Cloud for somebody who has time: where a call may be tried again, it is, after these pauses (ms). */
export interface PatientCloud extends Cloud {
  pausesMs?: number[]
}

/** A minute in all. */
const PAUSES_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000]
const TRIES_UNREACHABLE = 4
const TIMEOUT_SECONDS = 30

/** One call → its answer. Throws `cloud_refused` and `cloud_unreachable`; for neither does it name a value that was sent. */
export async function scf<Action extends keyof Actions>(
  cloud: PatientCloud,
  action: Action,
  params: Actions[Action][0],
  timeoutSeconds = TIMEOUT_SECONDS,
): Promise<Actions[Action][1]> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await callApi<Actions[Action][1]>(
        cloud,
        { name: 'scf', version: '2018-04-16' },
        action,
        params,
        timeoutSeconds,
      )
    } catch (error) {
      const fault = cloudFault(error, action, nameIn(params), valuesIn(params))
      const isPassing = PASSING.test(codeOf(error))
      // A network that is down is told soon.
      const isMissed = READING.test(action) && fault.code === 'cloud_unreachable' && tries < TRIES_UNREACHABLE
      const pauseMs = isPassing || isMissed ? (cloud.pausesMs ?? PAUSES_MS)[tries] : undefined
      if (pauseMs === undefined) throw fault
      await wait(pauseMs)
    }
  }
}

/** The answer, or undefined when there is no such thing. */
export async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof AppError && codeOf(error.cause).startsWith('ResourceNotFound')) return undefined
    throw error
  }
}

/** Every page of a list, put together. A page may be shorter than was asked for. */
export async function allPages<T>(
  page: (offset: number, limit: number) => Promise<[items: T[] | undefined, total: number | undefined]>,
): Promise<T[]> {
  const all: T[] = []
  for (;;) {
    const [items = [], total = Infinity] = await page(all.length, 100)
    all.push(...items)
    if (items.length === 0 || all.length >= total) return all
  }
}

/** Until a function may be changed or invoked again: at most so long. */
const BUSY_MS = 300_000

/**
 * The function (or version) once it is Active, as GetFunction has it. Throws `deploy_failed` when it never gets so, with SCF's
 * reasons.
 */
export async function untilActive(
  cloud: PatientCloud,
  name: string,
  qualifier = LATEST,
): Promise<Scf.GetFunctionResponse> {
  return (await until(cloud, name, qualifier, 'Active')) ?? {}
}

/** Done when there is no such function any more. */
export async function untilGone(cloud: PatientCloud, name: string): Promise<void> {
  await until(cloud, name, LATEST, 'gone')
}

async function until(
  cloud: PatientCloud,
  name: string,
  qualifier: string,
  wanted: 'Active' | 'gone',
): Promise<Scf.GetFunctionResponse | undefined> {
  const startedAt = performance.now()
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 1.5, 2_000)) {
    const found = await orNothing(scf(cloud, 'GetFunction', { FunctionName: name, Qualifier: qualifier }))
    const status = found === undefined ? 'gone' : found.Status
    if (status === wanted) return found
    const isHopeless = wanted === 'Active' && (status === 'gone' || status?.endsWith('Failed') === true)
    if (isHopeless || performance.now() - startedAt > BUSY_MS) {
      const reasons = (found?.StatusReasons ?? []).map(({ ErrorCode, ErrorMessage }) => `${ErrorCode}: ${ErrorMessage}`)
      const why = reasons.join('; ') || found?.StatusDesc || 'SCF says no more'
      throw new AppError('deploy_failed', `function ${name} is ${status} instead of ${wanted}: ${why}`)
    }
    await wait(pauseMs)
  }
}

/** The values of the environment that a call sent, which nobody may see; too short ones hide nothing, and are everywhere. */
function valuesIn(params: object): string[] {
  const { Environment } = params as Partial<Scf.CreateFunctionRequest>
  return (Environment?.Variables ?? []).flatMap(({ Value }) => (Value && Value.length > 5 ? [Value] : []))
}

function nameIn(params: object): string {
  const name: unknown = Reflect.get(params, 'FunctionName')
  return typeof name === 'string' ? ` of ${name}` : ''
}

/** The fault of a call as Rollcall tells it: what it means and what to do. */
export function cloudFault(error: unknown, action: string, what: string, hidden: string[] = []): AppError {
  if (error instanceof AppError) return error
  const code = codeOf(error)
  const told = error instanceof Error ? error.message : String(error)
  // A body that cannot be parsed is quoted in its error, and the API may repeat what it was sent.
  const message = /JSON|Unexpected token/.test(told)
    ? 'an answer that is not that of the API'
    : hidden.reduce((text, value) => text.replaceAll(value, '…'), told)
  // After a fault inside the API nobody knows what it has done, as after none of its answers.
  const isRefused = /^[A-Z][A-Za-z]+(\.\w+)*$/.test(code) && !code.startsWith('InternalError')
  return isRefused
    ? new AppError('cloud_refused', `${action}${what}: ${code}: ${message.replace(/\.+$/, '')}. ${meaningOf(code)}`, {
        cause: error,
      })
    : new AppError(
        'cloud_unreachable',
        `${action}${what} got no answer from Tencent Cloud (${code || message}): check the network and TENCENT_API_URL, then run this again`,
        { cause: error },
      )
}
