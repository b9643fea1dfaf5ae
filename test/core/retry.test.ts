import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  LEASE_MS,
  POST_DEADLINE_MS,
  LONGEST_HOLD_MS,
  longestDelayMs,
  type Outcome,
  longestPauseMs,
  RETRY_FOR_MS,
  retryAfterMs,
  type Standing,
  type Verdict,
  verdict,
} from '../../lib/core/retry.ts'

// No doubles: time and chance are arguments.
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const answered = (status: number, retryAfterMs: number | null = null): Outcome => ({
  kind: 'answered',
  status,
  retryAfterMs,
})
const delivered: Verdict = { kind: 'delivered' }
const dead: Verdict = { kind: 'dead' }
const disable: Verdict = { kind: 'disable', reason: 'gone' }
// Half of the 5 s that may pass after the first attempt.
const retry = (delayMs = 2_500, holdMs = 0): Verdict => ({ kind: 'retry', delayMs, holdMs, pauseMs: 0, theirs: true })
/** Of an endpoint that did well so far. */
const standing = (attempt: number, expired = false): Standing => {
  return { attempt, expired, failures: 0, failingForMs: 0, hopeless: false, batched: 1 }
}

test.each<[name: string, outcome: Outcome, fresh: Verdict, expired: Verdict]>([
  ['200', answered(200), delivered, delivered],
  ['204', answered(204), delivered, delivered],
  ['299', answered(299), delivered, delivered],
  ['300', answered(300), retry(), dead],
  ['301', answered(301), retry(), dead],
  ['302', answered(302), retry(), dead],
  ['307', answered(307), retry(), dead],
  ['308', answered(308), retry(), dead],
  ['400', answered(400), dead, dead],
  ['401', answered(401), retry(), dead],
  ['403', answered(403), retry(), dead],
  ['404', answered(404), retry(), dead],
  ['408', answered(408), retry(), dead],
  ['409', answered(409), retry(), dead],
  ['410', answered(410), disable, disable],
  ['413', answered(413), dead, dead],
  ['415', answered(415), dead, dead],
  ['422', answered(422), retry(), dead],
  ['429', answered(429), retry(), dead],
  ['429 that asks for a minute', answered(429, MINUTE), retry(MINUTE, MINUTE), dead],
  ['429 that asks for less than our own wait', answered(429, 1_000), retry(2_500, 1_000), dead],
  ['429 that asks for no wait', answered(429, 0), retry(2_500, 0), dead],
  ['500', answered(500), retry(), dead],
  ['502', answered(502), retry(), dead],
  ['500 that asks for a minute, which only 429 and 503 may', answered(500, MINUTE), retry(), dead],
  ['503', answered(503), retry(), dead],
  ['503 that asks for a minute', answered(503, MINUTE), retry(MINUTE, MINUTE), dead],
  ['504', answered(504), retry(), dead],
  ['100', answered(100), retry(), dead],
  ['0', answered(0), retry(), dead],
  ['a forbidden address', { kind: 'forbidden_address' }, retry(), dead],
  ['no DNS answer', { kind: 'dns_failed' }, retry(), dead],
  ['no connection', { kind: 'connect_failed' }, retry(), dead],
  ['bad TLS', { kind: 'tls_failed' }, retry(), dead],
  ['a timeout', { kind: 'timeout' }, retry(), dead],
  ['a broken answer', { kind: 'broken_answer' }, retry(), dead],
])('%s has its verdict, before and after the time for retries', (_, outcome, fresh, expired) => {
  expect(verdict(outcome, standing(1), 0.5)).toEqual(fresh)
  expect(verdict(outcome, standing(1, true), 0.5)).toEqual(expired)
})

describe('the wait between attempts', () => {
  // In seconds, written out: 5 s doubled each time, until 6 h.
  const longest = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 21600, 21600]

  test.each(longest.map((seconds, index) => [index + 1, seconds]))(
    'after attempt %i is at most %i s',
    (attempt, seconds) => {
      expect(longestDelayMs(attempt)).toBe(seconds * 1000)
    },
  )

  test('is anything from nothing to the longest, and never more, however late the attempt', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), chance, (attempt, random) => {
        const decided = verdict({ kind: 'timeout' }, standing(attempt), random)

        const delayMs = decided.kind === 'retry' ? decided.delayMs : NaN
        expect(delayMs).toBeGreaterThanOrEqual(0)
        expect(delayMs).toBeLessThan((longest[attempt - 1] ?? 21600) * 1000)
        expect(Number.isInteger(delayMs)).toBe(true)
      }),
    )
  })

  test('spreads over the whole of its range, so that retries of many events do not meet', () => {
    const waits = [0, 0.25, 0.5, 0.75, 0.999].map((random) => verdict({ kind: 'timeout' }, standing(14), random))

    expect(waits.map((wait) => wait.kind === 'retry' && wait.delayMs / HOUR)).toEqual([0, 1.5, 3, 4.5, 5.994])
  })

  test('fits at least 72 h of tries, with the last one not before that', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0.05, max: 0.999, noNaN: true })), (chances) => {
        let [now, attempt] = [0, 1]
        for (const random of chances) {
          const decided = verdict(answered(500), standing(attempt, now >= RETRY_FOR_MS), random)
          if (decided.kind !== 'retry' || now > 100 * HOUR) break
          now += decided.delayMs
          attempt += 1
        }

        expect(now).toBeGreaterThanOrEqual(72 * HOUR)
        // The last wait is cut off by nothing: at most 6 h more.
        expect(now).toBeLessThan(78 * HOUR)
        expect(attempt).toBeGreaterThan(20)
      }),
    )
  })
})

describe('an endpoint that fails', () => {
  const pauseOf = (failures: number, failingForMs: number, random: number) => {
    const decided = verdict(answered(500), { ...standing(1), failures, failingForMs }, random)
    return decided.kind === 'retry' ? decided.pauseMs : NaN
  }

  test.each([
    [1_000, 500],
    [10_000, 5_000],
    [60_000, 30_000],
    [119_000, 59_500],
    [120_000, 60_000],
    [86_400_000, 60_000],
  ])(
    'for %i ms is left alone for at most %i ms, and at least half of that, from the fifth failure on',
    (forMs, longest) => {
      const pauses = [0, 0.5, 1].map((random) => pauseOf(4, forMs, random))

      expect(longestPauseMs(5, forMs)).toBe(longest)
      expect(pauses).toEqual([longest / 2, longest * 0.75, longest])
      expect(pauseOf(3, forMs, 0.5)).toBe(0)
    },
  )

  test('is left alone after its last try of an event, too, and a final one without a cause for it has no pause', () => {
    const last = { ...standing(30, true), failures: 4, failingForMs: 10_000 }

    expect(verdict(answered(500), last, 0)).toStrictEqual({ kind: 'dead', pauseMs: 2_500 })
    expect(verdict(answered(500), { ...last, failures: 3 }, 0)).toStrictEqual({ kind: 'dead' })
  })

  test('for days at several events is disabled, and keeps what is due', () => {
    const hopeless = { ...standing(30, true), failures: 500, hopeless: true }

    expect(verdict(answered(500), hopeless, 0.5)).toEqual({ kind: 'disable', reason: 'failing' })
    expect(verdict({ kind: 'timeout' }, hopeless, 0.5)).toEqual({ kind: 'disable', reason: 'failing' })
    expect(verdict(answered(204), hopeless, 0.5)).toEqual(delivered)
    expect(verdict(answered(400), hopeless, 0.5)).toEqual(dead)
    expect(verdict(answered(410), hopeless, 0.5)).toEqual(disable)
  })
})

test("a fault of our own side is never the endpoint's: it ends nothing and pauses nothing", () => {
  const worst = { ...standing(30, true), failures: 500, hopeless: true }

  const decided = verdict({ kind: 'local_fault' }, worst, 0.5)

  expect(decided).toEqual({ kind: 'retry', delayMs: 10_800_000, holdMs: 0, pauseMs: 0, theirs: false })
})

test.each([400, 413, 415])('%i for a batch blames none of its events: each is sent alone, at once', (status) => {
  const decided = verdict(answered(status), { ...standing(1), batched: 2 }, 0.5)

  expect(decided).toEqual({ kind: 'retry', delayMs: 0, holdMs: 0, pauseMs: 0, theirs: false })
})

test('a lease is 30 s: longer than the 15 s of a POST, and soon over after a crash', () => {
  expect([LEASE_MS, POST_DEADLINE_MS]).toEqual([30_000, 15_000])
})

describe('retry-after', () => {
  const now = new Date('2026-11-22T10:00:00.000Z')

  test.each<[header: string | undefined, ms: number | null]>([
    ['120', 120_000],
    ['0', 0],
    [' 7 ', 7_000],
    ['007', 7_000],
    ['3600', HOUR],
    ['3601', HOUR],
    ['315360000', HOUR],
    ['9'.repeat(400), HOUR],
    ['Sun, 22 Nov 2026 10:00:30 GMT', 30_000],
    ['Sun, 22 Nov 2026 10:59:59 GMT', 3_599_000],
    ['Sun, 22 Nov 2026 10:00:00 GMT', 0],
    ['Sun, 22 Nov 2026 09:59:00 GMT', 0],
    ['Sun, 22 Nov 2015 10:00:00 GMT', 0],
    ['Sun, 22 Nov 2036 10:00:00 GMT', HOUR],
    [undefined, null],
    ['', null],
    [' ', null],
    ['soon', null],
    ['-1', null],
    ['+1', null],
    ['1.5', null],
    ['1e3', null],
    ['0x10', null],
    ['120, 60', null],
    ['٣', null],
    ['2026-11-22T10:00:30Z', null],
    ['Sun, 22 Nov 2026 10:00:30 +0000', null],
    ['Sun, 22 Foo 2026 10:00:30 GMT', null],
    ['Sun, 99 Nov 2026 10:00:30 GMT', null],
    ['after Sun, 22 Nov 2026 10:00:30 GMT', null],
    ['Sun, 22 Nov 2026 10:00:30 GMT (about)', null],
    ['2', 2_000],
  ])('%j asks for %j ms', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms)
  })

  test('never asks for less than nothing or more than an hour, whatever it says', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.nat().map(String),
          fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
        ),
        (header) => {
          const ms = retryAfterMs(header, now)

          if (ms === null) return
          expect(ms).toBeGreaterThanOrEqual(0)
          expect(ms).toBeLessThanOrEqual(3_600_000)
        },
      ),
    )
    expect(LONGEST_HOLD_MS).toBe(3_600_000)
  })
})
