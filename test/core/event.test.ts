import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChangeType, Transition } from '../../lib/core/diff.ts'
import { DEFAULT_EVENT_TYPES, EVENT_TYPES, eventsOf, operatorEvent, type SessionEvent } from '../../lib/core/event.ts'
import type { Session } from '../../lib/core/session.ts'
import { at, between, found, gone, histories, item, look, orderlyHistories, play, stages, type Tick } from './build.ts'

// No doubles: pure functions; ids are counted.
function counted(): () => string {
  let last = 0
  return () => `evt_${(last += 1)}`
}

interface Body {
  [attribute: string]: unknown
  id: string
  type: string
  time: string
  sequence: string
  data: {
    revision: number
    session: { status: string; started: boolean; [field: string]: unknown }
    previous: { status: string; started: boolean } | null
    reason: string | null
    error: object | null
    observed: { after: string | null; before: string }
  }
}
const parse = (event: SessionEvent) => JSON.parse(event.body) as Body

/** All events of a history, in order. */
function eventsOfHistory(history: Tick[]): SessionEvent[] {
  const newId = counted()
  const events: SessionEvent[] = []
  for (const { result } of play(history)) events.push(...eventsOf(result.transitions, 'default', events.length, newId))
  return events
}

test('the five types have their names, and an endpoint without a filter gets three of them', () => {
  expect(EVENT_TYPES).toEqual([
    'session.created',
    'session.ready',
    'session.started',
    'session.closed',
    'session.failed',
  ])
  expect(DEFAULT_EVENT_TYPES).toEqual(['session.started', 'session.closed', 'session.failed'])
})

describe('the body', () => {
  test('is the example of the design, to the byte', () => {
    const before: Session = {
      id: 'm123',
      incarnation: 4,
      look: look(1, { playStreamAddr: 'rtmp://live.qq.com/live/m789' }),
      firstSeen: { after: null, before: new Date('2026-11-22T09:58:00.000Z') },
      ready: { after: new Date('2026-11-22T09:58:00.000Z'), before: new Date('2026-11-22T09:59:00.000Z') },
      started: null,
      end: null,
      revision: 2,
      missing: null,
    }
    const started = { after: new Date('2026-11-22T09:59:55.100Z'), before: new Date('2026-11-22T10:00:00.123Z') }
    const after: Session = { ...before, look: { ...before.look, started: true }, started, revision: 3 }

    const events = [...eventsOf([{ before, after, changes: ['started'] }], 'default', 41, () => 'evt_0f')]

    const body =
      '{"specversion":"1.0","id":"evt_0f","source":"/accounts/default","type":"session.started","subject":"m123",' +
      '"time":"2026-11-22T10:00:00.123Z","datacontenttype":"application/json","sequence":"00000000000000000042","partitionkey":"m123",' +
      '"data":{"account":"default","revision":3,' +
      '"session":{"id":"m123","userId":"abc","status":"in_progress","started":true,"driverType":1,"playStreamAddr":"rtmp://live.qq.com/live/m789",' +
      '"firstSeenAt":"2026-11-22T09:58:00.000Z","readyAt":"2026-11-22T09:59:00.000Z","startedAt":"2026-11-22T10:00:00.123Z","endedAt":null},' +
      '"previous":{"status":"in_progress","started":false},' +
      '"reason":null,"error":null,' +
      '"observed":{"after":"2026-11-22T09:59:55.100Z","before":"2026-11-22T10:00:00.123Z"}}}'
    expect(events).toEqual([
      {
        id: 'evt_0f',
        position: 42,
        type: 'session.started',
        sessionId: 'm123',
        incarnation: 4,
        revision: 3,
        time: new Date('2026-11-22T10:00:00.123Z'),
        body,
      },
    ])
  })

  test('shows the session as it was right after each step, when a whole life passes in one tick', () => {
    const window = between(null, 5)
    const end = {
      ...window,
      reason: 'reported' as const,
      error: { code: -111002, message: 'StreamBroken: 流连接断开' },
    }
    const after = {
      ...stages.live,
      look: look(2, { started: true }),
      firstSeen: window,
      ready: window,
      started: window,
    }
    const whole: Transition = {
      before: null,
      after: { ...after, end, revision: 4 },
      changes: ['created', 'ready', 'started', 'closed'],
    }

    const bodies = [...eventsOf([whole], 'beijing', 0, counted())].map(parse)

    const five = '2026-11-22T10:05:00.000Z'
    const stepOf = (
      number: number,
      type: ChangeType,
      status: string,
      [readyAt, startedAt, endedAt]: (string | null)[],
      previous: object | null,
      cause: object = { reason: null, error: null },
    ) => ({
      specversion: '1.0',
      id: `evt_${number}`,
      source: '/accounts/beijing',
      type: `session.${type}`,
      subject: 'm1',
      time: five,
      datacontenttype: 'application/json',
      sequence: `0000000000000000000${number}`,
      partitionkey: 'm1',
      data: {
        account: 'beijing',
        revision: number,
        session: {
          id: 'm1',
          userId: 'abc',
          status,
          started: startedAt !== null,
          driverType: 1,
          playStreamAddr: null,
          firstSeenAt: five,
          readyAt,
          startedAt,
          endedAt,
        },
        previous,
        ...cause,
        observed: { after: null, before: five },
      },
    })
    expect(bodies).toEqual([
      stepOf(1, 'created', 'preparing', [null, null, null], null),
      stepOf(2, 'ready', 'in_progress', [five, null, null], { status: 'preparing', started: false }),
      stepOf(3, 'started', 'in_progress', [five, five, null], { status: 'in_progress', started: false }),
      stepOf(
        4,
        'closed',
        'closed',
        [five, five, five],
        { status: 'in_progress', started: true },
        { reason: 'reported', error: { code: -111002, message: 'StreamBroken: 流连接断开' } },
      ),
    ])
  })

  // What a subscriber learns of the end of a session that was last listed preparing.
  test.each([
    ['closed as reported', found(2), 'session.closed', 'closed', 'reported', null],
    [
      'failed with its code',
      found(4, false, { code: -111003, message: 'ModelLoadFailed: 模型加载失败' }),
      'session.failed',
      'failed',
      'reported',
      { code: -111003, message: 'ModelLoadFailed: 模型加载失败' },
    ],
    ['gone', gone, 'session.closed', 'closed', 'gone', null],
  ])('says %s', (_, evidence, type, status, reason, error) => {
    const ticks = [
      { items: [item('m1', 3)], unreadable: 0, evidence: new Map() },
      { items: [], unreadable: 0, evidence: new Map([['m1', evidence]]) },
    ]

    const end = eventsOfHistory(ticks).map(parse).at(-1)

    expect(end).toMatchObject({
      type,
      sequence: '00000000000000000002',
      time: '2026-11-22T10:01:00.000Z',
      data: {
        revision: 2,
        session: { status, started: false, readyAt: null, startedAt: null, endedAt: '2026-11-22T10:01:00.000Z' },
        previous: { status: 'preparing', started: false },
        reason,
        error,
        observed: { after: '2026-11-22T10:00:00.000Z', before: '2026-11-22T10:01:00.000Z' },
      },
    })
  })

  test('says absent, in the whole time since the session was last listed', () => {
    const empty = { items: [], unreadable: 0, evidence: new Map() }
    const listed = { ...empty, items: [item('m1', 1)] }

    const end = eventsOfHistory([listed, empty, empty, empty]).map(parse).at(-1)

    expect(end?.data).toMatchObject({
      reason: 'absent',
      observed: { after: at(0).toISOString(), before: at(3).toISOString() },
    })
  })
})

describe('over any history', () => {
  test('positions are gapless over all ticks, and the body repeats what the columns say', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const events = eventsOfHistory(history)

        for (const [index, event] of events.entries()) {
          const body = parse(event)
          expect(event.position).toBe(index + 1)
          expect(body.sequence).toMatch(/^\d{20}$/)
          expect(BigInt(body.sequence)).toBe(BigInt(index + 1))
          expect(body).toMatchObject({ id: event.id, type: event.type, subject: event.sessionId })
          expect(body).toMatchObject({ partitionkey: event.sessionId, time: event.time.toISOString() })
          expect(body.data.revision).toBe(event.revision)
        }
        expect(new Set(events.map(({ id }) => id)).size).toBe(events.length)
      }),
    )
  })

  test('positions go on from any position, and a number of 16 digits keeps its sequence', () => {
    const transition: Transition = { before: null, after: stages.preparing, changes: ['created'] }

    const [event] = eventsOf([transition], 'default', Number.MAX_SAFE_INTEGER - 1, counted())

    expect(event?.position).toBe(9007199254740991)
    expect(event?.body).toContain('"sequence":"00009007199254740991"')
  })

  test('a session that changed without a step of its life gives no event and takes no position', () => {
    const silent: Transition = {
      before: stages.preparing,
      after: { ...stages.preparing, look: look(3, { userId: 'xyz' }) },
      changes: [],
    }

    expect([...eventsOf([silent], 'default', 7, () => expect.unreachable())]).toEqual([])
  })

  test('every body is a CloudEvent: its required attributes and extensions are as the specification wants them', () => {
    fc.assert(
      fc.property(histories, (history) => {
        for (const body of eventsOfHistory(history).map(parse)) {
          const { specversion, id, source, type, subject, time, datacontenttype, data, ...extensions } = body
          expect(specversion).toBe('1.0')
          for (const text of [id, source, type, subject, time, datacontenttype]) expect(text).toMatch(/^\S+$/)
          expect(URL.canParse(String(source), 'http://host')).toBe(true)
          expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
          expect(data).toBeTypeOf('object')
          for (const [name, value] of Object.entries(extensions)) {
            expect(name).toMatch(/^[a-z0-9]+$/)
            expect(value).toBeTypeOf('string')
          }
        }
      }),
    )
  })

  test('only an end has a reason and a time of end; times and flags agree with the steps taken', () => {
    fc.assert(
      fc.property(histories, (history) => {
        for (const { type, time, data } of eventsOfHistory(history).map(parse)) {
          const isEnd = type === 'session.closed' || type === 'session.failed'
          const { status, started, startedAt, endedAt, readyAt } = data.session
          expect(data.reason !== null).toBe(isEnd)
          expect(endedAt).toBe(isEnd ? time : null)
          expect(data.error === null || isEnd).toBe(true)
          expect(startedAt !== null).toBe(started)
          expect(status === 'closed').toBe(type === 'session.closed')
          expect(status === 'failed').toBe(type === 'session.failed')
          const steps = { ready: readyAt === time, started: startedAt === time }
          expect(steps).toMatchObject(
            {
              'session.created': { ready: false, started: false },
              'session.ready': { ready: true, started: false },
              'session.started': { started: true },
            }[type] ?? {},
          )
          expect(data.previous === null).toBe(type === 'session.created')
          expect(data.observed.before).toBe(time)
          expect(data.observed.after === null || data.observed.after < data.observed.before).toBe(true)
        }
      }),
    )
  })
})

describe('the chain: `previous` is what the event before it showed', () => {
  /** Each event whose `previous` is another than the state that the event before it of the same life showed. */
  function brokenLinks(history: Tick[]) {
    const shown = new Map<string, string>()
    return eventsOfHistory(history).flatMap((event) => {
      const { session, previous } = parse(event).data
      const life = `${event.sessionId} ${event.incarnation}`
      const expected = shown.get(life) ?? 'null'
      shown.set(life, JSON.stringify({ status: session.status, started: session.started }))
      const link = JSON.stringify(previous)
      return link === expected ? [] : [`${event.type} says ${link} after ${expected}`]
    })
  }

  test('over any lives in the order that the API documents', () => {
    fc.assert(
      fc.property(orderlyHistories, (history) => {
        expect(brokenLinks(history)).toEqual([])
      }),
    )
  })

  test('over a list that forgets that it was started', () => {
    const items = [item('m1', 1, { started: true }), item('m1', 1), item('m1', 2)]
    const history = items.map((one) => ({ items: [one], unreadable: 0, evidence: new Map() }))

    expect(brokenLinks(history)).toEqual([])
  })

  test('but for a status that changed without an event: then it is what was known right before', () => {
    const items = [item('m1', 5), item('m1', 3), item('m1', 1)]
    const history = items.map((one) => ({ items: [one], unreadable: 0, evidence: new Map() }))

    const told = eventsOfHistory(history).map((event) => parse(event).data)

    expect(told.map(({ previous, session }) => [previous?.status, session.status])).toEqual([
      [undefined, 'unknown'],
      ['preparing', 'in_progress'],
    ])
  })
})

test('the body of an event about Rollcall itself, to the byte', () => {
  const event = { id: 'evt_1', subject: 'ep_1', time: new Date(0), sequence: 7, data: { endpoint: 'ep_1' } }

  expect(operatorEvent('endpoint.disabled', event)).toBe(
    '{"specversion":"1.0","id":"evt_1","source":"/rollcall","type":"endpoint.disabled","subject":"ep_1",' +
      '"time":"1970-01-01T00:00:00.000Z","datacontenttype":"application/json","sequence":"00000000000000000007",' +
      '"partitionkey":"ep_1","data":{"endpoint":"ep_1"}}',
  )
})
