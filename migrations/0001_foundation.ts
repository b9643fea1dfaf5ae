import { type Kysely, sql } from 'kysely'

/** The tables of design section 4. What a CHECK can refuse, no code has to promise. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration outlives the types of the tables it made
export async function up(db: Kysely<any>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table account (
    id integer generated always as identity constraint account_pkey primary key,
    name text not null constraint account_name_key unique,
    listed_at timestamptz,
    complete_at timestamptz,
    digest text,
    position bigint not null default 0,
    constraint account_name_form check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    constraint account_position_positive check (position >= 0),
    constraint account_complete_was_listed check (complete_at <= listed_at)
  )`,

  `create table snapshot (
    account_id integer not null constraint snapshot_account_fkey references account (id),
    listed_at timestamptz not null,
    outcome text not null,
    session_count integer,
    created_count integer not null default 0,
    ready_count integer not null default 0,
    started_count integer not null default 0,
    closed_count integer not null default 0,
    failed_count integer not null default 0,
    duration_ms integer not null,
    error text,
    constraint snapshot_pkey primary key (account_id, listed_at),
    constraint snapshot_outcome_known check (outcome in ('committed', 'unchanged', 'incomplete', 'failed')),
    constraint snapshot_failed_has_error check ((outcome = 'failed') = (error is not null)),
    constraint snapshot_listed_has_count check ((outcome <> 'failed') = (session_count is not null)),
    constraint snapshot_unchanged_has_no_changes check (
      outcome in ('committed', 'incomplete')
      or created_count + ready_count + started_count + closed_count + failed_count = 0)
  )`,

  `create table session (
    id bigint generated always as identity constraint session_pkey primary key,
    account_id integer not null constraint session_account_fkey references account (id),
    session_id text not null,
    incarnation integer not null,
    user_id text,
    status integer not null,
    started boolean not null,
    driver_type integer,
    play_stream_addr text,
    extra jsonb,
    first_seen_after timestamptz,
    first_seen_at timestamptz not null,
    ready_after timestamptz,
    ready_at timestamptz,
    started_after timestamptz,
    started_at timestamptz,
    ended_after timestamptz,
    ended_at timestamptz,
    end_reason text,
    error_code integer,
    error_message text,
    revision integer not null,
    missing_since timestamptz,
    missing_times integer,
    constraint session_incarnation_key unique (account_id, session_id, incarnation),
    constraint session_id_length check (length(session_id) between 1 and 128),
    constraint session_incarnation_positive check (incarnation >= 1),
    constraint session_revision_positive check (revision >= 1),
    constraint session_ended_has_reason check ((ended_at is null) = (end_reason is null)),
    constraint session_ended_has_final_status check ((ended_at is not null) = (status in (2, 4))),
    constraint session_end_reason_known check (end_reason in ('reported', 'gone', 'absent')),
    constraint session_error_has_end check (error_code is null or ended_at is not null),
    constraint session_started_was_ready check (started_at is null or ready_at is not null),
    constraint session_missing_is_whole check ((missing_since is null) = (missing_times is null)),
    constraint session_missing_is_open check (missing_since is null or ended_at is null)
  )`,
  // Two open incarnations of one id cannot exist; it also serves the read of an account's open sessions.
  `create unique index session_open on session (account_id, session_id) where ended_at is null`,

  `create table session_version (
    incarnation_id bigint not null constraint session_version_session_fkey references session (id),
    valid_from timestamptz not null,
    valid_to timestamptz,
    user_id text,
    status integer not null,
    started boolean not null,
    driver_type integer,
    play_stream_addr text,
    extra jsonb,
    constraint session_version_pkey primary key (incarnation_id, valid_from),
    constraint session_version_is_forward check (valid_to > valid_from),
    constraint session_version_is_live check (status not in (2, 4))
  )`,
  `create unique index session_version_open on session_version (incarnation_id) where valid_to is null`,

  `create table event (
    id text constraint event_pkey primary key,
    account_id integer not null constraint event_account_fkey references account (id),
    position bigint not null,
    type text not null,
    incarnation_id bigint not null constraint event_session_fkey references session (id),
    revision integer not null,
    occurred_at timestamptz not null,
    body text not null,
    constraint event_position_key unique (account_id, position),
    constraint event_revision_key unique (incarnation_id, revision),
    constraint event_position_positive check (position >= 1),
    constraint event_revision_positive check (revision >= 1),
    constraint event_type_known check (type in
      ('session.created', 'session.ready', 'session.started', 'session.closed', 'session.failed'))
  )`,

  `create table endpoint (
    id text constraint endpoint_pkey primary key,
    url text not null,
    account_id integer constraint endpoint_account_fkey references account (id),
    event_types text[] not null,
    description text not null default '',
    state text not null default 'active',
    state_reason text,
    hold_until timestamptz,
    failures integer not null default 0,
    created_at timestamptz not null default now(),
    constraint endpoint_url_is_http check (url ~ '^https?://'),
    constraint endpoint_failures_positive check (failures >= 0),
    constraint endpoint_has_event_types check (cardinality(event_types) > 0),
    constraint endpoint_state_known check (state in ('active', 'paused', 'disabled')),
    constraint endpoint_disabled_has_reason check (state <> 'disabled' or state_reason is not null)
  )`,

  `create table endpoint_secret (
    endpoint_id text not null constraint endpoint_secret_endpoint_fkey references endpoint (id) on delete cascade,
    secret text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    constraint endpoint_secret_pkey primary key (endpoint_id, created_at)
  )`,

  `create table delivery (
    id bigint generated always as identity constraint delivery_pkey primary key,
    endpoint_id text not null constraint delivery_endpoint_fkey references endpoint (id) on delete cascade,
    event_id text not null constraint delivery_event_fkey references event (id),
    lane text not null,
    position bigint not null,
    state text not null default 'pending',
    attempts integer not null default 0,
    due_at timestamptz not null,
    retry_until timestamptz,
    created_at timestamptz not null default now(),
    finalized_at timestamptz,
    constraint delivery_event_key unique (endpoint_id, event_id),
    constraint delivery_state_known check (state in ('pending', 'delivered', 'dead')),
    constraint delivery_final_has_time check ((state <> 'pending') = (finalized_at is not null)),
    constraint delivery_attempts_bounded check (attempts between 0 and 100000),
    constraint delivery_delivered_was_tried check (state <> 'delivered' or attempts > 0)
  )`,
  // The second condition always holds. Only a query that repeats it can use the index: the planner, whose statistics of an
  // outbox are always out of date, must not look here for what comes before in a lane, where it would read the whole outbox.
  `create index delivery_due on delivery (endpoint_id, due_at) where state = 'pending' and attempts >= 0`,
  `create index delivery_lane on delivery (endpoint_id, lane, position) where state = 'pending'`,

  `create table attempt (
    delivery_id bigint not null constraint attempt_delivery_fkey references delivery (id) on delete cascade,
    number integer not null,
    sent_at timestamptz not null,
    duration_ms integer not null,
    outcome text not null,
    status integer,
    constraint attempt_pkey primary key (delivery_id, number),
    constraint attempt_number_positive check (number >= 1),
    constraint attempt_answered_has_status check ((outcome = 'answered') = (status is not null))
  )`,
]
