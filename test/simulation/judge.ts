// Holds a run that has come to rest against the oracles, and Rollcall's tables against what the API and the receivers saw.
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../lib/store/database.ts'
import { listEvents, readSessions } from '../../lib/store/history.ts'
import { type CommittedListing, ORACLES } from './oracles.ts'
import { count, LISTENER, type Run, WITNESS } from './stage.ts'

/** Adds what is wrong to the run's breaches. */
export async function judge(run: Run): Promise<void> {
  const { simulator, clocks, breaches, counts, endpoints, wanted, mortal, gone } = run
  const { requests, pardons, trespasses } = run.receivers
  const snapshots = await run.admin
    .selectFrom('snapshot')
    .select(['listed_at', 'outcome'])
    .where('outcome', '<>', 'failed')
    .orderBy('listed_at')
    .execute()
  const listings = snapshots.map(({ listed_at, outcome }) => ({
    listedAt: listed_at,
    complete: outcome !== 'incomplete',
    items: run.listings.get(listed_at.getTime()) ?? [],
  }))
  const silences = ['statsession down', 'statsession short', 'API faults', 'signature clock jumps']
  const statFailed = silences.some((what) => (counts[what] ?? 0) > 0)
  const names = [...endpoints.keys()].filter((name) => name !== LISTENER)
  const isWhole = (name: string) => run.begun.get(name) !== 'snapshot'
  const faithful = names.filter((name) => !wanted.has(name) && !mortal.has(name))
  const evidence = {
    truth: simulator.truth,
    now: clocks.life,
    listings,
    statFailed,
    requests,
    pardons,
    trespasses,
    witness: WITNESS,
    faithful: faithful.filter(isWhole),
    again: run.again,
    fromStart: faithful.filter((name) => run.begun.get(name) === 'start'),
    fromSnapshot: faithful.filter((name) => run.begun.get(name) === 'snapshot'),
    latest: names.filter((name) => wanted.get(name) === 'latest' && isWhole(name) && !mortal.has(name)),
    mortal: names.filter((name) => mortal.has(name) && !wanted.has(name) && isWhole(name)),
    replayed: [...run.replayed],
    listener: LISTENER,
    gone: names.filter((name) => gone.has(name)),
  }
  for (const oracle of Object.values(ORACLES)) breaches.push(...oracle(evidence))
  for (const listing of listings.filter(({ complete }) => complete))
    breaches.push(...(await rebuild(run.admin, listing)))
  breaches.push(...(await attemptsMatch(run)), ...sentOnceDelivered(run), ...(await cursorReadsAll(run)))
  count(run, 'listings', listings.length)
  count(run, 'requests', requests.length)
  count(run, 'events', new Set(requests.map(({ id }) => id)).size)
  count(run, 'sessions', simulator.sessions.size)
}

/** The tables give back the listing that the API answered: who was live, and in which state. */
export async function rebuild(
  admin: Kysely<Database>,
  { listedAt, items }: Pick<CommittedListing, 'listedAt' | 'items'>,
): Promise<string[]> {
  const names: Record<number, string> = { 1: 'in_progress', 3: 'preparing' }
  const live = items.filter(({ status }) => status in names)
  const expected = new Set(live.map(({ id, status, started }) => `${id} ${names[status]} ${started}`))
  const { rows: reported } = await sql<{ id: string; status: string; started: boolean }>`
    select session_id as id, status, started from report.sessions_at(${listedAt})`.execute(admin)
  const sides = { sessions: await readSessions(admin, { at: listedAt }), report: reported }
  return Object.entries(sides).flatMap(([side, rows]) => {
    const rebuilt = new Set(rows.map(({ id, status, started }) => `${id} ${status} ${started}`))
    const wrong = [...expected, ...rebuilt].filter((line) => !expected.has(line) || !rebuilt.has(line))
    return wrong.map((line) => `listing of ${listedAt.toISOString()}: ${line} is on one side only, by ${side}`)
  })
}

/** What is written together is there together: a delivery with the attempt that made it, a version with its snapshot. */
export async function tornApart(admin: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ what: string; n: number }>`
    select 'delivered without an attempt on record' as what, count(*) as n from delivery
    where state = 'delivered' and not exists (
      select from attempt where delivery_id = delivery.id and status between 200 and 299)
    union all
    select 'versions without a snapshot', count(*) from session_version
    where not exists (select from snapshot where listed_at = valid_from and outcome <> 'failed')`.execute(admin)
  return rows.filter(({ n }) => n > 0).map(({ what, n }) => `torn: ${n} ${what}`)
}

/** Every attempt on record was a request seen; every request seen is on record, but for those of killed or cut drains. */
async function attemptsMatch(run: Run): Promise<string[]> {
  const rows = await sql<{ endpoint: string; n: number }>`
    select endpoint.description as endpoint, count(*) as n
    from attempt join delivery on delivery.id = attempt.delivery_id join endpoint on endpoint.id = delivery.endpoint_id
    where outcome not in ('forbidden_address', 'local_fault') group by 1`.execute(run.admin)
  const lossy = (run.counts['drain killed'] ?? 0) + (run.counts['drain failed'] ?? 0) > 0
  return [...run.endpoints.keys()].flatMap((name) => {
    const seen = [...run.receivers.requests, ...run.again].filter(({ endpoint }) => endpoint === name).length
    const stored = rows.rows.find(({ endpoint }) => endpoint === name)?.n ?? 0
    return stored > seen || (stored < seen && !lossy) ? [`attempts: ${name} saw ${seen}, on record are ${stored}`] : []
  })
}

/** What was delivered stays delivered: no request beyond the attempts that had been made by then. */
function sentOnceDelivered(run: Run): string[] {
  const seen = new Map<string, number>()
  for (const { endpoint, id } of run.receivers.requests) {
    if (run.replayed.has(endpoint)) continue
    const key = `${run.endpoints.get(endpoint)} ${id}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  return [...run.delivered].flatMap(([key, attempts]) =>
    (seen.get(key) ?? 0) > attempts ? [`again: ${key} was sent again after it was delivered`] : [],
  )
}

/** A reader by cursor gets every event that the witness got, once, in order, with the same bytes. */
async function cursorReadsAll(run: Run): Promise<string[]> {
  const sent = new Map(
    run.receivers.requests.filter(({ endpoint }) => endpoint === WITNESS).map((one) => [one.id, one.body]),
  )
  const read: string[] = []
  for (let after = 0; ;) {
    const page = await listEvents(run.admin, { account: run.account.name, after, limit: 7 })
    if (page.events.length === 0) break
    read.push(...page.events.map(({ body }) => body))
    after = page.next
  }
  const bySequence = [...sent.values()].sort((a, b) => sequenceOf(a) - sequenceOf(b))
  return bySequence.join('\n') === read.join('\n')
    ? []
    : [`cursor: read ${read.length} events, the witness got ${sent.size}`]
}

const sequenceOf = (body: string) => Number((JSON.parse(body) as { sequence: string }).sequence)
