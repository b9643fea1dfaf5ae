import { type Kysely, sql, type Transaction } from 'kysely'
import { FULL_PACE, type Outcome, type Verdict } from '../core/retry.ts'
import type { Claim } from './claim.ts'
import type { Database } from './database.ts'
import { BEING_REMOVED } from './endpoint.ts'
import { announceDead, announceDisabled } from './operator.ts'

/** What one attempt came to. */
export interface Settlement {
  claim: Pick<Claim, 'id' | 'endpointId' | 'fence' | 'url'>
  sentAt: Date
  durationMs: number
  outcome: Outcome
  verdict: Verdict
  /** False for all events of a batch but one: it failed once. */
  isFirst?: boolean
}

/**
 * Stores the attempts and what follows from them, and announces what is dead or disabled by it. Atomic. A delivery that was
 * claimed again since, or is final, stays as it is, but that a success is never taken for dead; its attempt is recorded,
 * since the receiver saw it.
 */
export async function settle(db: Kysely<Database>, settlements: Settlement[]): Promise<void> {
  const isNews = settlements.some(({ verdict }) => verdict.kind === 'dead' || verdict.kind === 'disable')
  if (!isNews) return void (await settleAll(db, settlements))
  await db.transaction().execute(async (tx) => announce(tx, await settleAll(tx, settlements)))
}

/** What a settle made known: a delivery that is dead, or, without an event, an endpoint that is disabled. */
interface News {
  endpointId: string
  eventId: string | null
}

async function announce(tx: Transaction<Database>, news: News[]): Promise<void> {
  const dead = news.flatMap(({ endpointId, eventId }) => (eventId === null ? [] : { endpointId, eventId }))
  const disabled = news.flatMap(({ endpointId, eventId }) => (eventId === null ? endpointId : []))
  await announceDead(tx, dead)
  await announceDisabled(tx, disabled)
}

/**
 * Endpoints are locked before deliveries, as a removal does, and both in order, so that none waits for another in a circle.
 * `met` reads what is `locked`, or an endpoint might be marked first: a row that the same statement has changed cannot be locked
 * any more.
 */
async function settleAll(db: Kysely<Database>, settlements: Settlement[]): Promise<News[]> {
  const rows = settlements.map(({ claim, sentAt, durationMs, outcome, verdict, isFirst = true }) => ({
    id: claim.id,
    endpoint_id: claim.endpointId,
    url: claim.url,
    number: claim.fence,
    sent_at: sentAt,
    duration_ms: durationMs,
    outcome: outcome.kind,
    status: outcome.kind === 'answered' ? outcome.status : null,
    state: verdict.kind === 'delivered' || verdict.kind === 'dead' ? verdict.kind : 'pending',
    failed: isFirst && (verdict.kind === 'retry' ? verdict.theirs : verdict.kind !== 'delivered'),
    delay_ms: verdict.kind === 'retry' ? verdict.delayMs : 0,
    hold_ms: verdict.kind === 'retry' ? verdict.holdMs : 0,
    pause_ms: 'pauseMs' in verdict ? verdict.pauseMs : 0,
    disable: verdict.kind === 'disable' ? verdict.reason : null,
  }))
  const news = await sql<News>`
    with settled as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (
        id bigint, endpoint_id text, url text, number integer, sent_at timestamptz, duration_ms integer, outcome text,
        status integer, state text, failed boolean, delay_ms double precision, hold_ms double precision, pause_ms double precision,
        disable text)
    ), endpoints as materialized (
      select id from endpoint where id in (select endpoint_id from settled) order by id for key share
    ), locked as materialized (
      select id, attempts, due_at from delivery
      where id in (select id from settled) and endpoint_id in (select id from endpoints)
      order by id for no key update
    ), judged as materialized (
      -- Joined once: together with the conditions of an update the planner expects so little that it compares each with each.
      select settled.*, attempts, due_at from settled join locked using (id)
    ), recorded as (
      insert into attempt (delivery_id, number, sent_at, duration_ms, outcome, status)
      select id, number, sent_at, duration_ms, outcome, status from judged
      on conflict do nothing
    ), met as materialized (
      select endpoint_id, max(hold_ms) as hold_ms, max(pause_ms) as pause_ms, max(disable) as disable,
        max(url) filter (where disable is not null) as disabling_url,
        bool_or(state = 'delivered') as succeeded, count(*) filter (where failed) as failed,
        array_agg(due_at) filter (where attempts = number) as leases
      from judged group by endpoint_id
    ), affected as materialized (
      -- What is said at one URL disables nobody at another, and only under the lock is it sure which one it is. One that is
      -- half removed stays so, or it could be enabled again.
      select id, case when url = disabling_url and state <> 'disabled' and state_reason is distinct from ${BEING_REMOVED}
        then disable end as disable
      from endpoint join met on endpoint_id = id
      where failed > 0 or hold_ms > 0 or disable is not null or pace is not null or probe_until is not null
      order by id for no key update of endpoint
    ), marked as (
      update endpoint
      set failures = case when met.succeeded then 0 else failures + met.failed end,
        failing_since = case when met.succeeded then null when met.failed > 0 then coalesce(failing_since, now())
          else failing_since end,
        -- After an outage twice as many at once with each success, so that a backlog does not fall on it whole.
        pace = case when met.succeeded then nullif(least(pace * 2, ${FULL_PACE}), ${FULL_PACE}) when met.failed > 0 then 1
          else pace end,
        -- The lease of a probe ends with that probe: POSTs from before it may still come to an end beside it.
        probe_until = case when not met.succeeded then greatest(
          case when probe_until = any(met.leases) then null else probe_until end,
          case when met.pause_ms > 0 then now() + met.pause_ms * interval '1 millisecond' end) end,
        hold_until = case when met.hold_ms > 0
          then greatest(hold_until, now() + met.hold_ms * interval '1 millisecond') else hold_until end,
        state = case when affected.disable is not null then 'disabled' else endpoint.state end,
        state_reason = coalesce(affected.disable, state_reason)
      from met join affected on affected.id = met.endpoint_id
      where endpoint.id = met.endpoint_id
      returning endpoint.id, affected.disable
    ), done as (
      update delivery
      set state = judged.state,
        due_at = now() + judged.delay_ms * interval '1 millisecond',
        finalized_at = case when judged.state <> 'pending' then now() end
      from judged
      where delivery.id = judged.id and delivery.attempts = judged.number
        and (delivery.state = 'pending' or (delivery.state = 'dead' and judged.state = 'delivered'))
      returning delivery.endpoint_id, delivery.event_id, delivery.state
    )
    select endpoint_id as "endpointId", event_id as "eventId" from done where state = 'dead'
    union all
    select id, null from marked where disable is not null`.execute(db)
  return news.rows
}
