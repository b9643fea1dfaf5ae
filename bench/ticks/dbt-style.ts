// A snapshot of the listing as dbt keeps it on Postgres, from what its documentation says of snapshots: strategy `check` over
// all columns, hard deletes `invalidate`. dbt's own work, such as its look-ups in the catalog, is left out.
import { sql } from 'kysely'
import { insertListing, listLive, type OpenPeer, SESSION_COLUMNS, type SessionColumns } from './peer.ts'

const CHECKED = [
  'user_id',
  'status',
  'started',
  'driver_type',
  'play_stream_addr',
] as const satisfies (keyof SessionColumns)[]
const COLUMNS = ['session_id', ...CHECKED].join(', ')

// dbt makes no index unless it is told to; with these the table's history costs it nothing.
const DEFINITION = `
  drop schema if exists peer_dbt cascade;
  create schema peer_dbt;
  create table peer_dbt.listing (${SESSION_COLUMNS});
  create table peer_dbt.sessions (${SESSION_COLUMNS}, dbt_scd_id text, dbt_updated_at timestamp, dbt_valid_from timestamp,
    dbt_valid_to timestamp);
  create index on peer_dbt.sessions (dbt_scd_id);
  create index on peer_dbt.sessions (session_id) where dbt_valid_to is null`

const NOW = 'current_timestamp::timestamp'
const CHANGED = `(${CHECKED.map((column) => `known.${column} is distinct from listed.${column}`).join(' or ')})`
const LISTED = CHECKED.map((column) => `listed.${column}`).join(', ')

/** What is to be inserted, and which versions are to be closed: what dbt calls the staging table. */
const STAGE = `
  create temporary table sessions__dbt_tmp on commit drop as
  with known as (
    select * from peer_dbt.sessions where dbt_valid_to is null
  )
  select 'insert' as dbt_change_type, listed.session_id, ${LISTED}, ${NOW} as dbt_updated_at, ${NOW} as dbt_valid_from,
    null::timestamp as dbt_valid_to, md5(coalesce(listed.session_id, '') || '|' || coalesce((${NOW})::text, '')) as dbt_scd_id
  from peer_dbt.listing as listed left join known using (session_id)
  where known.session_id is null or ${CHANGED}
  union all
  select 'update', listed.session_id, ${LISTED}, ${NOW}, ${NOW}, ${NOW}, known.dbt_scd_id
  from peer_dbt.listing as listed join known using (session_id)
  where ${CHANGED}
  union all
  select 'delete', listed.session_id, ${LISTED}, ${NOW}, ${NOW}, ${NOW}, known.dbt_scd_id
  from known left join peer_dbt.listing as listed using (session_id)
  where listed.session_id is null`

const CLOSE = `
  update peer_dbt.sessions as target set dbt_valid_to = staged.dbt_valid_to
  from sessions__dbt_tmp as staged
  where staged.dbt_scd_id = target.dbt_scd_id and staged.dbt_change_type in ('update', 'delete') and target.dbt_valid_to is null`

const META = 'dbt_updated_at, dbt_valid_from, dbt_valid_to, dbt_scd_id'
const INSERT = `
  insert into peer_dbt.sessions (${COLUMNS}, ${META})
  select ${COLUMNS}, ${META} from sessions__dbt_tmp where dbt_change_type = 'insert'`

export const dbtStyle: OpenPeer = (db, api) => {
  const snapshot = async () => {
    const listed = await listLive(api)
    await db.transaction().execute(async (tx) => {
      await sql`truncate peer_dbt.listing`.execute(tx)
      await insertListing(tx, 'peer_dbt.listing', listed)
    })
    await db.transaction().execute(async (tx) => {
      for (const statement of [STAGE, CLOSE, INSERT]) await sql.raw(statement).execute(tx)
    })
    return null
  }
  return {
    prepare: async () => {
      await sql.raw(DEFINITION).execute(db)
      await snapshot()
    },
    tick: snapshot,
    live: 'peer_dbt.sessions where dbt_valid_to is null',
  }
}
