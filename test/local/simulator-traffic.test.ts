import { describe, expect, test } from 'vitest'
import { createSimulator, liveAt } from '../../lib/local/simulator/simulator.ts'
import { lively, runTraffic, traffic, type TrafficOptions } from '../../lib/local/simulator/traffic.ts'

function after(untilMs: number, options: TrafficOptions, { stepMs = untilMs, seed = 1, settings = {} } = {}) {
  const simulator = createSimulator({ seed, now: () => 0, settings })
  const people = traffic(simulator, options)
  for (let at = stepMs; at <= untilMs; at += stepMs) people.step(at)
  return simulator
}

function count<Key extends string>(items: { [key in Key]: unknown }[], key: Key): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[String(item[key])] = (counts[String(item[key])] ?? 0) + 1
  return counts
}

const hourMs = 3_600_000

describe('traffic', () => {
  test('an hour of it holds every way a session can go', () => {
    const settings = { cachedShare: 0.2, failedShare: 0.1, brokenShare: 0.1 }

    const { truth } = after(hourMs, { sessionsPerMinute: 10 }, { settings })

    const causes = count(truth, 'cause')
    expect(causes['create']).toBeGreaterThan(480)
    expect(causes['create']).toBeLessThan(720)
    const rare = ['ready', 'start', 'close', 'displaced', 'idle', 'failed', 'broken'].filter(
      (cause) => (causes[cause] ?? 0) < 5,
    )
    expect(rare).toEqual([])
  })

  test('people who never leak, leave or return close all they start', () => {
    const faithful = { leakedShare: 0, abandonedShare: 0, displacedShare: 0 }

    const simulator = after(hourMs, { ...faithful, lengthSeconds: [60, 3000], sessionsPerMinute: 5 })

    const { create, start, close, ...other } = count(simulator.truth, 'cause')
    const live = liveAt(simulator, hourMs)
    expect(Object.keys(other)).toEqual(['ready'])
    expect((start ?? 0) - (close ?? 0)).toBe(live.filter(({ started }) => started).length)
    expect((create ?? 0) - (close ?? 0)).toBe(live.length)
  })

  test('a leaked session is never started and is closed for idleness', () => {
    const { truth } = after(hourMs, { sessionsPerMinute: 5, leakedShare: 1, displacedShare: 0 })

    expect(Object.keys(count(truth, 'cause'))).toEqual(['create', 'ready', 'idle'])
  })

  test('the seed decides it all, however finely time is stepped', () => {
    const options = { sessionsPerMinute: 10, initialSessions: 3 }

    const coarse = after(600_000, options, { seed: 5 }).truth
    const fine = after(600_000, options, { seed: 5, stepMs: 100 }).truth

    expect(fine).toEqual(coarse)
    expect(after(600_000, options, { seed: 6 }).truth).not.toEqual(coarse)
  })

  test('none is planned at a rate of 0', () => {
    expect(after(hourMs, { sessionsPerMinute: 0 }).truth).toEqual([])
  })

  test('lively: whoever watches sees starts, closes and failures within 30 s', () => {
    const seeds = Array.from({ length: 200 }, (_, seed) => seed)

    const complete = seeds.filter((seed) => {
      const { truth } = after(30_000, lively.traffic, { seed, settings: lively.settings })
      const causes = count(truth, 'cause')
      return ['start', 'close', 'failed'].every((cause) => (causes[cause] ?? 0) > 0)
    })

    expect(complete.length).toBeGreaterThanOrEqual(194)
  })
})

test('in real time, people begin at once and act until they are stopped', async () => {
  let now = 0
  const simulator = createSimulator({ now: () => now })

  const stop = runTraffic(simulator, { sessionsPerMinute: 600, initialSessions: 2 })
  const atOnce = simulator.truth.length
  now = 60_000
  await expect.poll(() => simulator.truth.length, { timeout: 5000 }).toBeGreaterThan(100)
  stop()

  expect(atOnce).toBe(2)
})
