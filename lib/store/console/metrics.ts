import { type Kysely, sql } from 'kysely'
import type { Database } from '../database.ts'

/** How many sessions of each account live, and how many endpoints are in each state. */
export async function countForMetrics(db: Kysely<Database>): Promise<{
  live: { account: string; count: number }[]
  endpoints: { state: string; count: number }[]
}> {
  const live = await sql<{ account: string; count: number }>`
    select account.name as account, count(session.account_id) as count
    from account left join session on session.account_id = account.id and session.ended_at is null
    group by account.id order by account.name`.execute(db)
  const endpoints = await sql<{ state: string; count: number }>`
    select state, count(endpoint.id) as count
    from unnest(array['active', 'paused', 'disabled']) as state left join endpoint using (state)
    group by state order by state`.execute(db)
  return { live: live.rows, endpoints: endpoints.rows }
}
