// What ticks cost the server, from its own counters.
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import type { Program } from '../program.ts'
import type { Api } from './api.ts'
import type { Taken } from './contestant.ts'

/** What one tick cost. */
export interface Cost extends Taken {
  /** Of its time, asking statsession why sessions ended, which nobody but Rollcall does. */
  askedMs: number
  /** Of write-ahead log, the whole pages among it included. */
  walBytes: number
  /** Whole pages in it: what is first changed after a checkpoint is logged whole, at up to 8 KiB each. */
  walPages: number
  /** Inserted, updated or deleted in ordinary tables; catalogs and temporary tables are not counted. */
  rows: number
}

type Counters = Pick<Cost, 'walBytes' | 'walPages' | 'rows'>

/** Runs one tick and tells what it cost; nobody else may write meanwhile. */
export async function costOf(db: Kysely<Database>, api: Program<Api>, tick: () => Promise<Taken>): Promise<Cost> {
  const before = await readCounters(db)
  const taken = await tick()
  const askedMs = await api.ask('askedMs')
  const after = await readCounters(db)
  return {
    ...taken,
    askedMs,
    walBytes: after.walBytes - before.walBytes,
    walPages: after.walPages - before.walPages,
    rows: after.rows - before.rows,
  }
}

async function readCounters(db: Kysely<Database>): Promise<Counters> {
  // The position in the log is exact at any moment; the rest is known once connections have told it.
  const { rows } = await sql<Counters>`
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as "walBytes", wal_fpi::float8 as "walPages", (
        select sum(n_tup_ins + n_tup_upd + n_tup_del)::float8 from pg_stat_user_tables where schemaname not like 'pg_temp%'
      ) as rows
    from pg_stat_wal`.execute(db)
  return rows[0]!
}
