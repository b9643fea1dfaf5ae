import { LAST_SEEN, statusName } from './views.ts'

/** A function of the schema `report` that gives a table. */
export interface ReportFunction {
  name: string
  about: string
  takes: string
  gives: string
  as: string
}

/** Refuses what would give a wrong answer, and says what to do. */
const checkSpan = `
    if "from" is null or "to" is null or "from" > "to" or not isfinite("from") or not isfinite("to") then
      raise exception 'from (%) must be a time, and not after to (%)', "from", "to" using errcode = 'invalid_parameter_value';
    end if;`
const checkPositive = (name: string) => `
    if ${name} is null or ${name} <= 0 then
      raise exception '${name} (%) must be at least 1', ${name} using errcode = 'invalid_parameter_value';
    end if;`

export const FUNCTIONS: ReportFunction[] = [
  {
    name: 'sessions_at',
    about:
      'The list of each account as it was at a moment, with what it said of each session then; where it was incomplete, also the sessions that it lacked and that the API confirmed when it was asked for them. since is when a look first said of it what it said then, not when it began; listed_at is the last look that was had by then: the older it is, the less is known.',
    takes: '"at" timestamptz',
    gives: `account text, session_id text, incarnation integer, user_id text, project_id text, asset_key text,
      driver_type integer, status text, started boolean, since timestamptz, listed_at timestamptz`,
    as: `
  #variable_conflict use_column
  begin
    if $1 is null or not isfinite($1) then
      raise exception 'at (%) must be a time', $1 using errcode = 'invalid_parameter_value';
    end if;
    return query
      select account.name, session.session_id, session.incarnation, look.user_id, look.extra ->> 'VirtualmanProjectId',
        look.extra ->> 'AssetVirtualmanKey', look.driver_type, ${statusName('look.status')}, look.started, look.valid_from,
        (select max(snapshot.listed_at) from snapshot
          where snapshot.account_id = account.id and snapshot.listed_at <= $1 and snapshot.outcome <> 'failed')
      from session_between($1, $1) as session
        join account on account.id = session.account_id
        join session_version as look on look.incarnation_id = session.id
          and look.valid_from <= $1 and (look.valid_to is null or look.valid_to > $1)
      order by account.name, session.session_id;
  end`,
  },
  {
    name: 'concurrency',
    about:
      'The most sessions that were live at once, in each step from one time up to another, for each account: exact, not a sample. A session is live from first_seen_at to ended_at. Steps of days and months follow the time zone of your connection; nothing is given for steps that begin later than now.',
    takes: '"from" timestamptz, "to" timestamptz, step interval',
    gives: 'account text, bucket timestamptz, peak integer',
    as: `
  #variable_conflict use_column
  begin ${checkSpan}
    -- A part that goes back could go back and forth for ever where a clock is changed.
    if step is null or not isfinite(step) or "from" + step <= "from" or least(extract(month from step), extract(day from step),
        extract(hour from step), extract(minute from step), extract(second from step)) < 0 then
      raise exception 'step (%) must be longer than nothing, in each of its parts, and not endless', step using errcode = 'invalid_parameter_value';
    end if;
    if extract(epoch from least("to", now()) - "from") / extract(epoch from step) > 1000000 then
      raise exception 'from % to % there are over a million steps of %: ask for less time, or for longer steps', "from", "to", step
        using errcode = 'invalid_parameter_value';
    end if;
    return query
      with starts as (
        select array_agg(start order by start) as starts
        from generate_series("from", least("to", now()), $3) as start where start < "to"
      ), levels as (
        select account_id, at, live, lead(at, 1, least("to", now())) over (partition by account_id order by at) as until
        from usage_level_between("from", least("to", now()))
      ), steps as (
        -- Most levels are over before the next step begins.
        select account_id, live, generate_series(
            width_bucket(at, starts), greatest(width_bucket(at, starts), width_bucket(until - interval '1 microsecond', starts))
          ) as number
        from levels cross join starts
      )
      select name, starts[number], peak
      from (select account_id, number, max(live) as peak from steps group by account_id, number) as peaks
        cross join starts join account on account.id = account_id
      order by name, number;
  end`,
  },
  {
    name: 'levels',
    about:
      'How many sessions of each account were live, from one time on and from each time at which that changed, up to another: the curve of which report.concurrency gives the maxima.',
    takes: '"from" timestamptz, "to" timestamptz',
    gives: 'account text, at timestamptz, live integer',
    as: `
  #variable_conflict use_column
  begin ${checkSpan}
    return query
      with levels as (
        select account_id, at, live, lag(live) over (partition by account_id order by at) as before
        from usage_level_between("from", least("to", now()))
      )
      select name, at, live from levels join account on account.id = account_id
      where live is distinct from before order by name, at;
  end`,
  },
  {
    name: 'usage',
    about:
      'What report.usage_daily has for a day, for any time from one moment up to another: sessions, minutes and peaks by account, project and asset, as these were said of a session then.',
    takes: '"from" timestamptz, "to" timestamptz',
    gives: `account text, project_id text, asset_key text, sessions bigint, started bigint, failed bigint,
      channel_minutes numeric, channel_minutes_min numeric, channel_minutes_max numeric, peak bigint, account_peak bigint`,
    as: `
  #variable_conflict use_column
  begin ${checkSpan}
    return query
      with of_account as (
        -- Whole quarters that were summed; around them, what is added up anew.
        select account.id, name, summed_from,
          greatest(summed_from, least(usage_quarter_of(least("to", now())), coalesce(until, '-infinity'))) as summed_to
        from account left join usage_until on account_id = account.id cross join lateral (
            select least("to", usage_quarter_of("from" + interval '15 minutes' - interval '1 microsecond')) as summed_from
          ) as whole
      ), parts as (
        select id, project_id, asset_key, sessions, started, failed, used, used_min, used_max, peak
        from of_account join usage_quarter on account_id = id and quarter_at >= summed_from and quarter_at < summed_to
        union all
        select id, anew.*
        from of_account cross join lateral (
            values ("from", summed_from), (summed_to, "to")
          ) as rest (lower_at, upper_at)
          cross join lateral usage_between(id, lower_at, upper_at) as anew
        where lower_at < upper_at
      ), peaks as (
        select account_id, max(live) as peak from usage_level_between("from", least("to", now())) group by account_id
      )
      select name, project_id, asset_key, sum(sessions)::bigint, sum(started)::bigint, sum(failed)::bigint,
        round(extract(epoch from sum(used)) / 60, 2), round(extract(epoch from sum(used_min)) / 60, 2),
        round(extract(epoch from sum(used_max)) / 60, 2), max(parts.peak)::bigint, coalesce(peaks.peak, 0)::bigint
      from parts join of_account using (id) left join peaks on account_id = id
      group by id, name, project_id, asset_key, peaks.peak;
  end`,
  },
  {
    name: 'capacity',
    about:
      'For each account, for how long so many channels or more were in use from one time up to another: how often, and for how long at most at a stretch. share is of the whole time, 0 to 1, also of what was before anybody watched; last_at is when the last occasion began.',
    takes: `channels integer, "from" timestamptz default now() - interval '30 days', "to" timestamptz default now()`,
    gives: `account text, seconds_at_or_over numeric, share numeric, occasions bigint, longest_seconds numeric, peak integer,
      last_at timestamptz`,
    as: `
  #variable_conflict use_column
  begin ${checkSpan}${checkPositive('channels')}
    return query
      with levels as (
        select account_id, at, live as level, lead(at, 1, least("to", now())) over (partition by account_id order by at) as until
        from usage_level_between("from", least("to", now()))
      ), stretches as (
        select *, count(*) filter (where level < channels) over (partition by account_id order by at) as stretch
        from levels
      ), occasions as (
        select account_id, min(at) as began_at, sum(until - at) as seconds
        from stretches where level >= channels group by account_id, stretch
      )
      select name, coalesce(extract(epoch from sum(seconds)), 0),
        round(coalesce(extract(epoch from sum(seconds)), 0) / nullif(extract(epoch from least("to", now()) - "from"), 0), 6),
        count(seconds), coalesce(extract(epoch from max(seconds)), 0),
        coalesce((select max(level) from levels where levels.account_id = account.id), 0)::integer, max(began_at)
      from account left join occasions on account_id = account.id
      group by account.id, name order by name;
  end`,
  },
  {
    name: 'gaps',
    about:
      'Times without a complete list of an account, longer than a minute or what you say, from one time up to another: nobody saw what happened then. began_at is null before the first list, ended_at while it lasts; seconds are those between from and to. Where looks are further apart than a minute, say what is longer than usual.',
    takes: `"from" timestamptz default now() - interval '30 days', "to" timestamptz default now(),
      longer_than interval default interval '1 minute'`,
    gives: `account text, began_at timestamptz, ended_at timestamptz, seconds numeric, failed bigint, incomplete bigint`,
    as: `
  #variable_conflict use_column
  begin ${checkSpan}
    return query
      with looks as (
        select account.id, account.name, look.listed_at,
          lead(look.listed_at) over (partition by account.id order by look.listed_at) as next_at
        from account cross join lateral (
          -- Before the first, nobody looked; it is given where it is the last before from, too.
          select '-infinity'::timestamptz as listed_at
          where not exists (
            select from snapshot
            where account_id = account.id and snapshot.listed_at <= "from" and outcome in ('committed', 'unchanged'))
          union all
          select snapshot.listed_at from snapshot
          where account_id = account.id and snapshot.outcome in ('committed', 'unchanged')
            and snapshot.listed_at >= coalesce((
              select max(before.listed_at) from snapshot as before
              where before.account_id = account.id and before.listed_at <= "from" and before.outcome in ('committed', 'unchanged')
            ), '-infinity') and snapshot.listed_at <= coalesce((
              select min(after.listed_at) from snapshot as after
              where after.account_id = account.id and after.listed_at >= "to" and after.outcome in ('committed', 'unchanged')
            ), 'infinity')
        ) as look
      ), spans as (
        select *, coalesce(next_at, now()) as until, greatest(looks.listed_at, "from") as counted_from from looks
      )
      select name, nullif(spans.listed_at, '-infinity'), next_at,
        extract(epoch from least(until, "to") - counted_from), tried.failed, tried.incomplete
      from spans cross join lateral (
        select count(*) filter (where outcome = 'failed') as failed, count(*) filter (where outcome = 'incomplete') as incomplete
        from snapshot
        where account_id = spans.id and outcome in ('failed', 'incomplete') and snapshot.listed_at > spans.listed_at
          and (next_at is null or snapshot.listed_at < next_at)
      ) as tried
      where least(until, "to") > counted_from
        and case when isfinite(spans.listed_at) then until - spans.listed_at > longer_than else true end
      order by name, spans.listed_at;
  end`,
  },
  {
    name: 'leaks',
    about:
      'Sessions that held a channel for nothing, of those that lived since a time (default: those that live now), for certain: preparing for longer than it ever takes (one that lives: still), ready for long and never started, or alive for very long. Each is given once, by the first of these that it is: leak is preparing, unstarted or alive. held_since is when it was first seen, or of an unstarted one when it was ready; held_seconds are all that it held, also before since.',
    takes: `since timestamptz default now(), preparing_for interval default interval '2 minutes',
      unstarted_for interval default interval '5 minutes', alive_for interval default interval '4 hours'`,
    gives: `account text, session_id text, incarnation integer, user_id text, project_id text, asset_key text, leak text,
      held_since timestamptz, held_seconds numeric, is_live boolean`,
    as: `
  #variable_conflict use_column
  begin
    if $1 is null or not isfinite($1) then
      raise exception 'since (%) must be a time', $1 using errcode = 'invalid_parameter_value';
    end if;
    return query
      select account.name, session.session_id, session.incarnation, session.user_id, extra ->> 'VirtualmanProjectId',
        extra ->> 'AssetVirtualmanKey', leak.kind, leak.began_at, round(extract(epoch from leak.ended_at - leak.began_at), 3),
        session.ended_at is null
      from session_between($1, now()) as session join account on account.id = account_id
        cross join lateral (
          select ${LAST_SEEN} as at
        ) as last_seen
        cross join lateral (
          select case when ready_at is null then last_seen.at else coalesce(ready_after, first_seen_at) end as until
        ) as prepared
        cross join lateral (
          select 'preparing', first_seen_at, prepared.until
          where prepared.until - first_seen_at > preparing_for and (ready_at is null or session.ended_at is not null)
          union all
          select 'unstarted', ready_at, last_seen.at where started_at is null and last_seen.at - ready_at > unstarted_for
          union all
          select 'alive', first_seen_at, last_seen.at where last_seen.at - first_seen_at > alive_for
          limit 1
        ) as leak (kind, began_at, ended_at)
      order by account.name, leak.ended_at - leak.began_at desc;
  end`,
  },
]
