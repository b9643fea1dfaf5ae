import fc from 'fast-check'
import { expect, test } from 'vitest'
import { postsOf } from '../../lib/core/batch.ts'

// No doubles: a pure function.
const claim = (endpointId: string, position: number, batchSize: number, attempt = 1) => {
  return { endpointId, position, batchSize, attempt }
}
const shape = (posts: { endpointId: string; position: number }[][]) =>
  posts.map((post) => post.map(({ endpointId, position }) => `${endpointId}${position}`).join(' ')).sort()

test('events of one endpoint share POSTs as far as it takes them, in order of position, however they were claimed', () => {
  const claims = [5, 2, 4, 1, 3].map((position) => claim('a', position, 2))

  expect(postsOf(claims).map((post) => post.map(({ position }) => position))).toEqual([[1, 2], [3, 4], [5]])
})

test('an endpoint that takes one event at a time gets one in each', () => {
  expect(shape(postsOf([claim('a', 1, 1), claim('a', 2, 1)]))).toEqual(['a1', 'a2'])
})

test('events of several endpoints never meet in one POST', () => {
  const claims = [claim('a', 1, 10), claim('b', 1, 10), claim('a', 2, 10), claim('b', 2, 10)]

  expect(shape(postsOf(claims))).toEqual(['a1 a2', 'b1 b2'])
})

test('what was tried before goes alone, and the others close up around it', () => {
  const claims = [claim('a', 1, 3), claim('a', 2, 3, 2), claim('a', 3, 3), claim('a', 4, 3, 7), claim('a', 5, 3)]

  expect(shape(postsOf(claims))).toEqual(['a1 a3 a5', 'a2', 'a4'])
})

test('a batch that is full of fresh events is never joined by a tried one, nor begun by it', () => {
  expect(shape(postsOf([claim('a', 1, 3, 2), claim('a', 2, 3), claim('a', 3, 3)]))).toEqual(['a1', 'a2 a3'])
})

test('nothing claimed is nothing sent', () => {
  expect(postsOf([])).toEqual([])
})

test('any claims are each in exactly one POST, in as few as can be, and the claims themselves are left as they were', () => {
  const sizes: Record<string, number> = { a: 1, b: 3, c: 500 }
  const claims = fc
    .array(
      fc.record({
        endpointId: fc.constantFrom('a', 'b', 'c'),
        position: fc.nat(50),
        attempt: fc.integer({ min: 1, max: 3 }),
      }),
    )
    .map((list) => list.map((one, id) => ({ ...one, id, batchSize: sizes[one.endpointId] ?? 1 })))

  fc.assert(
    fc.property(claims, (list) => {
      const before = structuredClone(list)

      const posts = postsOf(list)

      expect(list).toEqual(before)
      expect(posts.flat()).toHaveLength(list.length)
      expect(new Set(posts.flat().map(({ id }) => id)).size).toBe(list.length)
      for (const post of posts) {
        const [{ endpointId, batchSize }] = post
        expect(new Set(post.map((one) => one.endpointId))).toEqual(new Set([endpointId]))
        expect(post.length).toBeLessThanOrEqual(batchSize)
        expect(post.length === 1 || post.every(({ attempt }) => attempt === 1)).toBe(true)
        const positions = post.map(({ position }) => position)
        expect(positions).toEqual([...positions].sort((one, other) => one - other))
      }
      for (const [endpoint, size] of Object.entries(sizes)) {
        const own = list.filter(({ endpointId }) => endpointId === endpoint)
        const tried = own.filter(({ attempt }) => attempt > 1).length
        const fewest = tried + Math.ceil((own.length - tried) / size)
        expect(posts.filter(([first]) => first.endpointId === endpoint)).toHaveLength(fewest)
      }
    }),
  )
})
