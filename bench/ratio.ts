// What a benchmark is to show: how many times as much one thing takes as another, measured in turns in the same run, and its
// target.
import { median, rounded } from './statistics.ts'

/** A figure with its target. It is the quotient of two things measured in turns, or something counted. */
export interface Ratio {
  name: string
  /** Of each round. */
  values: number[]
  /** What the median of the rounds is to be at most, or at least. */
  target: { atMost: number } | { atLeast: number }
}

/** Round by round, so that whatever else the machine does falls on both. */
export function ratioOf(
  name: string,
  above: readonly number[],
  below: readonly number[],
  target: Ratio['target'],
): Ratio {
  return { name, values: above.map((value, round) => value / (below[round] ?? NaN)), target }
}

/** Whether the median meets the target. */
export function holds({ values, target }: Ratio): boolean {
  return 'atMost' in target ? median(values) <= target.atMost : median(values) >= target.atLeast
}

/** A row for the table. */
export function showRatio(ratio: Ratio): Record<string, string | number> {
  const { values, target } = ratio
  return {
    median: rounded(median(values)),
    lowest: rounded(Math.min(...values)),
    highest: rounded(Math.max(...values)),
    target: 'atMost' in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`,
    holds: holds(ratio) ? 'yes' : 'NO',
  }
}
