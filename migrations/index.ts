import type { Migration } from 'kysely'
import * as foundation from './0001_foundation.ts'
import * as delivery from './0002_delivery.ts'
import * as retention from './0003_retention.ts'
import * as report from './0004_report.ts'
import * as usage from './0005_usage.ts'
import * as bucket from './0006_bucket.ts'
import * as leaks from './0007_leaks.ts'

/** Every migration by name, applied in the order of names. A static list, since a bundle has no folder to read. */
export const migrations: Record<string, Migration> = {
  '0001_foundation': foundation,
  '0002_delivery': delivery,
  '0003_retention': retention,
  '0004_report': report,
  '0005_usage': usage,
  '0006_bucket': bucket,
  '0007_leaks': leaks,
}
