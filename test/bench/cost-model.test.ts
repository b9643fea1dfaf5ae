import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Load, type Measured, monthOf } from '../../bench/cost-model.ts'

const measured: Measured = {
  unchangedTickMs: 10,
  changeMs: 1,
  idleSweepMs: 5,
  deliveryMs: 2,
  tickBytes: 200,
  sessionBytes: 2_000,
  eventBytes: 4_000,
  deliveryBytes: 2_000,
  eventsPerSession: 4,
  deliveriesPerSession: 2,
  changesPerSession: 3,
}
const load: Load = {
  tickSeconds: 10,
  sweepSeconds: 60,
  sessionsPerDay: 100,
  endpoints: 1,
  memoryMb: 128,
  apiLatencyMs: 50,
  receiverLatencyMs: 100,
  postsAtOnce: 4,
  slowness: 1,
  retention: { deliveriesDays: 30, eventsDays: 30, ticksDays: 400 },
}

test('a month by hand: 259,200 ticks, 43,200 sweeps, 9,000 drains for 3,000 sessions', () => {
  const { gbSeconds, gbKept, ...counted } = monthOf(measured, load)

  expect(counted).toEqual({ invocations: 311_400, rowsWritten: 259_200 + 3_000 * 8 + 12_000 })
  // 2,592 s + 9 s + 261 s + 12 s of its own, 12,960 s + 150 s of waiting, at an eighth of a GB.
  expect(gbSeconds).toBeCloseTo((2_592 + 9 + 261 + 12 + 12_960 + 150) / 8, 6)
  // 400 days of 8,640 ticks, 30 days of events and deliveries, a year of sessions.
  expect(gbKept).toBeCloseTo((691_200_000 + 12_000_000 + 6_000_000 + 73_000_000) / 1e9, 6)
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
      fc.property(loads, fc.constantFrom('sessionsPerDay', 'endpoints', 'slowness', 'apiLatencyMs'), (one, what) => {
        const [month, more] = [monthOf(measured, one), monthOf(measured, { ...one, [what]: one[what] + 1 })]
        for (const figure of Object.keys(month) as (keyof typeof month)[]) {
          expect(more[figure]).toBeGreaterThanOrEqual(month[figure])
        }
      }),
    )
  })
})
