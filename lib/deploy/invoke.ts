import type { Cloud } from '../tencent.ts'
import { scf } from './scf.ts'

/** What came of an invocation that was waited for. */
export interface Invoked {
  /** What the function returned, as JSON. */
  answer: string
  /** Why it failed, or undefined. */
  fault: string | undefined
  log: string
}

/** Longer than the function may take: for its cold start and the way there. */
const MORE_SECONDS = 30

/** Invokes a function and waits for its answer. Throws only when it could not be invoked. */
export async function invoke(
  cloud: Cloud,
  name: string,
  { qualifier, timeoutSeconds, event = '{}' }: { qualifier: string; timeoutSeconds: number; event?: string },
): Promise<Invoked> {
  const request = { FunctionName: name, InvocationType: 'RequestResponse', Qualifier: qualifier, ClientContext: event }
  const { Result } = await scf(cloud, 'Invoke', { ...request, LogType: 'Tail' }, timeoutSeconds + MORE_SECONDS)
  const isFailed = Boolean(Result?.ErrMsg) || (Result?.InvokeResult ?? 0) !== 0
  return {
    answer: Result?.RetMsg ?? '',
    fault: isFailed ? Result?.ErrMsg || `SCF says ${Result?.InvokeResult} and no more` : undefined,
    log: Result?.Log ?? '',
  }
}
