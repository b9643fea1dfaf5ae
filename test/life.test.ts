// One hour of 500 sessions, the API's time compressed: everything else is real. Tencent's API is the simulator, and its
// truth log is the oracle.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { drain } from '../lib/deliver.ts'
import type { Fault, Settings } from '../lib/local/simulator/simulator.ts'
import { liveAt } from '../lib/local/simulator/simulator.ts'
import { traffic } from '../lib/local/simulator/traffic.ts'
import { tick } from '../lib/reconcile.ts'
import { readSessions } from '../lib/store/history.ts'
import { expectedEvents, type Look } from './support/expected.ts'
import type { Receiver } from './support/receiver.ts'
import { loopbackPoster, openWorld, type SimulatedAccount, type World } from './support/world.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)
const TICK_SECONDS = 5
const HOUR_TICKS = 3_600 / TICK_SECONDS
/** Until the last is idle for long enough to be closed. */
const AFTERMATH_TICKS = 1_900 / TICK_SECONDS

const settings: Partial<Settings> = {
  preparingSeconds: [2, 40],
  cachedShare: 0.2,
  failedShare: 0.1,
  brokenShare: 0.1,
  lingerSeconds: 7,
  duplicateShare: 0.05,
  shuffle: true,
  fields: 11,
  driverTypeAs: 'string',
  trailingCommas: true,
  emptyAs: 'null',
}

let world: World
let api: SimulatedAccount
let steady: Receiver
let flaky: Receiver
const looks: Look[] = []
/** What the API answered to each tick that came to something. */
const listings: object[][] = []
let failedTicks = 0
let glitches = 0

beforeAll(async () => {
  console.log(`life: SEED=${SEED}`)
  world = await openWorld()
  api = await world.simulate('default', settings, SEED)
  steady = await world.subscribe()
  flaky = await world.subscribe({}, (_, count) => (count % 5 === 0 ? 503 : 204))
  const { simulator, clock } = api
  const people = traffic(simulator, { sessionsPerMinute: 9, lengthSeconds: [5, 600], displacedShare: 0.1 })
  const poster = loopbackPoster()

  let listed = new Set<string>()
  let unclear = new Set<string>()
  let listing: object[] = []
  simulator.onListing = (items) => {
    listing = items
    const idsOf = (some: object[]) => new Set(some.map((item) => String(Reflect.get(item, 'SessionId'))))
    listed = idsOf(items)
    unclear = idsOf(items.filter((item) => ![1, 2, 3, 4].includes(Number(Reflect.get(item, 'SessionStatus')))))
  }
  for (let i = 0; i < HOUR_TICKS + AFTERMATH_TICKS; i += 1) {
    clock.now += TICK_SECONDS * 1_000
    if (i < HOUR_TICKS) people.step(clock.now)
    glitch(i)
    try {
      await tick(world.db, api.account)
      looks.push({ at: clock.now, listed, unclear })
      listings.push(listing)
    } catch {
      failedTicks += 1
    }
    simulator.faults.length = 0
    await sql`update delivery set due_at = now() where state = 'pending'`.execute(world.db)
    await drain(world.db, poster, { timeMs: 30_000 })
  }
  await finish(poster)
}, 600_000)

/** Now and then the API lies or fails: empty and short lists, and answers that are none. */
function glitch(i: number): void {
  const { simulator } = api
  simulator.settings.emptyListShare = i % 37 === 5 ? 1 : 0
  simulator.settings.droppedShare = i % 23 === 7 ? 0.5 : 0
  simulator.settings.unknownStatusShare = i % 53 === 9 ? 0.3 : 0
  const kinds: Fault['kind'][] = ['code', 'cutBody', 'html', 'truncatedJson']
  if (i % 97 === 11) simulator.faults.push({ kind: kinds[i % kinds.length] ?? 'code', path: 'list', times: 3 })
  if (i % 37 === 5 || i % 23 === 7 || i % 53 === 9) glitches += 1
}

async function finish(poster: ReturnType<typeof loopbackPoster>): Promise<void> {
  for (;;) {
    await sql`update delivery set due_at = now(), retry_until = null where state = 'pending'`.execute(world.db)
    const { claimed } = await drain(world.db, poster, { timeMs: 30_000 })
    if (claimed === 0) return
  }
}

afterAll(() => world.close())

/** What a subscriber was told, once per id, as the oracle puts it. */
function told(receiver: Receiver): Map<string, string[]> {
  const bySession = new Map<string, string[]>()
  const seen = new Set<string>()
  for (const { id, event } of receiver.received) {
    if (seen.has(id)) continue
    seen.add(id)
    const type = event.type.replace('session.', '')
    const line = event.data.error ? `${type} ${event.data.error.code}` : type
    bySession.set(event.subject, [...(bySession.get(event.subject) ?? []), line])
  }
  return bySession
}

describe('one hour of 500 sessions', () => {
  test('had what it is meant to have: failures, displacements, idle closes, glitches, failed ticks', () => {
    const { truth } = api.simulator
    const causes = (cause: string) => truth.filter((step) => step.cause === cause).length

    expect(causes('create')).toBeGreaterThan(400)
    for (const cause of ['failed', 'displaced', 'idle', 'broken', 'close']) expect(causes(cause)).toBeGreaterThan(5)
    expect(glitches).toBeGreaterThan(50)
    expect(failedTicks).toBeGreaterThan(5)
    expect(liveAt(api.simulator, api.clock.now)).toEqual([])
  })

  test('reaches a steady subscriber as it happened: nothing missing, nothing twice, in order', () => {
    const expected = expectedEvents(api.simulator.truth, looks)

    expect(Object.fromEntries(told(steady))).toEqual(Object.fromEntries(expected))
    const ids = steady.received.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(steady.unverified).toBe(0)
  })

  test('reaches a subscriber that fails every fifth time all the same, each retry the same bytes', () => {
    const expected = expectedEvents(api.simulator.truth, looks)

    expect(Object.fromEntries(told(flaky))).toEqual(Object.fromEntries(expected))
    const bodies = new Map<string, Set<string>>()
    for (const { id, body } of flaky.received) bodies.set(id, (bodies.get(id) ?? new Set()).add(body))
    expect([...bodies.values()].every((variants) => variants.size === 1)).toBe(true)
    expect(flaky.received.length).toBeGreaterThan(bodies.size)
  })

  test('leaves no session open, and every one that was listed has exactly one created and one end', async () => {
    const listed = new Set(looks.flatMap((look) => [...look.listed]))
    const sessions = await readSessions(world.db, {})

    expect(sessions.filter(({ endedAt }) => endedAt === null)).toEqual([])
    expect(new Set(sessions.map(({ id }) => id))).toEqual(listed)
    for (const events of told(steady).values()) {
      expect(events.filter((event) => event === 'created')).toHaveLength(1)
      expect(events.filter((event) => /^(closed|failed)/.test(event))).toHaveLength(1)
    }
  })

  test('every list that the API gave is rebuilt by report.sessions_at, from then until the next', async () => {
    const { rows: ticks } = await sql<{ at: Date; untilThen: Date; complete: boolean }>`
      select listed_at as at, outcome <> 'incomplete' as complete,
        coalesce(lead(listed_at) over (order by listed_at) - interval '1 microsecond', now()) as "untilThen"
      from snapshot where outcome <> 'failed' order by listed_at`.execute(world.db)
    const rebuilt = async (at: Date) => {
      const { rows } = await sql<{ line: string }>`
        select concat_ws(' ', session_id, user_id, status, started, driver_type, project_id) as line
        from report.sessions_at(${at}) where listed_at <= ${at}`.execute(world.db)
      return rows.map(({ line }) => line).sort()
    }
    // Of a list that was short, what statsession said of those it lacked is known, too.
    const isVouchedFor = (line: string, index: number) =>
      !ticks[index]!.complete && liveIds(looks[index]!.at).has(line.split(' ')[0]!)

    expect(ticks).toHaveLength(listings.length)
    const ended = new Set<string>()
    const seen = new Set<string>()
    for (const [index, { at, untilThen }] of ticks.entries()) {
      const { at: lookedAt, listed } = looks[index]!
      const alive = liveIds(lookedAt)
      // Of those that a list lacks statsession says that they have ended; a later list may show them once more (seed 524995).
      for (const id of seen) if (!listed.has(id) && !alive.has(id)) ended.add(id)
      for (const id of listed) seen.add(id)
      const expected = liveLines(listings[index] ?? [], ended)
      const then = await rebuilt(at)
      expect(then.filter((line) => expected.includes(line) || !isVouchedFor(line, index))).toEqual(expected)
      expect(await rebuilt(untilThen)).toEqual(then)
    }
  }, 180_000)
})

const liveIds = (at: number) => new Set(liveAt(api.simulator, at).map(({ sessionId }) => sessionId))

/** The sessions of a list that have not ended, a line each; `ended` are those of which it is known that they had. */
function liveLines(items: object[], ended: Set<string>): string[] {
  const names: Record<number, string> = { 1: 'in_progress', 3: 'preparing' }
  const lines = new Map<string, string>()
  for (const item of items) {
    const { SessionId, UserId, SessionStatus, IsSessionStarted, DriverType, VirtualmanProjectId } = item as Record<
      string,
      string | number
    >
    const id = String(SessionId)
    if (SessionStatus === 2 || SessionStatus === 4) ended.add(id)
    // An unknown status may be one more word for the end that is known already.
    const status = names[Number(SessionStatus)] ?? (ended.has(id) ? undefined : 'unknown')
    if (!status) continue
    const line = [id, UserId, status, IsSessionStarted, DriverType, VirtualmanProjectId].map(String).join(' ')
    lines.set(id, line.replace(/ true /, ' t ').replace(/ false /, ' f '))
  }
  return [...lines.values()].sort()
}
