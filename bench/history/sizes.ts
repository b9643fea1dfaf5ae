import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'

/** Rows and bytes of each table, and the bytes of each of its indexes; a table's own include all of them. */
export async function sizes(db: Kysely<Database>): Promise<Record<string, Record<string, string | number>>> {
  const { rows } = await sql<{ name: string; rows: number; size: string }>`
    select relname as name, reltuples::bigint as rows, pg_size_pretty(pg_total_relation_size(pg_class.oid)) as size
    from pg_class left join pg_index on indexrelid = pg_class.oid
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'i') and reltuples > 0
    order by pg_total_relation_size(coalesce(indrelid, pg_class.oid)) desc, coalesce(indrelid, pg_class.oid), relkind desc, relname`.execute(
    db,
  )
  return Object.fromEntries(rows.map(({ name, ...row }) => [name, row]))
}
