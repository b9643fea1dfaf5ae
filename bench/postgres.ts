// The Postgres that benchmarks run on: one that really syncs, as it is made when nobody asks for anything else.
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../lib/local/postgres.ts'
import { removePostgres } from '../test/support/remove-postgres.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Starts one with no data. `close` removes it, and so do Ctrl-C and `timeout`. */
export async function openPostgres(
  settings: Record<string, string> = {},
): Promise<{ url: string; close(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  // Not 0700, or root's server account could not enter.
  chmodSync(dataDir, 0o755)
  const postgres = await startPostgres({ dataDir, settings })
  const onSignal = () => void removePostgres(postgres, dataDir).finally(() => process.exit(130))
  for (const signal of SIGNALS) process.once(signal, onSignal)
  return {
    url: postgres.url,
    close: async () => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      await removePostgres(postgres, dataDir)
    },
  }
}
