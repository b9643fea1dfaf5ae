/** A view of the schema `report`; its columns, in order, each with what it means. */
export interface View {
  name: string
  about: string
  columns: Record<string, string>
  as: string
}

const ACCOUNT = 'The account, by its name.'
const SESSION_ID = 'The id that the API gave the session.'
const INCARNATION = 'Counts the lives of one session id, from 1: an id that comes back after its end is a new one.'
const USER = 'The user that the caller of the API named.'
const PROJECT = 'The project (VirtualmanProjectId); null where the API does not say it.'
const ASSET = 'The asset (AssetVirtualmanKey); null where the API does not say it.'
const DAY = "The day, in the time zone of your connection: set timezone = 'Asia/Shanghai'."

export const statusName = (status: string) =>
  `case ${status} when 1 then 'in_progress' when 2 then 'closed' when 3 then 'preparing' when 4 then 'failed' else 'unknown' end`

/** The last moment at which a session was alive for certain, beside its account. */
export const LAST_SEEN = `coalesce(ended_after, missing_since, case when ended_at is null then account.listed_at end, first_seen_at)`

const seconds = (later: string, earlier: string) => `round(extract(epoch from ${later} - ${earlier}), 3)`

/** Days there are, from the first to today, as dates: at a change of the clock a day has 23 or 25 hours. */
const daysSince = (first: string) => `(
    select day::date as day, day::date::timestamp::timestamptz as day_start, (day::date + 1)::timestamp::timestamptz as day_end
    from generate_series((${first})::date::timestamp, now()::date::timestamp, interval '1 day') as day
  ) as days`

export const VIEWS: View[] = [
  {
    name: 'error_codes',
    about: 'What the codes mean that the API gives for the end of a session.',
    columns: {
      error_code: 'The code (ErrorCode).',
      error_name: "The API's English name for it.",
      meaning: 'What happened, in words.',
    },
    as: `
    values
      (-101000, 'InternalError', 'internal error of the service'),
      (-101001, 'ResourceInsufficient', 'no computing power for the avatar'),
      (-101002, 'ImageDownloadFailed', 'an image could not be downloaded'),
      (-111001, 'StreamParamFailed', 'the parameters of the stream could not be had'),
      (-111002, 'StreamBroken', 'the connection of the stream broke'),
      (-111003, 'ModelLoadFailed', 'the model could not be loaded'),
      (-111004, 'CreateStreamTimeout', 'creating the stream took too long'),
      (-111005, 'DriveFailed', 'the avatar could not be driven'),
      (100001, 'InvalidParameter', 'a parameter was wrong'),
      (100005, 'Unauthorized', 'the caller was not authorised'),
      (100007, 'InvalidProjectId', 'there is no such project'),
      (100008, 'LimitExceeded', 'all channels were taken'),
      (100012, 'RequestLimitExceeded', 'too many requests'),
      (100014, 'AssetConcurrencyQuotaNotFound', 'the quota of channels is missing or has expired'),
      (100015, 'AvatarExpired', 'the avatar has expired'),
      (110013, 'SessionClosed', 'the session was closed already'),
      (110014, 'SessionNotReady', 'the session was not ready'),
      (110015, 'DriveNotAllowed', 'driven at a moment when it may not be'),
      (110016, 'SessionNotStarted', 'driven before it was started'),
      (110018, 'SessionNotFound', 'the API does not know the session any more'),
      (110021, 'TrtcInArrears', 'TRTC is in arrears'),
      (110022, 'SessionReplaced', 'the same user created another session')`,
  },
  {
    name: 'accounts',
    about: 'The accounts that are watched.',
    columns: {
      account: ACCOUNT,
      listed_at: 'The last look that gave a list; null: none did yet.',
      complete_at: 'The last look that gave a complete list; null: none did yet.',
      summed_until: 'Up to when sums are kept: what came later is added up when it is asked for; null: all of it.',
    },
    as: `
    select name, listed_at, complete_at, until from account left join usage_until on account_id = id`,
  },
  {
    name: 'sessions',
    about:
      'One row per incarnation of a session. What happened to it happened after the time called _after, and not later than the one called _at: between two looks at the list, nobody saw when.',
    columns: {
      account: ACCOUNT,
      session_id: SESSION_ID,
      incarnation: INCARNATION,
      user_id: USER,
      project_id: PROJECT,
      asset_key: ASSET,
      driver_type: 'How the avatar is driven: 1 by text, 3 by voice.',
      status: 'preparing, in_progress, closed, failed, or unknown.',
      is_live: 'It has not ended, as far as is known.',
      first_seen_after: 'It was created after this time; null: nobody watched before.',
      first_seen_at: 'It was created not later than this: the first look that showed it.',
      ready_after: 'Its stream was ready after this time; null: see ready_at, or nobody watched before.',
      ready_at: 'Its stream was ready not later than this; null: it never was, as far as is known.',
      started_after: 'It was started after this time; null: see started_at, or nobody watched before.',
      started_at: 'It was started not later than this; null: it never was, as far as is known.',
      ended_after: 'It ended after this time; null: it lives, or nobody watched before.',
      ended_at: 'It ended not later than this; null: it lives.',
      end_reason:
        'reported: the API said that it had ended. gone: the API does not know it any more. absent: three complete lists in a row lacked it.',
      error_code: "The API's code for its end (report.error_codes); null where it gave none.",
      error_message: 'What the API said to it; addresses are left out.',
      duration_seconds: 'Seconds from first_seen_at to ended_at, or to now.',
      duration_min_seconds: 'It cannot have lived shorter.',
      duration_max_seconds: 'It cannot have lived longer; null: nobody watched before it was first seen.',
      ready_seconds: 'Seconds from first_seen_at to ready_at; null: it was never ready.',
      ready_min_seconds: 'It cannot have been ready faster.',
      ready_max_seconds: 'It cannot have been ready later; null: nobody watched before it was first seen.',
      never_started: 'It ended and was never seen to be started.',
      stuck_preparing: 'It was preparing for over two minutes, for certain; the API says that it takes two at most.',
      unconfirmed: 'It is counted as ended, or as live, without a word from the API: it was missing from lists.',
    },
    as: `
    select account.name, session_id, incarnation, user_id, extra ->> 'VirtualmanProjectId', extra ->> 'AssetVirtualmanKey',
      driver_type, ${statusName('status')}, ended_at is null,
      first_seen_after, first_seen_at, ready_after, ready_at, started_after, started_at, ended_after, ended_at,
      end_reason, error_code, regexp_replace(error_message, '[[:alpha:]][[:alnum:]+.-]*://[^[:space:]]*', '…', 'g'),
      ${seconds('coalesce(ended_at, now())', 'first_seen_at')},
      greatest(0, ${seconds(LAST_SEEN, 'first_seen_at')}),
      ${seconds('coalesce(ended_at, now())', 'first_seen_after')},
      ${seconds('ready_at', 'first_seen_at')},
      case when ready_at is not null then greatest(0, ${seconds('ready_after', 'first_seen_at')}) end,
      ${seconds('ready_at', 'first_seen_after')},
      ended_at is not null and started_at is null,
      case
        when ready_at is not null then ready_after
        else ${LAST_SEEN}
      end - first_seen_at > interval '2 minutes' is true,
      end_reason is not distinct from 'absent' or missing_since is not null
    from session join account on account.id = account_id`,
  },
  {
    name: 'ticks',
    about: 'Each look at the list of an account: was anybody watching?',
    columns: {
      account: ACCOUNT,
      listed_at: 'When the list was asked for.',
      outcome:
        'committed: something had changed. unchanged: nothing had. incomplete: the list was short or partly unreadable. failed: there was no list.',
      session_count: 'Sessions in the list; null: there was none.',
      created: 'Sessions seen for the first time.',
      ready: 'Sessions seen ready for the first time.',
      started: 'Sessions seen started for the first time.',
      closed: 'Sessions that were found closed.',
      failed: 'Sessions that were found failed.',
      duration_ms: 'Milliseconds that the tick took.',
      error: 'Why there was no list; null: there was one.',
      unwatched_seconds: 'Seconds since the last complete list before this one; null: there was none before.',
    },
    as: `
    select account.name, snapshot.listed_at, outcome, session_count, created_count, ready_count, started_count, closed_count,
      failed_count, duration_ms, error, (
        select ${seconds('snapshot.listed_at', 'before.listed_at')} from snapshot as before
        where before.account_id = snapshot.account_id and before.listed_at < snapshot.listed_at
          and before.outcome in ('committed', 'unchanged')
        order by before.listed_at desc limit 1)
    from snapshot join account on account.id = account_id`,
  },
  {
    name: 'failures',
    about: 'Sessions that failed, or closed with a code, by the day on which that was seen and by code.',
    columns: {
      day: DAY,
      account: ACCOUNT,
      ended_as: 'failed: the stream could not be created. closed: it ended, and the API gave a code for it.',
      error_code: "The API's code; null: it failed without one.",
      error_name: "The API's English name for the code; null: not in report.error_codes.",
      meaning: 'What the code means; null: not in report.error_codes.',
      sessions: 'How many sessions.',
    },
    as: `
    select days.day, account.name, ended.ended_as, ended.error_code, error_name, meaning, ended.sessions
    from ${daysSince('select min(ended_at) from session where status = 4 or error_code is not null')}
      cross join lateral (
        select account_id, ${statusName('status')} as ended_as, session.error_code, count(*) as sessions
        from session
        where (status = 4 or error_code is not null) and ended_at >= days.day_start and ended_at < days.day_end
        group by account_id, status, session.error_code
      ) as ended
      join account on account.id = ended.account_id
      left join report.error_codes using (error_code)`,
  },
  {
    name: 'deliveries',
    about: 'What became of deliveries, by endpoint and by the day on which they were delivered or given up.',
    columns: {
      day: DAY,
      endpoint: "The endpoint's id.",
      description: 'What its owner calls it.',
      delivered: 'Deliveries that succeeded.',
      retried: 'Of these, and of the dead, those that took more than one attempt.',
      dead: 'Deliveries that were given up; they can be replayed.',
      attempts: 'POSTs that they took, all together.',
      p50_seconds: 'Half of the delivered were there within so many seconds of the commit of their event.',
      p95_seconds: '95 of 100 were there within so many seconds.',
      p99_seconds: '99 of 100 were there within so many seconds.',
      max_seconds: 'The slowest took so many seconds.',
    },
    as: `
    select days.day, endpoint.id, endpoint.description, delivered, retried, dead, attempts, ${[1, 2, 3, 4].map((n) => `round(extract(epoch from waits[${n}]), 3)`).join(', ')}
    from ${daysSince('select min(finalized_at) from delivery where finalized_at is not null')}
      cross join lateral (
        select endpoint_id, count(*) filter (where delivery.state = 'delivered') as delivered,
          count(*) filter (where delivery.attempts > 1) as retried, count(*) filter (where delivery.state = 'dead') as dead,
          sum(delivery.attempts) as attempts,
          percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by finalized_at - delivery.created_at)
            filter (where delivery.state = 'delivered') as waits
        from delivery where finalized_at >= days.day_start and finalized_at < days.day_end
        group by endpoint_id
      ) as final
      join endpoint on endpoint.id = final.endpoint_id`,
  },
  {
    name: 'endpoints',
    about: 'The endpoints as they are now, without what is secret about them.',
    columns: {
      endpoint: 'Its id.',
      description: 'What its owner calls it.',
      host: 'Where it is.',
      state: 'active, paused, or disabled.',
      state_reason: 'Why it is paused or disabled.',
      failing_since: 'Since when all it answered were failures; null: it does not fail.',
      pending: 'Deliveries that it has not got yet.',
      oldest_pending_at: 'When the oldest of these was made.',
    },
    as: `
    select endpoint.id, description, substring(url from '^https?://([^/?#]*)'), state, state_reason, failing_since,
      outbox.pending, outbox.oldest
    from endpoint cross join lateral (
      select count(*) as pending, min(created_at) as oldest from delivery
      where delivery.endpoint_id = endpoint.id and delivery.state = 'pending'
    ) as outbox`,
  },
  {
    name: 'usage_daily',
    about:
      'Sessions and channel-minutes by day, account, project and asset. Minutes are of that day alone: a session that spans midnight counts on both.',
    columns: {
      day: DAY,
      account: ACCOUNT,
      project_id: PROJECT,
      asset_key: ASSET,
      sessions: 'Sessions first seen on that day.',
      started: 'Sessions found started on that day.',
      failed: 'Sessions found failed on that day.',
      channel_minutes: 'Minutes that sessions held channels on that day, from first_seen_at to ended_at.',
      channel_minutes_min: 'It cannot have been less.',
      channel_minutes_max: 'It cannot have been more, by what the lists showed.',
      peak: 'The most sessions live at once on that day, of this project and asset.',
      account_peak:
        'The most sessions live at once on that day, of the whole account: peaks of projects do not add up to it.',
    },
    as: `
    select days.day, account, project_id, asset_key, sessions, started, failed, channel_minutes, channel_minutes_min,
      channel_minutes_max, peak, account_peak
    from ${daysSince(`least(
        (select min(first_seen_at) from session) - interval '6 hours',
        (select min(first_seen_after) from session where first_seen_at - first_seen_after > interval '6 hours'))`)}
      cross join lateral report.usage(day_start, day_end)`,
  },
]
