import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../lib/local/postgres.ts'
import { removePostgres } from '../test/support/remove-postgres.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A Postgres for one benchmark, which really syncs. It is gone with its data once closed, or as a signal ends us. */
export async function openPostgres(
  settings: Record<string, string> = {},
): Promise<{ url: string; close(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  // Not 0700, or root's server account could not enter.
  chmodSync(dataDir, 0o755)
  const postgres = await startPostgres({ dataDir, settings })
  // Ctrl-C and `timeout` must not leave the server behind.
  const onSignal = () => void removePostgres(postgres, dataDir).finally(() => process.exit(130))
  for (const signal of SIGNALS) process.once(signal, onSignal)
  const close = async () => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    await removePostgres(postgres, dataDir)
  }
  return { url: postgres.url, close }
}
