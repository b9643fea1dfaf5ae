// What must not grow while the soak runs: the memory of the processes that are never killed, and what Postgres works on.
// History grows by design: events, deliveries, attempts and snapshots are kept.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'

/** What Postgres has to work on; tables and indexes in KB. */
interface TableLook {
  openSessions: number
  pending: number
  due: number
  /** Partial indexes, over open sessions, open versions and pending deliveries. */
  openIndexesKb: number
  /** The tables of a few rows that every tick and many a drain writes to. */
  smallTablesKb: number
  /** Dead rows of delivery, as a share of the live ones. */
  deadShare: number
  snapshots: number
}

/** One look at everything; memory in MB. */
export interface Sample extends TableLook {
  seconds: number
  reconcileMb: number
  webhookMb: number
  ownMb: number
}

/** How much each may be above its level of the second quarter of the run: a fifth, and this. */
const SLACK: Partial<Record<keyof Sample, number>> = {
  reconcileMb: 10,
  webhookMb: 10,
  openSessions: 50,
  pending: 1_000,
  due: 1_000,
  openIndexesKb: 4_096,
  smallTablesKb: 512,
}
const FEWEST = 12

/** What grew: the median of the last quarter of the samples above that of the second. Fewer than 12 say nothing. */
export function growth(samples: Sample[]): string[] {
  if (samples.length < FEWEST) return []
  const quarter = (n: number) => samples.slice((samples.length * n) / 4, (samples.length * (n + 1)) / 4)
  return Object.entries(SLACK).flatMap(([name, slack]) => {
    const before = median(quarter(1).map((sample) => sample[name as keyof Sample]))
    const after = median(quarter(3).map((sample) => sample[name as keyof Sample]))
    return after > before * 1.2 + slack ? [`${name} went from ${Math.round(before)} to ${Math.round(after)}`] : []
  })
}

export function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Memory of a process in MB; 0 when it is gone. */
export function rssMb(pid: number | undefined): number {
  if (pid === undefined) return 0
  try {
    // Small images come without ps, and macOS without /proc.
    if (process.platform !== 'linux') return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)])) / 1024
    return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

export async function lookAtTables(db: Kysely<Database>): Promise<TableLook> {
  const { rows } = await sql<TableLook>`
    select (select count(*) from session where ended_at is null) as "openSessions",
      (select count(*) from delivery where state = 'pending') as pending,
      (select count(*) from delivery where state = 'pending' and due_at <= now()) as due,
      (select sum(pg_relation_size(name::regclass)) / 1024.0 from unnest(array[
        'delivery_due', 'delivery_lane', 'session_open', 'session_version_open']) as name)::float as "openIndexesKb",
      (select sum(pg_relation_size(name::regclass)) / 1024.0 from unnest(array['account', 'endpoint']) as name)::float
        as "smallTablesKb",
      (select n_dead_tup::float / greatest(n_live_tup, 1) from pg_stat_user_tables where relname = 'delivery')
        as "deadShare",
      (select count(*) from snapshot) as snapshots`.execute(db)
  return rows[0]!
}
