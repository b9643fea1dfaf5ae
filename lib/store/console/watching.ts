import { type Kysely, sql } from 'kysely'
import type { Database } from '../database.ts'
import { faultColumns } from './view.ts'

/** The ticks of some seconds, of all accounts asked for. */
export interface TickBucket {
  at: Date
  /** The worst of them. */
  outcome: 'committed' | 'unchanged' | 'incomplete' | 'failed'
  count: number
  /** The code of the last fault among them. */
  error: string | null
  /** What the API answered, where it refused. */
  apiCode: number | null
  incomplete: number
  failed: number
}

interface Span {
  from: Date
  to: Date
  account?: string
}

/** The ticks from one moment up to another, in buckets of so many seconds; one without a tick is left out. */
export async function readTicks(
  db: Kysely<Database>,
  { from, to, account }: Span,
  bucketSeconds: number,
): Promise<TickBucket[]> {
  const { rows } = await sql<TickBucket>`
    select date_bin(${bucketSeconds} * interval '1 second', snapshot.listed_at, ${from}::timestamptz) as at,
      (array['unchanged', 'committed', 'incomplete', 'failed'])[
        max(array_position(array['unchanged', 'committed', 'incomplete', 'failed'], outcome))] as outcome,
      count(*) as count, count(*) filter (where outcome = 'incomplete') as incomplete,
      count(*) filter (where outcome = 'failed') as failed,
      ${faultColumns(sql`(array_agg(error order by snapshot.listed_at desc) filter (where error is not null))[1]`)}
    from account join snapshot on account_id = account.id
    where (${account ?? null}::text is null or account.name = ${account ?? null})
      and snapshot.listed_at >= ${from} and snapshot.listed_at < ${to}
    group by 1 order by 1`.execute(db)
  return rows
}

/** Times without a complete listing of more than two minutes, the newest first, at most `limit`. */
export async function readGaps(
  db: Kysely<Database>,
  { from, to, account }: Span,
  limit: number,
): Promise<{ account: string; from: Date | null; to: Date | null }[]> {
  const { rows } = await sql<{ account: string; from: Date | null; to: Date | null }>`
    select account, began_at as "from", ended_at as "to"
    from report.gaps(${from}, ${to}, interval '2 minutes')
    where ${account ?? null}::text is null or account = ${account ?? null}
    order by coalesce(began_at, '-infinity') desc, account limit ${limit}`.execute(db)
  return rows
}
