import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  advance,
  breakSession,
  closeSession,
  createSession,
  createSimulator,
  heartbeat,
  liveAt,
  type Outcome,
  type Session,
  type Settings,
  startSession,
} from '../../lib/local/simulator/simulator.ts'

// No doubles: the simulator is itself the double. Time is virtual, in seconds from 1970.
function simulate(settings: Partial<Settings> = {}, seed = 1) {
  let now = 0
  const simulator = createSimulator({ seed, now: () => now, settings: { preparingSeconds: [10, 10], ...settings } })
  return { simulator, pass: (seconds: number) => (now += seconds * 1000) }
}

function create(simulator: ReturnType<typeof createSimulator>, userId: string): Session {
  return accepted(createSession(simulator, { userId, projectId: 'p' }))
}

function accepted<Result>(outcome: Outcome<Result>): Result {
  if ('ok' in outcome) return outcome.ok
  throw new Error(`refused: ${outcome.code} ${outcome.message}`)
}

function told(simulator: ReturnType<typeof createSimulator>): unknown[] {
  return simulator.truth.map(({ at, userId, from, to, started, cause, errorCode }) => [
    at / 1000,
    userId,
    `${from ?? ''}→${to}${started ? ' started' : ''}`,
    cause,
    errorCode,
  ])
}

describe('a life', () => {
  test('a session prepares, is ready, is started once and is closed, each with its own time', () => {
    const { simulator, pass } = simulate()

    const session = create(simulator, 'ann')
    const tooEarly = startSession(simulator, session.id)
    pass(60)
    accepted(startSession(simulator, session.id))
    accepted(startSession(simulator, session.id))
    pass(30)
    accepted(closeSession(simulator, session.id))
    const again = closeSession(simulator, session.id)

    expect(tooEarly).toMatchObject({ code: 110014 })
    expect(again).toMatchObject({ code: 110013 })
    expect(told(simulator)).toEqual([
      [0, 'ann', '→3', 'create', 0],
      [10, 'ann', '3→1', 'ready', 0],
      [60, 'ann', '1→1 started', 'start', 0],
      [90, 'ann', '1→2 started', 'close', 0],
    ])
    expect(simulator.truth[1]).toEqual({
      at: 10_000,
      time: '1970-01-01T00:00:10.000Z',
      sessionId: session.id,
      userId: 'ann',
      from: 3,
      to: 1,
      started: false,
      cause: 'ready',
      errorCode: 0,
      errorMessage: '',
    })
    expect(session.id).toMatch(/^m[1-9]\d{17}$/)
  })

  test('a cached model is ready at once, with its stream address', () => {
    const { simulator } = simulate({ cachedShare: 1 })

    const session = create(simulator, 'ann')

    expect(session.playStreamAddr).toBe(`rtmp://live.qq.com/live/${session.id}`)
    expect(told(simulator)).toEqual([[0, 'ann', '→1', 'create', 0]])
  })

  test('a failed creation ends in 4 with its code, and never has a stream', () => {
    const { simulator, pass } = simulate({ failedShare: 1, cachedShare: 1, failureCodes: [-101001] })

    const session = create(simulator, 'ann')
    pass(10)
    advance(simulator)

    expect(session.playStreamAddr).toBeNull()
    expect(told(simulator).at(-1)).toEqual([10, 'ann', '3→4', 'failed', -101001])
  })

  test('a broken stream ends in 2 with -111002, counted from readiness', () => {
    const { simulator, pass } = simulate({ brokenShare: 1, brokenAfterSeconds: [7, 7] })

    create(simulator, 'ann')
    pass(100)
    advance(simulator)

    expect(told(simulator).at(-1)).toEqual([17, 'ann', '1→2', 'broken', -111002])
  })

  test('a session that nobody drives is closed 600 s after it was ready', () => {
    const { simulator, pass } = simulate({ idleErrorCode: 110013 })

    create(simulator, 'ann')
    pass(10_000)
    advance(simulator)

    expect(told(simulator).at(-1)).toEqual([610, 'ann', '1→2', 'idle', 110013])
  })

  test('a heartbeat puts the idle close off, and a session that is kept alive never ends', () => {
    const { simulator, pass } = simulate()
    const session = create(simulator, 'ann')

    for (let i = 0; i < 10; i += 1) {
      pass(599)
      accepted(heartbeat(simulator, session.id))
    }
    pass(600)
    advance(simulator)

    expect(told(simulator).at(-1)).toEqual([6590, 'ann', '1→2', 'idle', 0])
  })

  test('the same user creating again closes the older session with 110022, and other users are left alone', () => {
    const { simulator, pass } = simulate()

    create(simulator, 'ann')
    create(simulator, 'bob')
    pass(20)
    create(simulator, 'ann')

    expect(told(simulator).slice(-2)).toEqual([
      [20, 'ann', '1→2', 'displaced', 110022],
      [20, 'ann', '→3', 'create', 0],
    ])
    expect(liveAt(simulator, 20_000).map(({ userId, status }) => [userId, status])).toEqual([
      ['bob', 1],
      ['ann', 3],
    ])
  })

  test('a creation over the capacity is refused with 100008 and changes nothing; a closed session frees its slot', () => {
    const { simulator } = simulate({ capacity: 1 })

    const ann = create(simulator, 'ann')
    const refused = createSession(simulator, { userId: 'bob', projectId: 'p' })
    const replaced = createSession(simulator, { userId: 'ann', projectId: 'p' })
    accepted(closeSession(simulator, accepted(replaced).id))
    const admitted = createSession(simulator, { userId: 'bob', projectId: 'p' })

    expect(refused).toMatchObject({ code: 100008, message: expect.stringMatching(/^LimitExceeded: /) })
    expect(ann.errorCode).toBe(110022)
    expect(admitted).toHaveProperty('ok')
  })

  test('the platform can end a session with any code: 4 while it prepares, 2 once it is ready', () => {
    const { simulator, pass } = simulate()
    const ready = create(simulator, 'ann')
    pass(20)
    const preparing = create(simulator, 'bob')

    accepted(breakSession(simulator, ready.id, 110021))
    accepted(breakSession(simulator, preparing.id, -111004))

    expect([ready.status, ready.errorCode]).toEqual([2, 110021])
    expect([preparing.status, preparing.errorCode]).toEqual([4, -111004])
  })

  test('an ended id may return as a new session, a live one may not', () => {
    const { simulator } = simulate()
    const ask = () => createSession(simulator, { userId: 'ann', projectId: 'p', sessionId: 'm1' })

    const outcomes = [ask(), ask(), closeSession(simulator, 'm1'), ask()]

    expect(outcomes.map((outcome) => ('ok' in outcome ? 'ok' : outcome.code))).toEqual(['ok', 100001, 'ok', 'ok'])
    expect(liveAt(simulator, 0)).toEqual([{ sessionId: 'm1', userId: 'ann', status: 3, started: false }])
  })
})

test('a transition is logged with the time it was due, in order, however late somebody looks', () => {
  const { simulator, pass } = simulate({ idleCloseSeconds: 30 })

  create(simulator, 'ann')
  pass(35)
  create(simulator, 'bob')
  pass(1000)
  advance(simulator)

  expect(told(simulator)).toEqual([
    [0, 'ann', '→3', 'create', 0],
    [10, 'ann', '3→1', 'ready', 0],
    [35, 'bob', '→3', 'create', 0],
    [40, 'ann', '1→2', 'idle', 0],
    [45, 'bob', '3→1', 'ready', 0],
    [75, 'bob', '1→2', 'idle', 0],
  ])
  expect([0, 9999, 10_000, 39_999, 40_000, 75_000].map((at) => liveAt(simulator, at).length)).toEqual([
    1, 1, 1, 2, 1, 0,
  ])
})

test('a clock that goes back and a setting that shortens the past keep the log in order', () => {
  const { simulator, pass } = simulate()

  create(simulator, 'ann')
  pass(300)
  advance(simulator)
  simulator.settings.idleCloseSeconds = 20
  pass(-100)
  create(simulator, 'bob')

  expect(told(simulator).slice(-2)).toEqual([
    [300, 'ann', '1→2', 'idle', 0],
    [300, 'bob', '→3', 'create', 0],
  ])
})

test('an unknown setting and a wrong value are refused by name', () => {
  const settings = { failedShares: 1 } as Partial<Settings>

  expect(() => createSimulator({ settings })).toThrow(/^failedShares: not a setting; known are preparingSeconds, /)
  expect(() => createSimulator({ settings: { failedShare: 2 } })).toThrow(
    'failedShare: expected a number from 0 to 1, got 2',
  )
})

const steps = fc.array(
  fc.record({
    seconds: fc.integer({ min: 0, max: 400 }),
    act: fc.constantFrom('create', 'start', 'close', 'beat', 'break', 'look'),
    who: fc.nat(5),
  }),
  { maxLength: 60 },
)

function run(seed: number, script: { seconds: number; act: string; who: number }[]) {
  const { simulator, pass } = simulate(
    { cachedShare: 0.3, failedShare: 0.2, brokenShare: 0.2, capacity: 4, retentionSeconds: 100_000 },
    seed,
  )
  for (const { seconds, act, who } of script) {
    pass(seconds)
    const id = [...simulator.sessions.keys()].at(-1 - who) ?? 'm0'
    if (act === 'create') createSession(simulator, { userId: `user-${who}`, projectId: 'p' })
    else if (act === 'start') startSession(simulator, id)
    else if (act === 'close') closeSession(simulator, id)
    else if (act === 'beat') heartbeat(simulator, id)
    else if (act === 'break') breakSession(simulator, id)
    else advance(simulator)
  }
  return simulator
}

test('the log is complete and in order: folding it gives the sessions as they are, and each step follows the one before', () => {
  fc.assert(
    fc.property(fc.nat(), steps, (seed, script) => {
      const simulator = run(seed, script)

      const last = new Map<string, unknown>()
      let previousAt = 0
      for (const { at, sessionId, from, to, started, errorCode } of simulator.truth) {
        expect(at).toBeGreaterThanOrEqual(previousAt)
        previousAt = at
        expect((last.get(sessionId) as { to: number } | undefined)?.to ?? null).toBe(from)
        expect([2, 4]).not.toContain(from)
        last.set(sessionId, { to, started, errorCode })
      }

      const now = [...simulator.sessions.values()]
      expect(last).toEqual(
        new Map(now.map((s) => [s.id, { to: s.status, started: s.started, errorCode: s.errorCode }])),
      )
      const holders = now.filter(({ status }) => status === 1 || status === 3).map(({ id }) => id)
      expect(liveAt(simulator, simulator.reached).map(({ sessionId }) => sessionId)).toEqual(holders)
      expect(holders.length).toBeLessThanOrEqual(4)
    }),
  )
})

test('the same seed and calls give the same run, another seed another', () => {
  const script = Array.from({ length: 30 }, (_, who) => ({ seconds: 20, act: 'create', who }))

  expect(run(7, script).truth).toEqual(run(7, script).truth)
  expect(run(7, script).truth).not.toEqual(run(8, script).truth)
  expect(createSimulator({ seed: 7 })).toMatchObject({
    appkey: createSimulator({ seed: 7 }).appkey,
    accessToken: expect.stringMatching(/^[0-9a-f]{32}$/),
  })
})
