// What is kept of each run: for the test's assertions, for the answer of Invoke, and as the lines that SCF delivers to CLS,
// with the fields of Tencent 583/60336. Inferred: the words of the platform's lines.
import type { FunctionState, Version } from './function-state.ts'
import type { Outcome } from './instance.ts'
import type { LogLine, Region } from './region.ts'

export type Source = 'invoke' | 'event' | 'timer' | 'url'

/** An invocation that is to be run. */
export interface Order {
  requestId: string
  state: FunctionState
  qualifier: string
  source: Source
  event: unknown
  takenAtMs: number
  /** 0 at first. */
  retry: number
}

/** A run: each try of an asynchronous invocation is one, with the same request id. */
export interface Invocation {
  requestId: string
  function: string
  version: string
  qualifier: string
  source: Source
  event: unknown
  retry: number
  startedAt: Date
  ms: number
  status: Outcome['status']
  /** What the handler returned, parsed. */
  result: unknown
  /** Empty after success. */
  error: string
  /** What the function printed. */
  log: string[]
}

/** Keeps a run that has ended. */
export function record(region: Region, order: Order, version: Version, outcome: Outcome): void {
  const { requestId, state, qualifier, source, event, retry } = order
  const { status, ms, result, message, stack, lines } = outcome
  const startedAt = new Date(Date.now() - ms)
  region.invocations.push({
    requestId,
    function: state.name,
    version: version.name,
    qualifier,
    source,
    event,
    retry,
    startedAt,
    ms,
    status,
    result: result === '' ? undefined : (JSON.parse(result) as unknown),
    error: [message, stack].filter(Boolean).join(': '),
    log: lines,
  })
  const { ClsTopicId } = version.settings
  if (ClsTopicId !== '') region.logs.push(...clsLines(order, version, outcome, startedAt))
}

/** What a run answers besides its result, as SCF words it. */
export function errorText({ requestId }: Order, { status, message, stack }: Outcome): string {
  const body = {
    errorCode: -1,
    errorMessage: message,
    requestId,
    ...(stack && { stackTrace: stack }),
    statusCode: status,
  }
  return JSON.stringify(body)
}

/** The log of one run, with the platform's own lines. */
export function logText(order: Order, version: Version, outcome: Outcome): string {
  return logOf(order, version, outcome)
    .map(([, text]) => text)
    .join('\n')
}

type Kind = 'Platform' | 'Custom'

function logOf(order: Order, { settings }: Version, outcome: Outcome): [Kind, string][] {
  const { requestId } = order
  const { status, ms, memoryBytes, lines } = outcome
  const end = status === 200 ? `Response RequestId:${requestId} RetMsg:${outcome.result}` : errorLine(order, outcome)
  const memory = `Memory:${settings.MemorySize}MB MemUsage:${(memoryBytes / 1_048_576).toFixed(2)}MB`
  return [
    ['Platform', `START RequestId: ${requestId}`],
    ...lines.map((line): [Kind, string] => ['Custom', line]),
    ['Platform', end],
    ['Platform', `END RequestId: ${requestId}`],
    ['Platform', `Report RequestId: ${requestId} Duration:${Math.round(ms)}ms ${memory}`],
  ]
}

function errorLine(order: Order, outcome: Outcome): string {
  return `ERROR RequestId: ${order.requestId} Result: ${errorText(order, outcome)}`
}

function clsLines(order: Order, version: Version, outcome: Outcome, startedAt: Date): LogLine[] {
  const { state, qualifier, requestId, retry } = order
  return logOf(order, version, outcome).map(([type, message], i) => {
    const isError = message.startsWith('ERROR RequestId: ')
    const atMs = startedAt.getTime() + (i === 0 ? 0 : Math.round(outcome.ms))
    return {
      topicId: version.settings.ClsTopicId,
      atMs,
      fields: {
        SCF_FunctionName: state.name,
        SCF_Namespace: 'default',
        SCF_StartTime: String(startedAt.getTime()),
        SCF_LogTime: `${atMs}${String(i).padStart(6, '0')}`,
        SCF_RequestId: requestId,
        SCF_Duration: String(Math.round(outcome.ms)),
        SCF_Alias: qualifier === version.name ? '' : qualifier,
        SCF_Qualifier: version.name,
        SCF_MemUsage: outcome.memoryBytes.toFixed(2),
        SCF_Level: isError ? 'ERROR' : 'INFO',
        // Longer ones are cut.
        SCF_Message: message.slice(0, 8_192),
        SCF_Type: type,
        SCF_StatusCode: String(outcome.status),
        SCF_RetryNum: String(retry),
      },
    }
  })
}
