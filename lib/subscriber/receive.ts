// Each event once, in the subscriber's own Postgres: what is remembered of an event and the work it causes are committed
// together, or neither is.
import type { Event } from './event.ts'

/** Anything that runs a statement inside the caller's transaction, as the clients of `pg` do. A pool is none. */
export interface Client {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
}

/** What an event causes. `late`: a newer one of the same source and subject was worked before; only replays bring that. */
export type Work<Received extends Event = Event> = (event: Received, order: { late: boolean }) => Promise<unknown>

/** The tables that `receive` needs, in the subscriber's database. Can be run again. */
export const INBOX_SQL = `
create table if not exists rollcall_inbox (
  id text primary key,
  received_at timestamptz not null default now()
);
create table if not exists rollcall_lane (
  source text,
  subject text,
  sequence text collate "C" not null,
  received_at timestamptz not null default now(),
  primary key (source, subject)
);`

// What an insert locks anyway. Here it is the guard: Postgres refuses it outside of a transaction, in which a crash could
// leave an event remembered that was never worked.
const LOCK = 'lock table rollcall_inbox, rollcall_lane in row exclusive mode'

// The lane's row makes two events of one session wait for each other. It is taken before the event's own row, which is why
// that insert reads from it: taken in either order, they could wait for each other for ever. Neither part judges by a
// snapshot, which a wait could have made old.
const REMEMBER = `
with lane as (
  insert into rollcall_lane as lane (source, subject, sequence) values ($2, $3, $4)
  on conflict (source, subject) do update
    set sequence = greatest(lane.sequence, excluded.sequence), received_at = now()
  returning sequence
), inbox as (
  insert into rollcall_inbox (id) select $1 from lane on conflict (id) do nothing returning id
)
select lane.sequence > $4 as late from lane, inbox`

/**
 * Does `work` once for each event that was not received before, one after the other, in the transaction of `client`: whoever
 * opened it commits, and answers Rollcall only then. Whatever throws, here or in `work`, must roll it back; the next try
 * brings the events again. Two deliveries of one event at once wait for each other.
 */
export async function receive<Received extends Event>(
  client: Client,
  events: readonly Received[],
  work: Work<Received>,
): Promise<void> {
  await client.query(LOCK, [])
  for (const event of events) {
    const { rows } = await client.query(REMEMBER, [event.id, event.source, event.subject, event.sequence])
    const [fresh] = rows as { late: boolean }[]
    if (fresh) await work(event, { late: fresh.late })
  }
  // Once more: if `work` hid a failed statement's error, or ended the transaction, a commit would say nothing of it.
  await client.query(LOCK, [])
}
