import { createHash } from 'node:crypto'
import { type Kysely, sql, type Transaction } from 'kysely'
import { DEFAULT_EVENT_TYPES } from '../../lib/core/event.ts'
import { RETRY_FOR_MS } from '../../lib/core/retry.ts'
import { SECRET_PREFIX } from '../../lib/core/signature.ts'
import type { Database } from '../../lib/store/database.ts'
import { isWanted } from '../../lib/store/event.ts'
import { ACCOUNTS, beginOf, type Day, type HistorySettings } from './settings.ts'

const [FIRST, SECOND] = ACCOUNTS

/** What endpoints are like, in turn: the third is slow. */
const FORMS = [
  { account: null, events: DEFAULT_EVENT_TYPES, description: 'billing', answersWithinMs: 60 },
  { account: FIRST.id, events: ['*'], description: 'operations', answersWithinMs: 200 },
  { account: SECOND.id, events: ['*'], description: 'partner', answersWithinMs: 3_000 },
] as const

/** Registers the endpoints, and makes the temporary table `receiver` of how they behave. */
export async function registerEndpoints(db: Kysely<Database>, history: HistorySettings): Promise<void> {
  const at = beginOf(history)
  await sql`create temporary table receiver (endpoint_id text, number integer, answers_within_ms integer)`.execute(db)
  for (let number = 0; number < history.endpoints; number += 1) {
    const { account, events, description, answersWithinMs } = FORMS[number % FORMS.length] ?? FORMS[0]
    const hash = createHash('sha256').update(`endpoint ${number} ${history.seed}`).digest()
    const id = `ep_${hash.toString('hex', 0, 16)}`
    const url = `https://${description}-${number + 1}.example.com/rollcall`
    const row = { id, url, account_id: account, event_types: [...events], description, created_at: at }
    await db.insertInto('endpoint').values(row).execute()
    const secret = SECRET_PREFIX + hash.toString('base64')
    await db.insertInto('endpoint_secret').values({ endpoint_id: id, secret, created_at: at }).execute()
    await sql`insert into receiver values (${id}, ${number}, ${answersWithinMs})`.execute(db)
  }
}

/**
 * Stores the deliveries of the events after each account's position, and their attempts. Most succeed at once, some on a further
 * try, and a few are refused for good; every few days an endpoint is down for an hour or two. In the order of their lanes: so
 * nothing fails towards a day's end, since the next day's deliveries know nothing of this one's.
 */
export async function deliver(tx: Transaction<Database>, { until }: HistorySettings, { from }: Day): Promise<void> {
  await sql`
    create temporary table plan on commit drop as
    with wanted as (
      select event.id as event_id, event.account_id, event.position, event.account_id || '/' || session.session_id as lane,
        endpoint.id as endpoint_id, receiver.number, answers_within_ms,
        -- A tick's transaction begins just before all answers are in.
        occurred_at - interval '2 milliseconds' as made_at, (event.account_id * 100 + receiver.number::bigint << 40) + event.position as key
      from account
        join event on event.account_id = account.id and event.position > account.position
        join session on session.id = event.incarnation_id
        join endpoint on ${isWanted}
        join receiver on receiver.endpoint_id = endpoint.id
    ), fated as (
      select wanted.*, made_at + (30 + 250 * pg_temp.chance(key, 80) ^ 3) * interval '1 millisecond' as begun_at,
        ceil(answers_within_ms * (0.3 + 0.7 * pg_temp.chance(key, 81) ^ 4))::integer as answers_ms, down.to_at,
        case when down.to_at is not null then 'down' when pg_temp.chance(key, 82) < 0.0004 then 'refused'
          when pg_temp.chance(key, 82) < 0.012 and made_at < ${from}::timestamptz + interval '23 hours' then 'unlucky' else 'well' end as fate
      from wanted left join (
        select number, from_at, from_at + (30 + 120 * pg_temp.chance(key, 85)) * interval '1 minute' as to_at
        from (
          select number, key, ${from}::timestamptz + (2 + 16 * pg_temp.chance(key, 84)) * interval '1 hour' as from_at
          from receiver, lateral (select floor(extract(epoch from ${from}::timestamptz))::bigint * 100 + number as key) as keyed
          where pg_temp.chance(key, 83) < 0.2
        ) as downs
      ) as down on down.number = wanted.number and made_at >= down.from_at and made_at < down.to_at
    ), spanned as (
      select fated.*, begun_at + case
          when fate = 'unlucky' then 1 + 40 * pg_temp.chance(key, 86)
          when fate = 'down' then extract(epoch from to_at - begun_at) * (1 + 0.5 * pg_temp.chance(key, 86)) else 0 end
        * interval '1 second' as free_at
      from fated
    ), queued as (
      select spanned.*,
        max(free_at) over (lane rows between unbounded preceding and 1 preceding) + row_number() over lane * (answers_within_ms + 50) * interval '1 millisecond'
          as lane_free_at
      from spanned
      window lane as (partition by endpoint_id, lane order by position)
    )
    -- One that had to wait for those before it finds an endpoint that answers.
    select (select coalesce(max(id), 0) from delivery) + row_number() over (order by made_at, account_id, position, number) as id,
      endpoint_id, event_id, lane, position, made_at, answers_ms, key,
      case when is_held and fate <> 'refused' then 'well' else fate end as fate,
      case when is_held then lane_free_at else begun_at end as first_sent_at,
      case when is_held then lane_free_at else free_at end as last_sent_at,
      case when is_held or free_at = begun_at then 1
        else greatest(2, ceil(ln(1 + extract(epoch from free_at - begun_at) / 2.5) / ln(2)))::integer end as attempts
    from queued cross join lateral (select coalesce(begun_at < lane_free_at, false) as is_held) as held`.execute(tx)
  await sql`
    insert into delivery (id, endpoint_id, event_id, lane, position, state, attempts, due_at, retry_until, created_at, finalized_at)
    overriding system value
    select id, endpoint_id, event_id, lane, position,
      case when not is_done then 'pending' when fate = 'refused' then 'dead' else 'delivered' end,
      case when is_done then attempts else 0 end, case when is_done then done_at else made_at end,
      case when is_done then first_sent_at + ${RETRY_FOR_MS}::bigint * interval '1 millisecond' end, made_at,
      case when is_done then done_at end
    from plan, lateral (select last_sent_at + answers_ms * interval '1 millisecond' as done_at) as done,
      lateral (select done_at <= ${until} as is_done) as ended
    order by id`.execute(tx)
  await sql`select setval(pg_get_serial_sequence('delivery', 'id'), max(id)) from plan having count(*) > 0`.execute(tx)
  await sql`
    insert into attempt (delivery_id, number, sent_at, duration_ms, outcome, status)
    select plan.id, number,
      -- Each wait twice the one before it.
      first_sent_at + (last_sent_at - first_sent_at) * coalesce((2 ^ (number - 1) - 1) / nullif(2 ^ (plan.attempts - 1) - 1, 0), 0),
      case outcome when 'timeout' then 15000 when 'connect_failed' then 5 else answers_ms end, outcome,
      case when outcome = 'answered' then
        case when is_last then case fate when 'refused' then 400 else 204 end when fate = 'down' then 503 else 500 end end
    from plan join delivery on delivery.id = plan.id and delivery.state <> 'pending'
      cross join lateral generate_series(1, plan.attempts) as number
      cross join lateral (select number = plan.attempts as is_last) as rank
      cross join lateral (
        select case when is_last or pg_temp.chance(key, 90) < 0.5 then 'answered' when pg_temp.chance(key, 90) < 0.8 then 'timeout'
          else 'connect_failed' end as outcome
      ) as met
    order by plan.id, number`.execute(tx)
}
