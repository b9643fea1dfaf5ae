import { sql, type Transaction } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import type { Day } from './settings.ts'

const json = (text: string) => sql`coalesce(to_json(${sql.raw(text)}::text)::text, 'null')`
const time = (moment: string) =>
  sql`coalesce(to_char(${sql.raw(moment)} at time zone 'UTC', '"\\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\\""'), 'null')`
const bool = (fact: string) => sql`case when ${sql.raw(fact)} then 'true' else 'false' end`

/** Appends a day's events, in the order and with the bodies that `eventsOf` gives them. */
export async function tellEvents(tx: Transaction<Database>, { from, to }: Day): Promise<void> {
  await sql`
    insert into event (id, account_id, position, type, incarnation_id, revision, occurred_at, body)
    select event_id, account_id, position, type, id, step_revision, before_at,
      '{"specversion":"1.0","id":"' || event_id || '","source":"/accounts/' || name || '","type":"' || type
        || '","subject":' || ${json('session_id')} || ',"time":' || ${time('before_at')}
        || ',"datacontenttype":"application/json","sequence":"' || lpad(position::text, 20, '0')
        || '","partitionkey":' || ${json('session_id')} || ',"data":{"account":"' || name || '","revision":' || step_revision
        || ',"session":{"id":' || ${json('session_id')} || ',"userId":' || ${json('user_id')}
        || ',"status":"' || step_status || '","started":' || ${bool('step_started')}
        || ',"driverType":' || driver_type || ',"playStreamAddr":' || ${json('step_stream')}
        || ',"firstSeenAt":' || ${time('first_seen_at')}
        || ',"readyAt":' || ${time(`case when step > 1 then ready_at end`)}
        || ',"startedAt":' || ${time(`case when step_started then started_at end`)}
        || ',"endedAt":' || ${time(`case when step = 4 then ended_at end`)}
        || '},"previous":' || case when step = 1 then 'null' else '{"status":"' || previous_status || '","started":'
          || ${bool('previous_started')} || '}' end
        || ',"reason":' || ${json('case when step = 4 then end_reason end')}
        || ',"error":' || case when step = 4 and error_code is not null
          then '{"code":' || error_code || ',"message":' || ${json('error_message')} || '}' else 'null' end
        || ',"observed":{"after":' || ${time('after_at')} || ',"before":' || ${time('before_at')} || '}}}'
    from (
      select *, 'evt_' || md5(pg_temp.chance(account_id, 70) || '/' || account_id || '/' || position) as event_id
      from (
        select life.*, account.name, step.*,
          case when step = 4 then revision else step end as step_revision,
          'session.' || case step when 1 then 'created' when 2 then 'ready' when 3 then 'started'
            else case status when 4 then 'failed' else 'closed' end end as type,
          case step when 1 then 'preparing' when 4 then case status when 4 then 'failed' else 'closed' end
            else 'in_progress' end as step_status,
          step = 3 or step = 4 and started_at is not null as step_started,
          case when step = 4 then play_stream_addr when tick_at >= ready_listed_at then stream_addr end as step_stream,
          case when step = 2 or ready_at is null then 'preparing' else 'in_progress' end as previous_status,
          step = 4 and started_at is not null as previous_started,
          account.position + row_number() over (
            partition by account_id
            order by tick_at, tick_at is distinct from ended_listed_at, session_id collate "C", step) as position
        from life join account on account.id = account_id cross join lateral (values
          (1, first_listed_at, first_seen_after, first_seen_at),
          (2, ready_listed_at, ready_after, ready_at),
          (3, started_listed_at, started_after, started_at),
          (4, ended_listed_at, ended_after, ended_at)
        ) as step (step, tick_at, after_at, before_at)
        where tick_at >= ${from} and tick_at < ${to}
      ) as placed
    ) as named
    order by before_at, account_id, position`.execute(tx)
}
