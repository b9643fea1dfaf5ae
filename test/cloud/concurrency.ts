// How many instances a function may have, by reserved memory (Tencent 583/39224), and how its asynchronous invocations are
// tried again (583/41138).
import type {
  DeleteReservedConcurrencyConfigRequest,
  GetFunctionEventInvokeConfigRequest,
  GetFunctionEventInvokeConfigResponse,
  GetReservedConcurrencyConfigRequest,
  PutReservedConcurrencyConfigRequest,
  UpdateFunctionEventInvokeConfigRequest,
} from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError, invalid } from './api-error.ts'
import { resolve } from './function-state.ts'
import { action, changeableOf, functionOf, type Region } from './region.ts'

/** What always stays for functions without a reserve. */
const UNRESERVED_MB = 12_800

const named = { FunctionName: 'string', 'Namespace?': 'string' } as const

export const putReservedConcurrencyConfig = action<PutReservedConcurrencyConfigRequest>(
  { ...named, ReservedConcurrencyMem: 'integer' },
  (region, request) => {
    const state = changeableOf(region, request)
    const { ReservedConcurrencyMem: mb } = request
    const most = region.settings.totalMb - UNRESERVED_MB - reservedMb(region) + (state.reservedMb ?? 0)
    if (mb < 0) throw new ApiError('InvalidParameterValue', `ReservedConcurrencyMem is ${mb}.`)
    if (mb > most) {
      throw new ApiError('LimitExceeded.FunctionReservedConcurrencyMemory', `At most ${most} MB can be reserved.`)
    }
    state.reservedMb = mb
    return {}
  },
)

export const getReservedConcurrencyConfig = action<GetReservedConcurrencyConfigRequest>(named, (region, request) => ({
  // Null when there is none, which the SDK's types do not say.
  ReservedMem: functionOf(region, request).reservedMb,
}))

export const deleteReservedConcurrencyConfig = action<DeleteReservedConcurrencyConfigRequest>(
  named,
  (region, request) => {
    changeableOf(region, request).reservedMb = null
    return {}
  },
)

export const updateFunctionEventInvokeConfig = action<UpdateFunctionEventInvokeConfigRequest>(
  { ...named, AsyncTriggerConfig: { RetryConfig: [{ RetryNum: 'integer' }], MsgTTL: 'integer' } },
  (region, request) => {
    const state = changeableOf(region, request)
    const { RetryConfig, MsgTTL } = request.AsyncTriggerConfig
    const [retry, ...others] = RetryConfig
    if (!retry || others.length > 0) {
      invalid('AsyncTriggerConfig', 'RetryConfig has one entry.')
    }
    if (retry.RetryNum < 0 || retry.RetryNum > 2) {
      throw new ApiError('LimitExceeded.RetryNum', `RetryNum is ${retry.RetryNum}: 0 to 2.`)
    }
    if (MsgTTL < 60 || MsgTTL > 21_600) {
      throw new ApiError('LimitExceeded.MsgTTL', `MsgTTL is ${MsgTTL}: 60 to 21600 seconds.`)
    }
    state.retryNum = retry.RetryNum
    state.ttlSeconds = MsgTTL
    return {}
  },
)

export const getFunctionEventInvokeConfig = action<GetFunctionEventInvokeConfigRequest>(
  { ...named, 'Qualifier?': 'string' },
  (region, request): GetFunctionEventInvokeConfigResponse => {
    const state = functionOf(region, request)
    resolve(state, request.Qualifier)
    return { AsyncTriggerConfig: { RetryConfig: [{ RetryNum: state.retryNum }], MsgTTL: state.ttlSeconds } }
  },
)

/** Of all functions together. */
export function reservedMb({ functions }: Region): number {
  return [...functions.values()].reduce((sum, state) => sum + (state.reservedMb ?? 0), 0)
}
