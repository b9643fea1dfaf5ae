// The action Invoke (Tencent 583/17243): synchronous with the function's answer, or asynchronous with a receipt. Inferred:
// how a failed run looks in a synchronous answer; the documents show success only, and consoles the JSON that is in RetMsg
// here.
import type {
  InvokeRequest,
  InvokeResponse,
} from 'tencentcloud-sdk-nodejs-scf/tencentcloud/services/scf/v20180416/scf_models'
import { ApiError } from './api-error.ts'
import { assertReady, LATEST, resolve } from './function-state.ts'
import { errorText, logText, type Order } from './invocation-log.ts'
import { invokeLater, invokeNow } from './pool.ts'
import { action, functionOf } from './region.ts'

const KB = 1_024

/** Of the event (583/11637). */
const LARGEST = { RequestResponse: 6 * KB * KB, Event: 128 * KB }

const RECEIPT = { Log: '', RetMsg: '', ErrMsg: '', MemUsage: 0, Duration: 0, BillDuration: 0, InvokeResult: 0 }

export const invoke = action<InvokeRequest>(
  {
    FunctionName: 'string',
    'InvocationType?': 'string',
    'Qualifier?': 'string',
    'ClientContext?': 'string',
    'LogType?': 'string',
    'Namespace?': 'string',
    'RoutingKey?': 'unmodelled',
  },
  async (region, request): Promise<InvokeResponse> => {
    const state = functionOf(region, request, 'ResourceNotFound.Function')
    const { Qualifier: qualifier = LATEST, InvocationType = 'RequestResponse', ClientContext = '{}' } = request
    if (InvocationType !== 'RequestResponse' && InvocationType !== 'Event') {
      throw new ApiError('InvalidParameterValue.InvokeType', `InvocationType is ${InvocationType}.`)
    }
    if (Buffer.byteLength(ClientContext) > LARGEST[InvocationType]) {
      throw new ApiError('InvalidParameter.Payload', `ClientContext has more than ${LARGEST[InvocationType] / KB} KB.`)
    }
    const order = newOrder(state, qualifier, InvocationType === 'Event' ? 'event' : 'invoke', eventOf(ClientContext))
    const version = resolve(state, qualifier)
    if (InvocationType === 'Event') {
      assertReady(version)
      invokeLater(region, order)
      return { Result: { ...RECEIPT, FunctionRequestId: order.requestId } }
    }
    const outcome = await invokeNow(region, order)
    const isDone = outcome.status === 200
    return {
      Result: {
        FunctionRequestId: order.requestId,
        InvokeResult: isDone ? 0 : -1,
        RetMsg: isDone ? outcome.result : errorText(order, outcome),
        ErrMsg: outcome.message,
        Log: logText(order, version, outcome),
        Duration: outcome.ms,
        BillDuration: Math.ceil(outcome.ms),
        MemUsage: outcome.memoryBytes,
      },
    }
  },
)

export function newOrder(state: Order['state'], qualifier: string, source: Order['source'], event: unknown): Order {
  return { requestId: crypto.randomUUID(), state, qualifier, source, event, takenAtMs: Date.now(), retry: 0 }
}

function eventOf(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch {
    throw new ApiError('InvalidParameterValue.Param', 'ClientContext is not JSON.')
  }
}
