import { type Kysely, sql } from 'kysely'
import { DISABLE_AFTER_EVENTS, DISABLE_AFTER_MS, POST_DEADLINE_MS } from '../core/retry.ts'
import type { Database } from './database.ts'
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

/** What a drain holds of an endpoint, and how many POSTs more than may be under way it can make soon. */
export interface Held {
  posts: number
  /** Of these POSTs, and of those that have ended and are not settled. */
  events: number
  ahead: number
}

/** What a claim may take on. Counts are of POSTs, which for some endpoints have several events. */
export interface ClaimOptions {
  limit: number
  perEndpoint: number
  held: ReadonlyMap<string, Held>
  leaseMs: number
  retryForMs: number
  /** An endpoint with a POST under way for longer is left to the drains that wait for it. */
  hangsAfterMs: number
}

/**
 * An endpoint may have so many times `perEndpoint` under way over all drains. More than once, since the claims of a drain that
 * died count for as long as a POST may last.
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
 * Claims due deliveries for `leaseMs`, enough for `limit` POSTs. Of any one endpoint at most `perEndpoint` less what is `held`,
 * and twice as many over all drains, or `ahead` more where it has no trouble; fewer of one that recovers, that has a rate, or, one
 * at a time over all drains, that fails. A delivery that was tried before has a POST of its own. Only the oldest pending delivery
 * of a lane can be claimed; rows that another drain is claiming are passed over. A claim that is neither settled nor released falls
 * due again when its lease ends.
 */
export async function claim(db: Kysely<Database>, options: ClaimOptions): Promise<Claim[]> {
  // The end of a lease that a claim so long ago gave.
  const leaseOf = (agoMs: number) => sql`now() + ${options.leaseMs - agoMs} * interval '1 millisecond'`
  const lease = leaseOf(0)
  const own = [...options.held].map(([id, held]) => ({ id, ...held }))
  const mostUnderWay = sql`${DRAINS_PER_ENDPOINT * options.perEndpoint}::integer`
  const { rows } = await sql<Claim>`
    with busy as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(own)}::jsonb) as own (
        id text, posts integer, events integer, ahead integer)
    ), slow as materialized (
      -- How much these may get is in their rows, which one claim at a time reads and changes.
      select id, batch_size, pace, rate_per_second, next_send_at
      from endpoint where ${isOpen} and (pace is not null or rate_per_second is not null)
      for no key update skip locked
    ), able as materialized (
      select id, batch_size, pace, coalesce(busy.posts, 0) as busy,
        case when hangs and coalesce(busy.events, 0) = 0 then 0 else least(
          least(${options.perEndpoint}, pace, ${mostUnderWay} - others) - coalesce(busy.posts, 0)
          -- Ahead only of one that is known for no trouble, and that other drains leave room for.
          + case when pace is null and tokens is null and others <= ${mostUnderWay} - ${options.perEndpoint}
            then coalesce(busy.ahead, 0) else 0 end,
          tokens) end as places
      from (
        select id, batch_size, null::integer as pace, null::integer as tokens
        from endpoint where ${isOpen} and pace is null and rate_per_second is null
        union all
        select id, batch_size, pace, floor(1e-6 + rate_per_second
          * least(${RATE_SLACK}, extract(epoch from now() - coalesce(next_send_at, '2000-01-01'))))::integer
        from slow
      ) as endpoint left join busy using (id) cross join lateral (
        select greatest(0, count(*) - coalesce(busy.events, 0))::integer / batch_size as others,
          coalesce(min(due_at) <= ${leaseOf(options.hangsAfterMs)}, false) as hangs
        from (
          select due_at from delivery
          where delivery.endpoint_id = endpoint.id and delivery.due_at > greatest(now(), ${leaseOf(POST_DEADLINE_MS)})
            and delivery.due_at <= ${lease}
            and delivery.state = 'pending' and delivery.attempts >= 0
            -- What waits for its next try has its last one on record.
            and delivery.attempts > 0
            and not exists (select from attempt where delivery_id = delivery.id and number = delivery.attempts)
          order by delivery.due_at
          limit ${mostUnderWay} * endpoint.batch_size + coalesce(busy.events, 0)
        ) as under_way
      ) as under_way
      where exists (select from delivery where delivery.endpoint_id = endpoint.id and ${isClaimable})
    ), open as materialized (
      -- What is looked at is locked: of each no more than makes all alike, or nearly. Whoever can get nothing now has no share.
      select id, batch_size, pace, busy, greatest(0, least(places,
        ceil((${options.limit} + sum(busy) over ())::float8 / count(*) over ())::integer - busy)) as places
      from able where places > 0
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
