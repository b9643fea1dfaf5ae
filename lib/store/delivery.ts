import { type Kysely, sql, type Transaction } from 'kysely'
import { DISABLE_AFTER_EVENTS, DISABLE_AFTER_MS, FULL_PACE, type Outcome, type Verdict } from '../core/retry.ts'
import type { Database } from './database.ts'
import { announceDead, announceDisabled } from './operator.ts'
import { secretsOf } from './secret.ts'

/** A delivery that is ours until the lease ends, with all that its POST needs. */
export interface Claim {
  id: number
  endpointId: string
  eventId: string
  position: number
  url: string
  body: string
  /** As they are stored: perhaps sealed. */
  secrets: string[]
  /** The endpoint's own; the values as they are stored, too. */
  headers: Record<string, string>
  /** How many events the endpoint takes in one POST. */
  batchSize: number
  /** The endpoint has a rate. */
  isRated: boolean
  /** The number of this attempt since it was queued, or queued again, from 1. */
  attempt: number
  /** The number of all its attempts: what a settle is fenced by. */
  fence: number
  /** A failure now is the last: it has been tried for long enough. */
  expired: boolean
  /** Attempts that failed at this endpoint since the last success, and for how long it has been failing. */
  failures: number
  failingForMs: number
  /** It has failed for days, at several events. */
  hopeless: boolean
}

/** What a claim may take on. Counts are of POSTs, which for some endpoints have several events. */
export interface ClaimOptions {
  limit: number
  perEndpoint: number
  inFlight: ReadonlyMap<string, number>
  leaseMs: number
  retryForMs: number
}

/**
 * An endpoint may have so many times `perEndpoint` under way over all drains, or one that hangs would keep each new drain
 * busy for as long as a POST may last. More than once, since the claims of a drain that died stay until their leases end.
 */
const DRAINS_PER_ENDPOINT = 2

/** What a rate leaves unused for longer than this is lost; so much may be sent at once. */
const RATE_SLACK = sql`greatest(1 / rate_per_second, 0.25)`

/** May get something now. */
const isOpen = sql`endpoint.state = 'active' and (hold_until is null or hold_until <= now())
  and (probe_until is null or probe_until <= now())`

/**
 * Due, and the oldest of its lane. The conditions of delivery_due are not repeated within, and it is no join, so that however few
 * deliveries the planner thinks are pending, it looks for the oldest of a lane in delivery_lane alone. `<=` can only mean equal; but
 * by `=` the planner expects hardly any to be the oldest, and then reads and sorts all that is due for the few that are taken.
 */
const isClaimable = sql`delivery.due_at <= now() and delivery.state = 'pending' and delivery.attempts >= 0
  and delivery.position <= (
    select min(older.position) from delivery older
    where older.endpoint_id = delivery.endpoint_id and older.lane = delivery.lane and older.state = 'pending')`

/** The deliveries that can be claimed of an endpoint that is `open`. */
const heads = (condition: ReturnType<typeof sql>, order: ReturnType<typeof sql>) => sql`
  select delivery.id, delivery.attempts = delivery.attempts_before as is_new
  from delivery
  where ${condition} and delivery.endpoint_id = open.id and ${isClaimable}
  order by ${order}
  limit open.places * open.batch_size
  for update skip locked`

/**
 * Claims due deliveries for `leaseMs`, enough for `limit` POSTs, at most `perEndpoint` of any one endpoint less those of
 * `inFlight`, and twice as many over all drains; fewer of one that recovers, that has a rate, or, one at a time over all
 * drains, that fails. A delivery that was tried before has a POST of its own. Only the oldest pending delivery of a lane can be
 * claimed; rows that another drain is claiming are passed over. A claim that is never settled falls due again when its lease
 * ends.
 */
export async function claim(db: Kysely<Database>, options: ClaimOptions): Promise<Claim[]> {
  const lease = sql`now() + ${options.leaseMs} * interval '1 millisecond'`
  const mostUnderWay = sql`${DRAINS_PER_ENDPOINT * options.perEndpoint}::integer`
  const { rows } = await sql<Claim>`
    with busy as materialized (
      select key as id, value::integer as posts
      from jsonb_each_text(${JSON.stringify(Object.fromEntries(options.inFlight))}::jsonb)
    ), slow as materialized (
      -- How much these may get is in their rows, which one claim at a time reads and changes.
      select id, batch_size, pace, rate_per_second, next_send_at
      from endpoint where ${isOpen} and (pace is not null or rate_per_second is not null)
      for no key update skip locked
    ), open as materialized (
      select id, batch_size, pace, coalesce(busy.posts, 0) as busy,
        greatest(0, least(least(${options.perEndpoint}, pace) - coalesce(busy.posts, 0), tokens,
          ${mostUnderWay} - leased / batch_size)) as places
      from (
        select id, batch_size, null::integer as pace, null::integer as tokens
        from endpoint where ${isOpen} and pace is null and rate_per_second is null
        union all
        select id, batch_size, pace, floor(1e-6 + rate_per_second
          * least(${RATE_SLACK}, extract(epoch from now() - coalesce(next_send_at, '2000-01-01'))))::integer
        from slow
      ) as endpoint left join busy using (id) cross join lateral (
        select count(*) as leased
        from (
          select from delivery
          where delivery.endpoint_id = endpoint.id and delivery.due_at > now() and delivery.due_at <= ${lease}
            and delivery.state = 'pending' and delivery.attempts >= 0
            -- What waits for its next try has its last one on record.
            and delivery.attempts > 0
            and not exists (select from attempt where delivery_id = delivery.id and number = delivery.attempts)
          order by delivery.due_at
          limit ${mostUnderWay} * endpoint.batch_size
        ) as under_way
      ) as under_way
    ), head as materialized (
      select open.id as endpoint_id, open.busy, picked.id, picked.post
      from open cross join lateral (
        select id, (sum(weight) over (order by rank) + open.batch_size - 1) / open.batch_size as post
        from (
          select id, case when is_new then 1 else open.batch_size end as weight, row_number() over () as rank
          from (
            select * from (${heads(sql`open.pace is null`, sql`due_at, id`)}) as oldest
            union all
            -- What fell due last first: when only some events fail, those that failed must not wait for all the others.
            select * from (${heads(sql`open.pace is not null`, sql`due_at desc, id desc`)}) as newest
          ) as due
        ) as ranked
      ) as picked
      where picked.post <= open.places
    ), due as materialized (
      -- The endpoint with the fewest under way first, so that a long backlog does not starve the others.
      select id, endpoint_id, post
      from (select head.*, dense_rank() over (order by busy + post, endpoint_id) as place from head) as ranked
      where place <= ${options.limit}
    ), paced as (
      update endpoint
      set probe_until = case when failures > 0 then ${lease} else probe_until end,
        next_send_at = greatest(next_send_at, now() - ${RATE_SLACK} * interval '1 second')
          + taken.posts / rate_per_second * interval '1 second'
      from (select endpoint_id, max(post) as posts from due group by endpoint_id) as taken
      where endpoint.id = taken.endpoint_id and endpoint.id in (select id from slow)
    )
    update delivery
    set attempts = attempts + 1, due_at = ${lease},
      retry_until = coalesce(retry_until, now() + ${options.retryForMs} * interval '1 millisecond')
    from endpoint, event
    -- An array, of which the planner expects little: of what it thinks is due it would read all deliveries and events there are.
    where delivery.id = any(array(select id from due)) and endpoint.id = delivery.endpoint_id and event.id = delivery.event_id
    returning delivery.id, endpoint.id as "endpointId", event.id as "eventId", delivery.position, endpoint.url, event.body,
      endpoint.headers, endpoint.batch_size as "batchSize", endpoint.rate_per_second is not null as "isRated",
      delivery.attempts as fence,
      delivery.attempts - delivery.attempts_before as attempt,
      delivery.retry_until <= now() as expired, endpoint.failures,
      1000 * coalesce(extract(epoch from now() - endpoint.failing_since), 0)::float8 as "failingForMs",
      case when endpoint.failing_since <= now() - ${DISABLE_AFTER_MS} * interval '1 millisecond' then (
        select count(*) >= ${DISABLE_AFTER_EVENTS} from (
          select from delivery tried
          where tried.endpoint_id = endpoint.id and tried.state = 'pending' and tried.attempts > 0
          limit ${DISABLE_AFTER_EVENTS}
        ) as tried
      ) else false end as hopeless,
      array(${secretsOf(sql`endpoint.id`)}) as secrets`.execute(db)
  return rows
}

/** The least wait for a rate: what it allows came since the last claim, or somebody else has the endpoint's row. */
const LEAST_WAIT_MS = 20

/** How many milliseconds until an endpoint with a rate may get what is due for it; null when nothing waits for a rate. */
export async function untilRate(db: Kysely<Database>): Promise<number | null> {
  const { rows } = await sql<{ ms: number | null }>`
    select 1000 * extract(epoch from
      min(coalesce(next_send_at, now()) + interval '1 second' / rate_per_second) - now())::float8 as ms
    from endpoint
    where rate_per_second is not null and ${isOpen} and exists (
      select from delivery where endpoint_id = endpoint.id and ${isClaimable})`.execute(db)
  const ms = rows[0]?.ms ?? null
  return ms === null ? null : Math.max(LEAST_WAIT_MS, Math.ceil(ms))
}

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
 * `met` reads `locked`, or an endpoint might be marked first: a row that the same statement has changed cannot be locked any
 * more.
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
    ), recorded as (
      insert into attempt (delivery_id, number, sent_at, duration_ms, outcome, status)
      select id, number, sent_at, duration_ms, outcome, status from settled join locked using (id)
      on conflict do nothing
    ), met as materialized (
      select endpoint_id, max(hold_ms) as hold_ms, max(pause_ms) as pause_ms, max(disable) as disable,
        max(url) filter (where disable is not null) as disabling_url,
        bool_or(state = 'delivered') as succeeded, count(*) filter (where failed) as failed,
        array_agg(due_at) filter (where attempts = number) as leases
      from settled join locked using (id) group by endpoint_id
    ), affected as materialized (
      -- What is said at one URL disables nobody at another, and only under the lock is it sure which one it is.
      select id, case when url = disabling_url and state <> 'disabled' then disable end as disable
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
      set state = settled.state,
        due_at = now() + settled.delay_ms * interval '1 millisecond',
        finalized_at = case when settled.state <> 'pending' then now() end
      from settled join locked using (id)
      where delivery.id = settled.id and delivery.attempts = settled.number
        and (delivery.state = 'pending' or (delivery.state = 'dead' and settled.state = 'delivered'))
      returning delivery.endpoint_id, delivery.event_id, delivery.state
    )
    select endpoint_id as "endpointId", event_id as "eventId" from done where state = 'dead'
    union all
    select id, null from marked where disable is not null`.execute(db)
  return news.rows
}
