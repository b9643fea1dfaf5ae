import { rmSync } from 'node:fs'
import type { LocalPostgres } from '../../lib/local/postgres.ts'

/** Stops the server and removes its data folder, wherever that had to lie. */
export async function removePostgres(postgres: LocalPostgres, dataDir: string): Promise<void> {
  await postgres.stop()
  rmSync(postgres.home, { recursive: true, force: true })
  rmSync(dataDir, { recursive: true, force: true })
}
