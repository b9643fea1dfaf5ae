// The Postgres that benchmarks run on: one that really syncs, as it is made when nobody asks for anything else.
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../lib/local/postgres.ts'
import { removePostgres } from '../test/support/remove-postgres.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** What is done with a new Postgres that really syncs. It is gone when that ends, and after Ctrl-C or `timeout`, too. */
export async function withPostgres<Result>(
  settings: Record<string, string>,
  what: (url: string) => Promise<Result>,
): Promise<Result> {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  // Not 0700, or root's server account could not enter.
  chmodSync(dataDir, 0o755)
  const postgres = await startPostgres({ dataDir, settings })
  const onSignal = () => void removePostgres(postgres, dataDir).finally(() => process.exit(130))
  for (const signal of SIGNALS) process.once(signal, onSignal)
  try {
    return await what(postgres.url)
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    await removePostgres(postgres, dataDir)
  }
}
