import { readConfig } from '../lib/config.ts'
import { openLog } from '../lib/log.ts'
import { migrateToLatest } from '../lib/migrate.ts'
import { openDatabase } from '../lib/store/database.ts'

/** Invoked at deploy, since Postgres may be reachable only from inside the VPC → the newest migration. */
export async function main_handler(): Promise<{ applied: string[] }> {
  const { databaseUrl, logLevel } = await readConfig(process.env, ['databaseUrl', 'logLevel'])
  const db = openDatabase(databaseUrl, { connections: 1 })
  try {
    const applied = await migrateToLatest(db)
    openLog(logLevel, console.log)('info', 'migrated', { applied })
    return { applied }
  } finally {
    await db.destroy()
  }
}
