import { expect, test } from 'vitest'
import { signature, signedQuery } from '../../lib/ivh/sign.ts'
import { isSigned } from '../../lib/local/simulator/signature.ts'

// No doubles: both vectors are Tencent's own, from its pages on how to sign; the simulator checks as the gateway does.
const mainland = { appkey: 'e38267c0e86411ebb02aed82acb0ed99', accessToken: 'f68f2d10ae9e4604b76fb05cf46bccec' }
const international = { appkey: 'example_appkey', accessToken: 'example_accesstoken' }

test.each([
  [mainland, '1646636485', 'BfWuaC9kmaicCggXc693uK+sZQ8qe88O4HVQNTdwZuo='],
  [international, '1717639699', 'aCNWYzZdplxWVo+JsqzZc9+J9XrwWWITfX3eQpsLVno='],
])(
  'the published vector of %o verifies, the parameters in any order',
  ({ appkey, accessToken }, timestamp, expected) => {
    expect(signature({ appkey, timestamp }, accessToken)).toBe(expected)
    expect(signature({ timestamp, appkey }, accessToken)).toBe(expected)
  },
)

test('further parameters are signed too, sorted by name', () => {
  // printf 'appkey=k&requestid=r&timestamp=1' | openssl dgst -sha256 -hmac t -binary | base64
  expect(signature({ timestamp: '1', requestid: 'r', appkey: 'k' }, 't')).toBe(
    'xDYAAqmVxkPB9EVRVmIJkLUjImsa2fQxIgEjbhWs/CA=',
  )
})

test.each([
  [
    mainland,
    1646636485_000,
    'appkey=e38267c0e86411ebb02aed82acb0ed99&timestamp=1646636485&signature=BfWuaC9kmaicCggXc693uK%2BsZQ8qe88O4HVQNTdwZuo%3D',
  ],
  [
    international,
    1717639699_999,
    'appkey=example_appkey&timestamp=1717639699&signature=aCNWYzZdplxWVo%2BJsqzZc9%2BJ9XrwWWITfX3eQpsLVno%3D',
  ],
])('the query of %o is percent-encoded, or its + would arrive as a space', ({ appkey, accessToken }, time, query) => {
  expect(signedQuery(appkey, accessToken, new Date(time))).toBe(query)
})

test('every query verifies at the other side, whichever characters its signature has', () => {
  const seconds = Array.from({ length: 500 }, (_, index) => 1_800_000_000 + index)

  const queries = seconds.map((second) => signedQuery(mainland.appkey, mainland.accessToken, new Date(second * 1000)))

  expect(queries.filter((query) => query.includes('%2B')).length).toBeGreaterThan(150)
  expect(queries.filter((query) => query.includes('%2F')).length).toBeGreaterThan(150)
  expect(queries.filter((query, index) => !isSigned(query, mainland, (seconds[index] ?? 0) * 1000))).toEqual([])
})
