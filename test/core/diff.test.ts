import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChangeType, diff, type Evidence, type Known, toAsk } from '../../lib/core/diff.ts'
import type { ApiFault, Listing, Look, Session, Window } from '../../lib/core/session.ts'
import {
  at,
  between,
  found,
  gone,
  histories,
  item,
  listing,
  look,
  orderlyHistories,
  play,
  stages,
  type Tick,
} from './build.ts'

// No doubles: pure functions. The tick of every example ends at minute 6; the one before it was at minute 5.
const tick = between(5, 6)
const { preparing, ready, live } = stages
const stalled = { code: -111003, message: 'ModelLoadFailed: 模型加载失败' }
const broken = { code: -111002, message: 'StreamBroken: 流连接断开' }

const knowing = (open: Session[], ended: Record<string, number> = {}): Known => ({
  open,
  ended: new Map(Object.entries(ended)),
})
const telling = (evidence?: Evidence, id = 'm1') => new Map(evidence ? [[id, evidence]] : [])
const reported = (window: Window, error: ApiFault) => ({ ...window, reason: 'reported' as const, error })
/** The same look with another status, as statsession shows it. */
const turned = (session: Session, change: Partial<Look>): Look => ({ ...session.look, ...change })

describe('a session that is missing from a complete listing', () => {
  type Row = [
    says: string,
    before: Session,
    evidence: Evidence | undefined,
    changes: ChangeType[],
    after: Partial<Session> | null,
    complete: boolean,
    settled: boolean,
  ]

  test.each<Row>([
    ['1: the listing was short, nothing happened', live, found(1, true), [], null, false, false],
    ['3: the listing was short, nothing happened', preparing, found(3), [], null, false, false],
    [
      '1 of one last seen preparing: it stays and is ready',
      preparing,
      found(1),
      ['ready'],
      { look: turned(preparing, { status: 1 }), ready: tick, revision: 2 },
      false,
      false,
    ],
    [
      '1, started, of one last seen preparing: it stays, ready and started',
      preparing,
      { ...found(1, true), playStreamAddr: 'rtmp://new' } as Evidence,
      ['ready', 'started'],
      {
        look: turned(preparing, { status: 1, started: true, playStreamAddr: 'rtmp://new' }),
        ready: tick,
        started: tick,
        revision: 3,
      },
      false,
      false,
    ],
    [
      '2: closed, with the code and message it gives',
      live,
      found(2, true, broken),
      ['closed'],
      { look: turned(live, { status: 2 }), end: reported(tick, broken), revision: 4 },
      true,
      true,
    ],
    [
      '2 without a code: closed without an error',
      ready,
      found(2),
      ['closed'],
      { look: turned(ready, { status: 2 }), end: reported(tick, null), revision: 3 },
      true,
      true,
    ],
    [
      '2, started, of one last seen preparing: it was ready and started in between',
      preparing,
      found(2, true),
      ['ready', 'started', 'closed'],
      {
        look: turned(preparing, { status: 2, started: true }),
        ready: tick,
        started: tick,
        end: reported(tick, null),
        revision: 4,
      },
      true,
      true,
    ],
    [
      '2, started, of one last seen ready: it was started in between',
      ready,
      found(2, true),
      ['started', 'closed'],
      { look: turned(ready, { status: 2, started: true }), started: tick, end: reported(tick, null), revision: 4 },
      true,
      true,
    ],
    [
      '2, not started, of one last seen preparing: closed alone, for nobody knows that it was ever ready',
      preparing,
      found(2),
      ['closed'],
      { look: turned(preparing, { status: 2 }), end: reported(tick, null), revision: 2 },
      true,
      true,
    ],
    [
      '2, not started, of one seen started: started is sticky',
      live,
      found(2, false),
      ['closed'],
      { look: turned(live, { status: 2 }), end: reported(tick, null), revision: 4 },
      true,
      true,
    ],
    [
      '4: failed, with the code and message, although it was never listed as 4',
      preparing,
      found(4, false, stalled),
      ['failed'],
      { look: turned(preparing, { status: 4 }), end: reported(tick, stalled), revision: 2 },
      true,
      true,
    ],
    [
      '4 of a live one: failed',
      live,
      found(4, true, broken),
      ['failed'],
      { look: turned(live, { status: 4 }), end: reported(tick, broken), revision: 4 },
      true,
      true,
    ],
    [
      '110018, does not exist: closed as gone',
      live,
      gone,
      ['closed'],
      { look: turned(live, { status: 2 }), end: { ...tick, reason: 'gone', error: null }, revision: 4 },
      true,
      true,
    ],
    [
      'nothing: it stays, and is missing since the last listing that had it',
      live,
      undefined,
      [],
      { missing: { since: at(5), times: 1 } },
      true,
      false,
    ],
    [
      'nothing, a second time: it stays',
      { ...live, missing: { since: at(4), times: 1 } },
      undefined,
      [],
      { missing: { since: at(4), times: 2 } },
      true,
      false,
    ],
    [
      'nothing, a third time: closed as absent, at some time since it was last listed',
      { ...live, missing: { since: at(3), times: 2 } },
      undefined,
      ['closed'],
      {
        look: turned(live, { status: 2 }),
        missing: null,
        end: { after: at(3), before: at(6), reason: 'absent', error: null },
        revision: 4,
      },
      true,
      true,
    ],
    [
      'a status unknown here: as if it said nothing',
      live,
      found(5, true),
      [],
      { missing: { since: at(5), times: 1 } },
      true,
      false,
    ],
    [
      '2 after it was missing: everything may have happened since it was last listed',
      { ...preparing, missing: { since: at(3), times: 2 } },
      found(2, true, broken),
      ['ready', 'started', 'closed'],
      {
        look: turned(preparing, { status: 2, started: true }),
        missing: null,
        ready: between(3, 6),
        started: between(3, 6),
        end: reported(between(3, 6), broken),
        revision: 4,
      },
      true,
      true,
    ],
    [
      '110018 after it was missing: the same',
      { ...live, missing: { since: at(3), times: 1 } },
      gone,
      ['closed'],
      {
        look: turned(live, { status: 2 }),
        missing: null,
        end: { ...between(3, 6), reason: 'gone', error: null },
        revision: 4,
      },
      true,
      true,
    ],
    [
      '1 after it was missing: no longer missing',
      { ...live, missing: { since: at(3), times: 2 } },
      found(1, true),
      [],
      { missing: null },
      false,
      false,
    ],
  ])('statsession says %s', (_, before, evidence, changes, after, complete, settled) => {
    const result = diff(knowing([before]), listing(), telling(evidence), tick)

    const transitions = after ? [{ before, after: { ...before, ...after }, changes }] : []
    expect(result).toEqual({ transitions, complete, settled })
  })

  test('an empty list while statsession says that all live closes nothing', () => {
    const open = ['m1', 'm2', 'm3'].map((id) => ({ ...live, id }))
    const evidence = new Map(open.map(({ id }) => [id, found(1, true)]))

    expect(diff(knowing(open), listing(), evidence, tick)).toEqual({ transitions: [], complete: false, settled: false })
  })

  test('one living session that the listing lacks shows it short: another is not counted absent, but gone is gone', () => {
    const lives = { ...live, id: 'm1' }
    const silent = { ...live, id: 'm2', missing: { since: at(3), times: 2 } }
    const unknown = { ...live, id: 'm3' }
    const evidence = new Map([...telling(found(1, true), 'm1'), ...telling(gone, 'm3')])

    const result = diff(knowing([lives, silent, unknown]), listing(), evidence, tick)

    expect(result.complete).toBe(false)
    expect(result.transitions.map(({ after, changes }) => [after.id, changes, after.end?.reason])).toEqual([
      ['m3', ['closed'], 'gone'],
    ])
  })

  test('three complete listings count although incomplete ones lie between; those count for nothing', () => {
    const none: Tick = { items: [], unreadable: 0, evidence: new Map() }
    const unreadable = { ...none, unreadable: 1 }
    const listed = { ...none, items: [item('m1', 1)] }

    const steps = play([listed, unreadable, none, unreadable, unreadable, none, unreadable, none])

    expect(steps.map(({ open }) => open.get('m1')?.missing ?? null)).toEqual([
      null,
      { since: at(0), times: 0 },
      { since: at(0), times: 1 },
      { since: at(0), times: 1 },
      { since: at(0), times: 1 },
      { since: at(0), times: 2 },
      { since: at(0), times: 2 },
      null,
    ])
    expect(steps.at(-1)?.result.transitions[0]?.after.end).toEqual({
      after: at(0),
      before: at(7),
      reason: 'absent',
      error: null,
    })
  })

  test('a listing that has it again breaks the row: the count begins anew', () => {
    const none: Tick = { items: [], unreadable: 0, evidence: new Map() }
    const listed = { ...none, items: [item('m1', 1)] }

    const steps = play([listed, none, none, listed, none, none, none])

    expect(steps.map(({ open }) => open.get('m1')?.missing?.times ?? null)).toEqual([null, 1, 2, null, 1, 2, null])
    expect(steps.map(({ open }) => open.size)).toEqual([1, 1, 1, 1, 1, 1, 0])
    expect(steps.at(-1)?.result.transitions[0]?.after.end).toMatchObject({ after: at(3), reason: 'absent' })
  })
})

describe('a listing with an unreadable item', () => {
  test.each<[says: string, evidence: Evidence | undefined, end: Session['end'], missing: Session['missing']]>([
    ['nothing: it may be that item', undefined, null, { since: at(5), times: 0 }],
    ['110018: not closed, although it is asked again', gone, null, { since: at(5), times: 0 }],
    ['2: closed, for statsession says so', found(2, true, broken), reported(tick, broken), null],
  ])('closes nothing for being missing when statsession says %s', (_, evidence, end, missing) => {
    const result = diff(knowing([live]), listing([], 1), telling(evidence), tick)

    expect(result).toMatchObject({ complete: false, settled: false, transitions: [{ after: { end, missing } }] })
  })

  test('closes nothing as absent, however often the session was missing before', () => {
    const missing = { ...live, missing: { since: at(2), times: 2 } }

    const result = diff(knowing([missing]), listing([], 1), telling(), tick)

    expect(result).toEqual({ transitions: [], complete: false, settled: false })
  })

  test('still tells of the items that are readable', () => {
    const result = diff(
      knowing([ready]),
      listing([item('m1', 1, { started: true }), item('m2', 3)], 1),
      telling(),
      tick,
    )

    expect(result.complete).toBe(false)
    expect(result.transitions.map(({ after, changes }) => [after.id, changes])).toEqual([
      ['m1', ['started']],
      ['m2', ['created']],
    ])
  })
})

describe('a session that is listed', () => {
  test.each<[name: string, status: number, started: boolean, changes: ChangeType[], steps: Partial<Session>]>([
    ['preparing', 3, false, ['created'], {}],
    ['in progress', 1, false, ['created', 'ready'], { ready: tick }],
    ['in progress and started', 1, true, ['created', 'ready', 'started'], { ready: tick, started: tick }],
    ['preparing and started', 3, true, ['created', 'ready', 'started'], { ready: tick, started: tick }],
    ['with status 5', 5, false, ['created'], {}],
    ['with status 5 and started', 5, true, ['created', 'ready', 'started'], { ready: tick, started: tick }],
    ['closed', 2, false, ['created', 'closed'], { end: reported(tick, null) }],
    [
      'closed and started',
      2,
      true,
      ['created', 'ready', 'started', 'closed'],
      { ready: tick, started: tick, end: reported(tick, null) },
    ],
    ['failed', 4, false, ['created', 'failed'], { end: reported(tick, null) }],
  ])('for the first time, %s, has all its steps in the order of life', (_, status, started, changes, steps) => {
    const seen = item('m1', status, { started, extra: { VirtualmanType: 1 } })

    const result = diff(knowing([]), listing([seen]), telling(), tick)

    const untold = { ready: null, started: null, end: null, missing: null }
    const after = { id: 'm1', incarnation: 1, look: seen.look, firstSeen: tick, ...untold, ...steps }
    expect(result).toEqual({
      transitions: [{ before: null, after: { ...after, revision: changes.length }, changes }],
      complete: true,
      settled: true,
    })
  })

  test('for the first time on the first tick of an account happened at any time before: nobody watched', () => {
    const first = between(null, 6)

    const { transitions } = diff(knowing([]), listing([item('m1', 1, { started: true })]), telling(), first)

    expect(transitions[0]?.changes).toEqual(['created', 'ready', 'started'])
    expect(transitions[0]?.after).toMatchObject({ firstSeen: first, ready: first, started: first })
  })

  test.each<[name: string, before: Session, look: Look, changes: ChangeType[], after: Partial<Session>]>([
    ['becomes ready', preparing, look(1), ['ready'], { ready: tick }],
    [
      'becomes ready and started between two ticks',
      preparing,
      look(1, { started: true }),
      ['ready', 'started'],
      { ready: tick, started: tick },
    ],
    ['is started', ready, turned(ready, { started: true }), ['started'], { started: tick }],
    ['closes', live, turned(live, { status: 2 }), ['closed'], { end: reported(tick, null) }],
    [
      'closes, and the list no longer shows it started',
      live,
      turned(live, { status: 2, started: false }),
      ['closed'],
      { end: reported(tick, null) },
    ],
    ['fails', preparing, look(4), ['failed'], { end: reported(tick, null) }],
    ['gets an unknown status', live, turned(live, { status: 5 }), [], {}],
    ['goes back to preparing', live, turned(live, { status: 3 }), [], {}],
    ['is shown not started any more', live, turned(live, { started: false }), [], {}],
    ['changes its user', live, turned(live, { userId: null }), [], {}],
    ['changes an unknown field', live, turned(live, { extra: { a: 1 } }), [], {}],
  ])('and %s changes by just that', (_, before, seen, changes, steps) => {
    const result = diff(knowing([before]), listing([{ id: 'm1', look: seen }]), telling(), tick)

    const after = { ...before, look: seen, ...steps, revision: before.revision + changes.length }
    expect(result).toEqual({ transitions: [{ before, after, changes }], complete: true, settled: true })
  })

  test('unchanged has nothing to tell, in whatever order its extra fields come', () => {
    const known = { ...live, look: turned(live, { extra: { a: 1, b: { c: 2, d: 3 } } }) }
    const same = turned(live, { extra: { b: { d: 3, c: 2 }, a: 1 } })

    const result = diff(knowing([known]), listing([{ id: 'm1', look: same }]), telling(), tick)

    expect(result).toEqual({ transitions: [], complete: true, settled: true })
  })

  test('is ready only once, although its status left and came back', () => {
    const wavering = [1, 3, 1, 5, 1].map((status): Tick => ({
      items: [item('m1', status)],
      unreadable: 0,
      evidence: new Map(),
    }))

    const changes = play(wavering).map(({ result }) => result.transitions.flatMap((transition) => transition.changes))

    expect(changes).toEqual([['created', 'ready'], [], [], [], []])
  })

  test.each([
    ['closed', 2, broken],
    ['failed', 4, stalled],
  ] as const)('as ended is %s with what statsession says of the reason', (change, status, error) => {
    const named = item('m1', status)

    const known = diff(knowing([preparing]), listing([named]), telling(found(status, false, error)), tick)
    const unseen = diff(knowing([]), listing([named]), telling(found(status, false, error)), tick)

    expect(known.transitions[0]).toMatchObject({ changes: [change], after: { end: reported(tick, error) } })
    expect(unseen.transitions[0]).toMatchObject({ changes: ['created', change], after: { end: reported(tick, error) } })
  })

  test.each([
    ['does not know it any more', gone],
    ['says that it lives', found(1, true, broken)],
  ])('as ended is ended without an error when statsession %s', (_, evidence) => {
    const result = diff(
      knowing([live]),
      listing([{ id: 'm1', look: turned(live, { status: 2 }) }]),
      telling(evidence),
      tick,
    )

    expect(result).toMatchObject({ complete: true, transitions: [{ after: { end: reported(tick, null) } }] })
  })

  test('again after it was missing changed at some time since it was last listed', () => {
    const missing = { ...ready, missing: { since: at(3), times: 2 } }
    const seen = turned(ready, { started: true })

    const { transitions } = diff(knowing([missing]), listing([{ id: 'm1', look: seen }]), telling(), tick)

    expect(transitions).toEqual([
      {
        before: missing,
        after: { ...ready, look: seen, started: between(3, 6), revision: 3, missing: null },
        changes: ['started'],
      },
    ])
  })

  test('again after missed ticks changed at some time since the last one that was committed', () => {
    const { transitions } = diff(knowing([preparing]), listing([item('m1', 1)]), telling(), between(1, 58))

    expect(transitions[0]?.after.ready).toEqual(between(1, 58))
  })

  test('as if nothing had been, after it was missing, is a change without an event', () => {
    const missing = { ...live, missing: { since: at(3), times: 2 } }

    const result = diff(knowing([missing]), listing([{ id: 'm1', look: live.look }]), telling(), tick)

    expect(result).toEqual({
      transitions: [{ before: missing, after: live, changes: [] }],
      complete: true,
      settled: true,
    })
  })
})

describe('an id that has ended before', () => {
  test('is a new incarnation when it lives again, with a revision of its own', () => {
    const { transitions } = diff(knowing([], { m1: 3 }), listing([item('m1', 3)]), telling(), tick)

    expect(transitions).toEqual([
      { before: null, after: { ...preparing, incarnation: 4, firstSeen: tick }, changes: ['created'] },
    ])
  })

  test.each([2, 4])('gives nothing while the lists still show it with status %i', (status) => {
    const lingering = listing([item('m1', status, { started: true })])

    const result = diff(knowing([], { m1: 1 }), lingering, telling(found(status, true, broken)), tick)

    expect(result).toEqual({ transitions: [], complete: true, settled: true })
  })

  test('stays ended while it comes back under an unknown status only, and returns once it surely lives', () => {
    const histories = [2, 5, 1].map((status): Tick => ({
      items: [item('m1', status)],
      unreadable: 0,
      evidence: new Map(),
    }))

    const steps = play(histories)

    expect(steps.map(({ result }) => result.transitions.map(({ changes }) => changes))).toEqual([
      [['created', 'closed']],
      [],
      [['created', 'ready']],
    ])
    expect(steps[2]?.open.get('m1')).toMatchObject({ incarnation: 2, firstSeen: between(1, 2) })
  })
})

test('ended sessions come first, each group in the order of ids', () => {
  const open = ['m4', 'm2', 'm3'].map((id) => ({ ...live, id }))
  const listed = listing([item('m9', 3), item('m1', 1), item('m3', 2, { started: true }), item('m0', 2)])
  const evidence = new Map([...telling(gone, 'm4'), ...telling(found(4), 'm2')])

  const { transitions } = diff(knowing(open), listed, evidence, tick)

  expect(transitions.map(({ after, changes }) => `${after.id} ${changes.at(-1)}`)).toEqual([
    'm0 closed',
    'm2 failed',
    'm3 closed',
    'm4 closed',
    'm1 ready',
    'm9 created',
  ])
})

describe('statsession is asked for', () => {
  test.each<[name: string, known: Known, items: ReturnType<typeof item>[], asked: string[]]>([
    ['an open session that the listing lacks', knowing([live]), [], ['m1']],
    ['an open one that is listed as ended, for the reason', knowing([live]), [item('m1', 2)], ['m1']],
    [
      'an open one whose id has ended before, for the reason of this end',
      knowing([live], { m1: 1 }),
      [item('m1', 2)],
      ['m1'],
    ],
    ['one never seen that is listed as ended', knowing([]), [item('m1', 4)], ['m1']],
    ['no session that is listed alive', knowing([live]), [item('m1', 1), item('m2', 3), item('m3', 5)], []],
    ['no lingering end that was told before', knowing([], { m1: 1 }), [item('m1', 2)], []],
    ['no ended id that lives again', knowing([], { m1: 1 }), [item('m1', 1)], []],
    [
      'those missing longest first, so that a small budget starves none',
      knowing([
        { ...live, id: 'm1' },
        { ...live, id: 'm2', missing: { since: at(3), times: 1 } },
        { ...live, id: 'm3', missing: { since: at(1), times: 2 } },
        { ...live, id: 'm4' },
        { ...live, id: 'm5', missing: { since: at(2), times: 0 } },
      ]),
      [item('m6', 2)],
      ['m3', 'm5', 'm2', 'm1', 'm4', 'm6'],
    ],
  ])('%s', (_, known, items, asked) => {
    expect(toAsk(known, listing(items))).toEqual(asked)
  })

  test('just the sessions that are lacking or newly ended, each once, over any history', () => {
    fc.assert(
      fc.property(histories, (history) => {
        for (const step of play(history)) {
          const open = step.known.open.map(({ id }) => id)
          const named = new Map(step.listing.sessions.map(({ id, look }) => [id, look.status]))
          const everyId = [...new Set([...open, ...named.keys()])]
          const expected = everyId.filter((id) => {
            if (!named.has(id)) return true
            return [2, 4].includes(named.get(id) ?? 0) && (open.includes(id) || !step.known.ended.has(id))
          })
          expect(toAsk(step.known, step.listing).sort()).toEqual(expected.sort())
        }
      }),
    )
  })
})

describe('over any history of listings and evidence', () => {
  const anyHistory = fc.oneof({ weight: 3, arbitrary: histories }, { weight: 1, arbitrary: orderlyHistories })
  const holds = (law: (steps: ReturnType<typeof play>) => void) => () => {
    fc.assert(
      fc.property(anyHistory, (history) => law(play(history))),
      { numRuns: 300 },
    )
  }
  const isEnd = (change: ChangeType) => change === 'closed' || change === 'failed'

  test(
    'a listing of what is known has nothing to tell',
    holds((steps) => {
      for (const { open } of steps) {
        const known = [...open.values()].filter((session) => !session.missing)
        const same = listing(known.map(({ id, look }) => ({ id, look: structuredClone(look) })))

        expect(diff(knowing(known), same, new Map(), tick)).toEqual({ transitions: [], complete: true, settled: true })
      }
    }),
  )

  test(
    'what lives after a tick looks as it was listed, and what is neither listed nor asserted is missing',
    holds((steps) => {
      for (const { tick, known, listing, open } of steps) {
        // An ended id under an unknown status may be one more word for its end.
        const alive = listing.sessions.filter(({ id, look }) =>
          known.ended.has(id) ? [1, 3].includes(look.status) : ![2, 4].includes(look.status),
        )
        for (const { id, look } of alive) expect(open.get(id)).toMatchObject({ look, missing: null, end: null })
        const ended = listing.sessions.filter(({ look }) => [2, 4].includes(look.status))
        expect(ended.filter(({ id }) => open.has(id))).toEqual([])
        for (const [id, session] of open) {
          if (alive.some((listed) => listed.id === id)) continue
          const word = tick.evidence.get(id)
          const lives = word?.kind === 'found' && (word.status === 1 || word.status === 3)
          expect(session.missing === null).toBe(lives)
        }
      }
    }),
  )

  test(
    'the sessions that a subscriber holds live by the changes alone are those that are open',
    holds((steps) => {
      const held = new Set<string>()
      for (const { result, open } of steps) {
        for (const { after, changes } of result.transitions) {
          for (const change of changes) {
            if (change === 'created') held.add(`${after.id} ${after.incarnation}`)
            if (isEnd(change)) held.delete(`${after.id} ${after.incarnation}`)
          }
        }
        expect([...held].sort()).toEqual([...open.values()].map((s) => `${s.id} ${s.incarnation}`).sort())
      }
    }),
  )

  test(
    'each incarnation is one life in order: created, ready, started, then closed or failed, and nothing after that',
    holds((steps) => {
      const lives = new Map<string, string[]>()
      for (const { result } of steps) {
        for (const { after, changes } of result.transitions) {
          const life = `${after.id} ${after.incarnation}`
          const told = lives.get(life) ?? []
          expect(told.some((change) => change === 'closed' || change === 'failed')).toBe(false)
          expect(after.revision).toBe(told.length + changes.length)
          lives.set(life, [...told, ...changes])
        }
      }
      for (const life of lives.values()) {
        expect(life.join(' ')).toMatch(/^created( ready( started)?)?( closed| failed)?$/)
      }
    }),
  )

  test(
    'incarnations of an id follow one another from 1, never two at once',
    holds((steps) => {
      const last = new Map<string, number>()
      for (const { result, known } of steps) {
        for (const { before, after } of result.transitions) {
          if (before) continue
          expect(known.open.some(({ id }) => id === after.id)).toBe(false)
          expect(after.incarnation).toBe((last.get(after.id) ?? 0) + 1)
          last.set(after.id, after.incarnation)
        }
      }
    }),
  )

  test(
    'every end has one cause, which this tick gave: a listing, statsession, or three complete listings without it',
    holds((steps) => {
      const complete = new Map<string, number>()
      for (const { tick, result, known, listing } of steps) {
        const named = new Map(listing.sessions.map(({ id, look }) => [id, look]))
        for (const { id } of known.open) {
          const word = tick.evidence.get(id)
          const lives = word?.kind === 'found' && (word.status === 1 || word.status === 3)
          const lacking = !named.has(id) && !lives
          complete.set(id, lacking ? (complete.get(id) ?? 0) + (result.complete ? 1 : 0) : 0)
        }
        for (const { before, after, changes } of result.transitions) {
          const { id, end, look } = after
          const ends = changes.filter(isEnd)
          expect(ends).toHaveLength(end ? 1 : 0)
          if (!end) continue
          const word = tick.evidence.get(id)
          const said = named.get(id)?.status ?? (word?.kind === 'found' ? word.status : undefined)
          const causes = {
            reported: said === 2 || said === 4,
            gone: !named.has(id) && word?.kind === 'gone' && tick.unreadable === 0,
            absent: !named.has(id) && result.complete && complete.get(id) === 3,
          }
          expect(changes.at(-1)).toBe(ends[0])
          expect(ends[0]).toBe(end.reason === 'reported' && said === 4 ? 'failed' : 'closed')
          expect(look.status).toBe(ends[0] === 'failed' ? 4 : 2)
          expect(causes[end.reason]).toBe(true)
          expect(before !== null || end.reason === 'reported').toBe(true)
          expect([null, word?.kind === 'found' ? word.error : null]).toContainEqual(end.error)
          complete.delete(id)
        }
      }
    }),
  )

  test(
    'every change happened after the session was last known alive, and before this tick ended',
    holds((steps) => {
      const lastAlive = new Map<string, Date>()
      for (const { tick, known, listing, window, result } of steps) {
        for (const { before, after, changes } of result.transitions) {
          const expected = { after: before ? lastAlive.get(after.id) : window.after, before: window.before }
          const windows = { created: after.firstSeen, ready: after.ready, started: after.started }
          for (const change of changes) {
            const told = change === 'closed' || change === 'failed' ? after.end : windows[change]
            expect(told).toMatchObject(expected)
          }
        }
        for (const { id } of listing.sessions) lastAlive.set(id, window.before)
        for (const { id } of known.open) {
          const word = tick.evidence.get(id)
          const lives = word?.kind === 'found' && (word.status === 1 || word.status === 3)
          if (lives) lastAlive.set(id, window.before)
        }
      }
    }),
  )

  test(
    'only a complete tick may close for absence, and a settled one has nothing to tell of the same listing',
    holds((steps) => {
      for (const { tick, known, listing, result, open } of steps) {
        const lives = known.open.some(({ id }) => {
          const word = tick.evidence.get(id)
          const named = listing.sessions.some((listed) => listed.id === id)
          return !named && word?.kind === 'found' && (word.status === 1 || word.status === 3)
        })
        const nobodyMissing = [...open.values()].every((session) => !session.missing)
        expect(result.complete).toBe(tick.unreadable === 0 && !lives)
        expect(result.settled).toBe(result.complete && nobodyMissing)
        if (!result.settled) continue
        const ended = new Map(
          listing.sessions.filter(({ id }) => !open.has(id)).map(({ id }): [string, number] => [id, 1]),
        )
        const again = diff({ open: [...open.values()], ended }, listing, new Map(), between(58, 59))
        expect(again).toEqual({ transitions: [], complete: true, settled: true })
      }
    }),
  )

  test('the order of the known sessions, of the listing and of the evidence means nothing; the input stays as it was', () => {
    fc.assert(
      fc.property(histories, fc.infiniteStream(fc.nat()), (history, ranks) => {
        const shuffled = <Item>(items: Iterable<Item>): Item[] =>
          [...items]
            .map((item) => ({ item, rank: Number(ranks.next().value) }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ item }) => item)

        for (const { tick, known, listing, window, result } of play(history)) {
          const turned: Known = { open: shuffled(known.open), ended: new Map(shuffled(known.ended)) }
          const relisted: Listing = { ...listing, sessions: shuffled(listing.sessions) }
          const input = structuredClone([turned, relisted, tick.evidence])

          expect(diff(turned, relisted, new Map(shuffled(tick.evidence)), window)).toEqual(result)
          toAsk(turned, relisted)
          expect([turned, relisted, tick.evidence]).toEqual(input)
        }
      }),
    )
  })
})
