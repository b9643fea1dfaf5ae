import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Load, type Measured, monthOf, ticksWith } from '../../bench/cost-model.ts'

const measured: Measured = {
  unchangedTickMs: 10,
  listedMs: 0.5,
  changedTickMs: 6,
  changeMs: 1,
  idleSweepMs: 5,
  drainMs: 15,
  deliveryMs: 2,
  tickBytes: 200,
  sessionBytes: 2_000,
  eventBytes: 4_000,
  deliveryBytes: 2_000,
  rowsPerSession: 7,
  deliveryRowsPerSession: 4,
  deliveriesPerSession: 2,
  changesPerSession: 3,
  asksPerSession: 1,
  drainsPerSession: 2,
}
const load: Load = {
  tickSeconds: 10,
  sweepSeconds: 60,
  sessionsPerDay: 144,
  sessionMinutes: 10,
  endpoints: 1,
  memoryMb: 128,
  apiLatencyMs: 50,
  receiverLatencyMs: 100,
  postsAtOnce: 4,
  slowness: 1,
  retention: { deliveriesDays: 30, eventsDays: 30, ticksDays: 400 },
}

test('a month by hand: 259,200 ticks that list one session, 43,200 sweeps, 4,320 sessions', () => {
  const { invocations, gbSeconds, rowsWritten, gbKept } = monthOf(measured, load)

  // Of 8,640 starts and closes, 142 fall into the tick of another.
  expect(invocations).toBeCloseTo(259_200 + 43_200 + 8_497.587, 2)
  // Ticks, 12,641.333 of them with the 12,960 changes; sweeps; drains with 8,640 deliveries.
  const ownSeconds = 2_721.6 + 75.848 + 12.96 + 216 + 127.464 + 17.28
  // A listing for each tick, statsession in 4,284.199 of them, an Invoke and a POST for each drain.
  const waitedSeconds = 12_960 + 214.21 + 424.879 + 849.759
  expect(gbSeconds).toBeCloseTo((ownSeconds + waitedSeconds) / 8, 2)
  expect(rowsWritten).toBe(259_200 + 4_320 * 11)
  // 400 days of 8,640 ticks, 30 days of events and deliveries, a year of sessions.
  expect(gbKept).toBeCloseTo((691_200_000 + 17_280_000 + 8_640_000 + 105_120_000) / 1e9, 9)
})

test('as many changes as ticks leave a share of 1/e of the ticks without one', () => {
  expect(ticksWith(1_000, 1_000)).toBeCloseTo(632.1206, 4)
})

test('where all POSTs of a drain go out at once, only the first is waited for', () => {
  const seconds = (postsAtOnce: number) =>
    monthOf(measured, { ...load, tickSeconds: 60, sessionsPerDay: 10_000, postsAtOnce }).gbSeconds * 8

  // 600,000 deliveries of 43,200 drains: all but 0.04 of them have some, 13.9 each.
  expect(seconds(14) - seconds(100)).toBeCloseTo(0, 6)
  expect(seconds(10) - seconds(14)).toBeCloseTo((60_000 - 43_200) / 10, 0)
})

test('without endpoints the webhook function runs by its timer only', () => {
  expect(monthOf(measured, { ...load, endpoints: 0 }).invocations).toBe(259_200 + 43_200)
})

describe('whatever the load', () => {
  const loads = fc
    .record({
      tickSeconds: fc.integer({ min: 1, max: 3_600 }),
      sessionsPerDay: fc.integer({ min: 0, max: 100_000 }),
      endpoints: fc.integer({ min: 0, max: 50 }),
    })
    .map((some) => ({ ...load, ...some }))

  test('twice the memory is twice the GB-seconds, and nothing else', () => {
    fc.assert(
      fc.property(loads, (one) => {
        const [month, larger] = [monthOf(measured, one), monthOf(measured, { ...one, memoryMb: 256 })]
        expect(larger.gbSeconds).toBeCloseTo(2 * month.gbSeconds, 3)
        expect({ ...larger, gbSeconds: 0 }).toEqual({ ...month, gbSeconds: 0 })
      }),
    )
  })

  test('more of anything never costs less', () => {
    fc.assert(
      fc.property(
        loads,
        fc.constantFrom('sessionsPerDay', 'endpoints', 'slowness', 'apiLatencyMs', 'sessionMinutes'),
        (one, what) => {
          const [month, more] = [monthOf(measured, one), monthOf(measured, { ...one, [what]: one[what] + 1 })]
          for (const figure of Object.keys(month) as (keyof typeof month)[]) {
            expect(more[figure]).toBeGreaterThanOrEqual(month[figure])
          }
        },
      ),
    )
  })
})
