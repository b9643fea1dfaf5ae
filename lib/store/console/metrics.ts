import { type Kysely, sql } from 'kysely'
import { clock } from '../account.ts'
import type { Database } from '../database.ts'

/** How many sessions of each account live and leak, when it was last listed as a whole, and how many endpoints are in each state. */
export async function countForMetrics(db: Kysely<Database>): Promise<{
  accounts: { account: string; live: number; leaks: number; completeAgeSeconds: number | null }[]
  endpoints: { state: string; count: number }[]
}> {
  const accounts = await sql<{ account: string; live: number; leaks: number; completeAgeSeconds: number | null }>`
    with leak as (select account, count(*) as leaks from report.leaks() where is_live group by account)
    select account.name as account, count(session.account_id) as live, coalesce(max(leaks), 0) as leaks,
      extract(epoch from ${clock} - account.complete_at)::float8 as "completeAgeSeconds"
    from account left join session on session.account_id = account.id and session.ended_at is null
      left join leak on leak.account = account.name
    group by account.id order by account.name`.execute(db)
  const endpoints = await sql<{ state: string; count: number }>`
    select state, count(endpoint.id) as count
    from unnest(array['active', 'paused', 'disabled']) as state left join endpoint using (state)
    group by state order by state`.execute(db)
  return { accounts: accounts.rows, endpoints: endpoints.rows }
}
