import { type Kysely, sql } from 'kysely'

/** What delivery needs of an endpoint beyond its URL, and events about Rollcall itself. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function up(db: Kysely<any>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `alter table endpoint
    add column headers jsonb not null default '{}',
    add column rate_per_second double precision,
    add column batch_size integer not null default 1,
    add column must_prove boolean not null default false,
    add column proved_at timestamptz,
    add column failing_since timestamptz,
    add column probe_until timestamptz,
    add column pace integer,
    add column next_send_at timestamptz,
    add constraint endpoint_rate_positive check (rate_per_second > 0 and rate_per_second <= 10000),
    add constraint endpoint_active_is_proved check (state <> 'active' or not must_prove or proved_at is not null),
    add constraint endpoint_batch_size_bounded check (batch_size between 1 and 500),
    add constraint endpoint_pace_positive check (pace >= 1)`,
  `update endpoint set failing_since = now(), pace = 1 where failures > 0`,
  `alter table endpoint
    add constraint endpoint_failing_has_start check ((failures > 0) = (failing_since is not null)),
    add constraint endpoint_failing_is_slow check (failures = 0 or pace is not null)`,

  // A rotation makes a secret and a private key in the same moment.
  `alter table endpoint_secret
    add column kind text not null default 'symmetric',
    add constraint endpoint_secret_kind_known check (kind in ('symmetric', 'ed25519')),
    drop constraint endpoint_secret_pkey,
    add constraint endpoint_secret_pkey primary key (endpoint_id, kind, created_at)`,

  `alter table account add column stalled_at timestamptz`,

  `alter table event
    alter column account_id drop not null,
    alter column incarnation_id drop not null,
    alter column revision drop not null,
    drop constraint event_type_known,
    add constraint event_type_known check (type in
      ('session.created', 'session.ready', 'session.started', 'session.closed', 'session.failed',
       'endpoint.disabled', 'delivery.dead', 'tick.stalled')),
    add constraint event_is_of_a_session check (
      (type like 'session.%') = (account_id is not null)
      and (account_id is null) = (incarnation_id is null) and (account_id is null) = (revision is null))`,
  `create sequence operator_event_position as bigint`,

  `alter table delivery
    add column attempts_before integer not null default 0,
    add constraint delivery_attempts_before_bounded check (attempts_before between 0 and attempts)`,
  // In the order of a claim, which then reads no more than it takes. It read all that was due: 50 ms for 20,000.
  `drop index delivery_due`,
  `create index delivery_due on delivery (endpoint_id, due_at, id) where state = 'pending' and attempts >= 0`,
  // Most rows of an outbox are soon dead; by the default a fifth of a large table would have to be so before it is cleaned.
  `alter table delivery set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)`,
]
