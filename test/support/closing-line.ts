import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from 'vitest/node'

/** Ends the run's output with one line, alone and last: `N passed, N failed`, and `, N skipped` if any were. */
export default class ClosingLine implements Reporter {
  // A run that never ends, for example because its setup threw, has failed.
  private counts: Counts = { passed: 0, failed: 1, skipped: 0 }

  onInit(): void {
    // Other reporters and the setup's teardown may still print after the run's end.
    process.once('exit', (code) => {
      const failed = this.counts.failed === 0 && code !== 0 ? 1 : this.counts.failed
      writeSync(1, `\n${closingLine({ ...this.counts, failed })}\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[], reason: TestRunEndReason): void {
    this.counts = count(modules, reason)
    this.counts.failed += errors.length
  }
}

interface Counts {
  passed: number
  failed: number
  skipped: number
}

function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

function count(modules: readonly TestModule[], reason: TestRunEndReason): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  for (const module of modules) {
    // A file that does not load and a hook that throws are failures, although they are no test's.
    counts.failed += module.errors().length > 0 ? 1 : 0
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length > 0 ? 1 : 0
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'pending') counts[reason === 'interrupted' ? 'failed' : 'skipped'] += 1
      else counts[state] += 1
    }
  }
  return counts
}
