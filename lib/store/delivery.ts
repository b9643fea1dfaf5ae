import { type Kysely, sql } from 'kysely'
import type { Outcome, Verdict } from '../core/retry.ts'
import type { Database } from './database.ts'

/** A delivery that is ours until the lease ends, with all that its POST needs. */
export interface Claim {
  id: number
  endpointId: string
  eventId: string
  url: string
  body: string
  secrets: string[]
  /** The number of this attempt, and the fence of its settle. */
  attempt: number
  /** A failure now is the last: it has been tried for long enough. */
  expired: boolean
}

/**
 * Claims up to `limit` due deliveries for `leaseMs`, at most `perEndpoint` of any one endpoint less those of `inFlight`,
 * and one of an endpoint whose last attempts failed: those that hang must not take the places of all.
 * Only the oldest pending delivery of a lane can be claimed; rows that another drain is claiming are passed over. A
 * claim that is never settled falls due again when its lease ends.
 */
export async function claim(
  db: Kysely<Database>,
  options: {
    limit: number
    perEndpoint: number
    inFlight: ReadonlyMap<string, number>
    leaseMs: number
    retryForMs: number
  },
): Promise<Claim[]> {
  const { rows } = await sql<Claim>`
    with due as (
      select head.id
      from endpoint
        left join jsonb_each_text(${JSON.stringify(Object.fromEntries(options.inFlight))}::jsonb) as busy
          on busy.key = endpoint.id
        cross join lateral (
          select picked.id, row_number() over () as place
          from (
            select delivery.id
            from delivery
            where delivery.endpoint_id = endpoint.id and delivery.due_at <= now()
              -- The conditions of delivery_due. They are not repeated below, and it is no join, so that however few
              -- deliveries the planner thinks are pending, it looks for the oldest of a lane in delivery_lane alone.
              and delivery.state = 'pending' and delivery.attempts >= 0
              and delivery.position = (
                select min(older.position) from delivery older
                where older.endpoint_id = delivery.endpoint_id and older.lane = delivery.lane
                  and older.state = 'pending')
            order by delivery.due_at, delivery.id
            limit greatest(0, least(${options.perEndpoint}, case when endpoint.failures > 0 then 1 end)
              - coalesce(busy.value::integer, 0))
            for update skip locked
          ) as picked
        ) as head
      where endpoint.state = 'active' and (endpoint.hold_until is null or endpoint.hold_until <= now())
      -- The endpoint with the fewest under way first, so that a long backlog does not starve the others.
      order by coalesce(busy.value::integer, 0) + head.place
      limit ${options.limit}
    )
    update delivery
    set attempts = attempts + 1,
      due_at = now() + ${options.leaseMs} * interval '1 millisecond',
      retry_until = coalesce(retry_until, now() + ${options.retryForMs} * interval '1 millisecond')
    from due, endpoint, event
    where delivery.id = due.id and endpoint.id = delivery.endpoint_id and event.id = delivery.event_id
    returning delivery.id, endpoint.id as "endpointId", event.id as "eventId", endpoint.url, event.body,
      delivery.attempts as attempt, delivery.retry_until <= now() as expired,
      array(
        select secret from endpoint_secret
        where endpoint_id = endpoint.id and (expires_at is null or expires_at > now())
        order by created_at desc
      ) as secrets`.execute(db)
  return rows
}

/** What one attempt came to. */
export interface Settlement {
  claim: Claim
  sentAt: Date
  durationMs: number
  outcome: Outcome
  verdict: Verdict
}

/**
 * Stores the attempts and what follows from them, in one statement. A delivery that was claimed again since, or is final,
 * stays as it is, but that a success is never taken for dead; its attempt is recorded, since the receiver saw it. Endpoints
 * are locked before deliveries, as a removal does, and both in order, so that none waits for another in a circle. `met`
 * reads `locked`, or an endpoint might be marked first: a row that the same statement has changed cannot be locked any more.
 */
export async function settle(db: Kysely<Database>, settlements: Settlement[]): Promise<void> {
  const rows = settlements.map(({ claim, sentAt, durationMs, outcome, verdict }) => ({
    id: claim.id,
    endpoint_id: claim.endpointId,
    number: claim.attempt,
    sent_at: sentAt,
    duration_ms: durationMs,
    outcome: outcome.kind,
    status: outcome.kind === 'answered' ? outcome.status : null,
    state: verdict.kind === 'delivered' || verdict.kind === 'dead' ? verdict.kind : 'pending',
    delay_ms: verdict.kind === 'retry' ? verdict.delayMs : 0,
    hold_ms: verdict.kind === 'retry' ? verdict.holdMs : 0,
    disable: verdict.kind === 'disable' ? verdict.reason : null,
  }))
  await sql`
    with settled as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (
        id bigint, endpoint_id text, number integer, sent_at timestamptz, duration_ms integer, outcome text,
        status integer, state text, delay_ms double precision, hold_ms double precision, disable text)
    ), endpoints as materialized (
      select id from endpoint where id in (select endpoint_id from settled) order by id for key share
    ), locked as materialized (
      select id from delivery
      where id in (select id from settled) and endpoint_id in (select id from endpoints)
      order by id for no key update
    ), recorded as (
      insert into attempt (delivery_id, number, sent_at, duration_ms, outcome, status)
      select id, number, sent_at, duration_ms, outcome, status from settled join locked using (id)
      on conflict do nothing
    ), met as materialized (
      select endpoint_id, max(hold_ms) as hold_ms, max(disable) as disable, bool_or(state = 'delivered') as succeeded,
        count(*) as attempts
      from settled join locked using (id) group by endpoint_id
    ), affected as materialized (
      select id from endpoint join met on endpoint_id = id
      where not succeeded or failures > 0 or hold_ms > 0 or disable is not null
      order by id for no key update of endpoint
    ), marked as (
      update endpoint
      set failures = case when met.succeeded then 0 else failures + met.attempts end,
        hold_until = case when met.hold_ms > 0
          then greatest(hold_until, now() + met.hold_ms * interval '1 millisecond') else hold_until end,
        state = case when met.disable is not null then 'disabled' else endpoint.state end,
        state_reason = coalesce(met.disable, state_reason)
      from met join affected on affected.id = met.endpoint_id
      where endpoint.id = met.endpoint_id
    )
    update delivery
    set state = settled.state,
      due_at = now() + settled.delay_ms * interval '1 millisecond',
      finalized_at = case when settled.state <> 'pending' then now() end
    from settled join locked using (id)
    where delivery.id = settled.id and delivery.attempts = settled.number
      and (delivery.state = 'pending' or (delivery.state = 'dead' and settled.state = 'delivered'))`.execute(db)
}
