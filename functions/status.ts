import { readConfig } from '../lib/config.ts'
import { openLog } from '../lib/log.ts'
import { timeLimitMs } from '../lib/scf.ts'
import { readStatus, type Status } from '../lib/status.ts'
import { openDatabase } from '../lib/store/database.ts'

/** So much of the time is for opening the database, and for the answer. */
const RESERVE_MS = 2_000

/** Invoked by who operates it, since Postgres may be reachable only from inside the VPC → how it goes. Changes nothing. */
export async function main_handler(_event: unknown, context: unknown): Promise<Status> {
  const { databaseUrl, logLevel } = await readConfig(process.env, ['databaseUrl', 'logLevel'])
  const queryTimeoutMs = Math.max(1_000, timeLimitMs(context) - RESERVE_MS)
  const db = openDatabase(databaseUrl, { connections: 1, queryTimeoutMs })
  try {
    const status = await readStatus(db)
    const { migrated, accounts, backlog } = status
    const fields = { migrated, accounts: accounts.length, pending: backlog?.pending ?? null }
    openLog(logLevel, console.log)('info', 'status read', fields)
    return status
  } finally {
    await db.destroy()
  }
}
