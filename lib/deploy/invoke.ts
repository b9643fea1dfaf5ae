import * as v from 'valibot'
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
    fault: isFailed
      ? [Result?.ErrMsg || `result ${Result?.InvokeResult}`, thrownIn(Result?.RetMsg)].join(': ')
      : undefined,
    log: Result?.Log ?? '',
  }
}

const failureSchema = v.object({ stackTrace: v.string() })

/** What the function threw, without the way it took through the code: SCF answers it as JSON in place of the result. */
function thrownIn(answer = ''): string {
  try {
    return v.parse(failureSchema, JSON.parse(answer)).stackTrace.split('\n')[0] ?? ''
  } catch {
    return 'its log says why'
  }
}
