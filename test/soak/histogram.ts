/** Counts of durations in classes that are 10 % wide: percentiles of any number of them in a few hundred bytes. */
export type Histogram = number[]

const WIDTH = Math.log(1.1)

/** Adds a duration in milliseconds. */
export function addTo(histogram: Histogram, ms: number): void {
  const at = Math.round(Math.log(Math.max(ms, 1)) / WIDTH)
  while (histogram.length <= at) histogram.push(0)
  histogram[at]! += 1
}

/** The duration that this share (0 to 1) of them did not exceed, to about 5 %; 0 when there are none. */
export function percentile(histogram: Histogram, share: number): number {
  let left = histogram.reduce((sum, n) => sum + n, 0) * share
  const at = histogram.findIndex((n) => (left -= n) <= 0)
  return histogram.length === 0 ? 0 : Math.round(Math.exp(at * WIDTH))
}
