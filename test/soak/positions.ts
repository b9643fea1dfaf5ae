// What is kept of every event for as long as the soak runs: 16 bytes, and a byte for each subscriber. A body is kept as a
// 48-bit digest, so that a million deliveries cost some megabytes.
import { createHash } from 'node:crypto'

export interface Positions {
  /** By position: the first id seen there, and the digest of the first body; 0 for none. */
  ids: Float64Array
  bodies: Float64Array
  /** By subscriber, by position: 1 once it was received. */
  received: Uint8Array[]
  /** By subscriber: how many that are. */
  counts: number[]
  /** The highest position seen. */
  last: number
}

export function createPositions(subscribers: number): Positions {
  const received = Array.from({ length: subscribers }, () => new Uint8Array(1024))
  const counts = received.map(() => 0)
  return { ids: new Float64Array(1024), bodies: new Float64Array(1024), received, counts, last: 0 }
}

/** How a body and its id fit what was seen at that position before. */
export type Fit = 'first' | 'same' | 'other id' | 'other bytes'

export function fit(positions: Positions, position: number, id: string, body: string): Fit {
  while (position >= positions.ids.length) grow(positions)
  const { ids, bodies } = positions
  const digest = { id: numberOf(id), body: numberOf(body) }
  if (ids[position] === 0) {
    ids[position] = digest.id
    bodies[position] = digest.body
    positions.last = Math.max(positions.last, position)
    return 'first'
  }
  if (ids[position] !== digest.id) return 'other id'
  return bodies[position] === digest.body ? 'same' : 'other bytes'
}

/** Marks a position as received; false when it was before. */
export function mark({ received, counts }: Positions, subscriber: number, position: number): boolean {
  const marks = received[subscriber]!
  if (marks[position] === 1) return false
  counts[subscriber]! += 1
  marks[position] = 1
  return true
}

/** The positions up to `last` that a subscriber never received. */
export function missing({ received }: Positions, subscriber: number, last: number): number[] {
  const marks = received[subscriber]!
  return Array.from({ length: last }, (_, index) => index + 1).filter((position) => marks[position] !== 1)
}

/** 48 bits of the text's digest, never 0. */
function numberOf(text: string): number {
  return createHash('sha1').update(text).digest().readUIntBE(0, 6) || 1
}

function grow(positions: Positions): void {
  const length = positions.ids.length * 2
  const grown = <Marks extends Float64Array | Uint8Array>(marks: Marks, into: Marks): Marks => {
    into.set(marks)
    return into
  }
  positions.ids = grown(positions.ids, new Float64Array(length))
  positions.bodies = grown(positions.bodies, new Float64Array(length))
  positions.received = positions.received.map((marks) => grown(marks, new Uint8Array(length)))
}
