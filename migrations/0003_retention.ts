import { type Kysely, sql } from 'kysely'

/** What the removal of old rows needs, so that it finds them, and what refers to them, without a search. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function up(db: Kysely<any>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create index delivery_finalized on delivery (finalized_at) where finalized_at is not null`,

  // The event first, because each event that is removed is looked for here by its foreign key.
  `alter table delivery
    drop constraint delivery_event_key,
    add constraint delivery_event_key unique (event_id, endpoint_id)`,
  // What that index did for the removal of an endpoint, and for the list of its deliveries, which is in this order.
  `create index delivery_endpoint on delivery (endpoint_id, id)`,

  // They grow evenly, and the oldest rows go: by the default a fifth of a table would be dead before it is cleaned, and each
  // look for the oldest row that is left would have to pass all of them.
  `alter table event set (autovacuum_vacuum_scale_factor = 0.02)`,
  `alter table snapshot set (autovacuum_vacuum_scale_factor = 0.02)`,
  `alter table attempt set (autovacuum_vacuum_scale_factor = 0.02)`,
]
