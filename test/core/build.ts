// Builders and generators of the core's tests. A history is what an account's listings and statsession could say over
// many ticks, however odd; `play` runs it as the reconciler would, keeping sessions in memory.
import fc from 'fast-check'
import { diff, type Diff, type Evidence, type Known } from '../../lib/core/diff.ts'
import {
  type ApiFault,
  type ListedSession,
  type Listing,
  type Look,
  makeListing,
  type Session,
  type Window,
} from '../../lib/core/session.ts'

/** Minute `n` of a fixed hour. */
export const at = (n: number) => new Date(Date.UTC(2026, 10, 22, 10, n))

export const between = (after: number | null, before: number): Window => ({
  after: after === null ? null : at(after),
  before: at(before),
})

export const look = (status: number, rest: Partial<Look> = {}): Look => ({
  userId: 'abc',
  status,
  started: false,
  driverType: 1,
  playStreamAddr: null,
  extra: null,
  ...rest,
})

export const item = (id: string, status: number, rest: Partial<Look> = {}): ListedSession => ({
  id,
  look: look(status, rest),
})

export const listing = (items: ListedSession[] = [], unreadable = 0) => makeListing(items, unreadable)

const url = 'rtmp://live.qq.com/live/m1'

/** One session `m1` at each stage of its life, as listed at minutes 1, 2 and 3. */
const preparing: Session = {
  id: 'm1',
  incarnation: 1,
  look: look(3),
  firstSeen: between(0, 1),
  ready: null,
  started: null,
  end: null,
  revision: 1,
  missing: null,
}
const ready: Session = { ...preparing, look: look(1, { playStreamAddr: url }), ready: between(1, 2), revision: 2 }
const live: Session = {
  ...ready,
  look: look(1, { playStreamAddr: url, started: true }),
  started: between(2, 3),
  revision: 3,
}
export const stages = { preparing, ready, live }

export const found = (status: number, started = false, error: ApiFault = null): Evidence => ({
  kind: 'found',
  status,
  started,
  playStreamAddr: null,
  error,
})

export const gone: Evidence = { kind: 'gone' }

export interface Tick {
  items: ListedSession[]
  unreadable: number
  evidence: Map<string, Evidence>
}

const ids = fc.constantFrom('m1', 'm2', 'm3', 'm4')

export const looks: fc.Arbitrary<Look> = fc.record({
  userId: fc.constantFrom('abc', 'xyz', null),
  status: fc.constantFrom(1, 1, 1, 3, 3, 2, 4, 5),
  started: fc.boolean(),
  driverType: fc.constantFrom(1, 3, null),
  playStreamAddr: fc.constantFrom(null, url),
  extra: fc.constantFrom(null, { VirtualmanType: 1 }),
})

const evidences: fc.Arbitrary<Evidence> = fc.oneof(
  fc.constant(gone),
  fc.record({
    kind: fc.constant('found' as const),
    status: fc.constantFrom(1, 3, 2, 4, 5),
    started: fc.boolean(),
    playStreamAddr: fc.constantFrom(null, url),
    error: fc.constantFrom(null, { code: -111002, message: 'StreamBroken: …' }),
  }),
)

export const ticks: fc.Arbitrary<Tick> = fc.record({
  items: fc.array(fc.record({ id: ids, look: looks }), { maxLength: 6 }),
  unreadable: fc.constantFrom(0, 0, 0, 0, 1),
  evidence: fc.array(fc.tuple(ids, evidences), { maxLength: 3 }).map((pairs) => new Map(pairs)),
})

export const histories = fc.array(ticks, { minLength: 1, maxLength: 14 })

/**
 * Lives in the order that the API documents: preparing, ready, started, an end; never back, no unknown status. Lists
 * leave sessions out now and then, and statsession may keep silent.
 */
export const orderlyHistories: fc.Arbitrary<Tick[]> = fc
  .array(
    fc.record({
      id: fc.uuid(),
      born: fc.nat(6),
      steps: fc.uniqueArray(fc.nat(12), { minLength: 3, maxLength: 3 }),
      end: fc.constantFrom(2, 4),
      told: fc.array(fc.constantFrom('listed', 'listed', 'stat', 'silent', 'gone'), { minLength: 12, maxLength: 12 }),
    }),
    { maxLength: 4 },
  )
  .map((lives) =>
    Array.from({ length: 12 }, (_, now) => {
      const tick: Tick = { items: [], unreadable: 0, evidence: new Map() }
      for (const { id, born, steps, end, told } of lives) {
        const [readyAt, startedAt, endedAt] = steps.sort((a, b) => a - b).map((step) => born + step) as [
          number,
          number,
          number,
        ]
        if (now < born) continue
        const status = now >= endedAt ? end : now >= readyAt ? 1 : 3
        const started = now >= startedAt
        if (told[now] === 'listed' && now <= endedAt + 1) tick.items.push(item(id, status, { started }))
        if (told[now] === 'stat') tick.evidence.set(id, found(status, started))
        if (told[now] === 'gone' && now >= endedAt) tick.evidence.set(id, gone)
      }
      return tick
    }),
  )

export interface Step {
  tick: Tick
  known: Known
  listing: Listing
  window: Window
  result: Diff
  /** All open sessions after the tick. */
  open: Map<string, Session>
}

/** Runs a history from an empty account; tick `n` is at minute `n`. */
export function play(history: Tick[]): Step[] {
  let open = new Map<string, Session>()
  const ended = new Map<string, number>()
  return history.map((tick, minute) => {
    const listing = makeListing(tick.items, tick.unreadable)
    const named = listing.sessions.filter(({ id }) => !open.has(id) && ended.has(id))
    const known: Known = {
      open: [...open.values()],
      ended: new Map(named.map(({ id }) => [id, ended.get(id) ?? 0])),
    }
    const window = between(minute === 0 ? null : minute - 1, minute)
    const result = diff(known, listing, tick.evidence, window)
    open = new Map(open)
    for (const { after } of result.transitions) {
      if (after.end) {
        open.delete(after.id)
        ended.set(after.id, after.incarnation)
      } else open.set(after.id, after)
    }
    return { tick, known, listing, window, result, open }
  })
}
