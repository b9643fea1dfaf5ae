import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs a job every so many seconds, beginning now, until the returned function is called, which resolves once a run under
 * way has ended. A run that takes longer than the interval delays the next: unlike those of a timer of SCF, none overlap.
 * A run that throws is told to `onFault`.
 */
export function every(
  seconds: number,
  job: () => Promise<void>,
  onFault: (error: unknown) => void,
): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping
  const run = async () => {
    while (!signal.aborted) {
      const startedAt = performance.now()
      await job().catch(onFault)
      const waitMs = Math.max(0, seconds * 1_000 - (performance.now() - startedAt))
      await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }
  const done = run()
  return () => {
    stopping.abort()
    return done
  }
}
