import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import { breach, count, type Ledger } from './ledger.ts'
import { fit } from './positions.ts'

const PAGE = 2_000

/** What is on record is what subscribers received: each event under its id in its bytes, each delivery as delivered. */
export async function readRecord(db: Kysely<Database>, ledger: Ledger): Promise<void> {
  for (let after = 0, page = PAGE; page === PAGE;) {
    const events = await db
      .selectFrom('event')
      .select(['position', 'id', 'body'])
      .where('position', '>', after)
      .orderBy('position')
      .limit(PAGE)
      .execute()
    for (const event of events) checkRecorded(ledger, event, after++)
    page = events.length
  }
  const { rows } = await sql<{ undelivered: number; attempts: number }>`
    select count(*) filter (where state <> 'delivered') as undelivered, (select count(*) from attempt) as attempts
    from delivery`.execute(db)
  const { undelivered, attempts } = rows[0]!
  if (undelivered > 0) breach(ledger, 'record', `${undelivered} deliveries are not on record as delivered`, undelivered)
  count(ledger, 'attempts on record', attempts)
}

/** Holds one event on record, which should follow position `after`, against what was received. */
export function checkRecorded(
  ledger: Ledger,
  { position, id, body }: { position: number; id: string; body: string },
  after: number,
): void {
  if (position !== after + 1) breach(ledger, 'record', `position ${position} follows ${after}`)
  const found = fit(ledger.positions, position, id, body)
  if (found !== 'same') breach(ledger, 'record', `position ${position} is ${found} on record`)
}
