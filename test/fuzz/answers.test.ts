// Whatever the API answers, through the real client and a whole tick into a real Postgres. The one double is the API
// (answer-server.ts). What may end a session is read from the answers again (causes.ts).
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError, describe as describeError } from '../../lib/errors.ts'
import { tick, type TickResult } from '../../lib/reconcile.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { type Answer, type AnswerServer, openAnswerServer } from './answer-server.ts'
import { causesOf, field, isItem, itemsOf } from './causes.ts'
import { runs } from './effort.ts'
import { ADDRESS, APPKEY, GONE, IDS, item, listOf, type OddTick, oddTicks, TOKEN, whole } from './odd-answers.ts'

let database: TestDatabase
let server: AnswerServer
beforeAll(async () => {
  database = await testDatabase()
  server = await openAnswerServer()
})
afterAll(async () => {
  await server.close()
  await database.drop()
})

const KEYS = [APPKEY, TOKEN, encodeURIComponent(TOKEN)]
/** Shorter ones of the two keys are words that anybody may use. */
const SHORTEST_TOLD = 11
/** Of a key, what a message that is cut off may end with. */
const beginnings = (key: string) =>
  Array.from({ length: key.length - SHORTEST_TOLD }, (_, at) => `${key.slice(0, SHORTEST_TOLD + at)})`)
/** A key whole, or cut off at a message's end; one in which a byte was changed on its way is none. */
const isLeaked = (text: string) =>
  [...KEYS, ...KEYS.flatMap(beginnings), '://hush'].some((secret) => text.includes(secret))

const counts = { ticks: 0, committed: 0, unchanged: 0, failed: 0, ended: 0 }
let accounts = 0

async function openAccount() {
  accounts += 1
  const name = `a${accounts}`
  let now: OddTick = { list: GONE, stats: {}, deadlineMs: 0 }
  const answer = (id: string | null) => (id === null ? now.list : (now.stats[id] ?? now.stats['other'] ?? GONE))
  const baseUrl = server.serve(name, answer)
  const account = { name, api: { baseUrl, appkey: APPKEY, accessToken: TOKEN } }
  const { db } = database
  const rows = (open: boolean) =>
    db
      .selectFrom('session')
      .innerJoin('account', 'account.id', 'session.account_id')
      .select(['session.id', 'session_id', 'status', 'user_id', 'end_reason', 'play_stream_addr', 'extra'])
      .where('account.name', '=', name)
      .where('ended_at', open ? 'is' : 'is not', null)
      .orderBy('session_id')
      .execute()
  return {
    name,
    rows,
    tick: (odd: OddTick) => {
      now = odd
      const { deadlineMs } = odd
      return tick(db, account, { listDeadlineMs: deadlineMs, statDeadlineMs: deadlineMs })
    },
    events: () =>
      db
        .selectFrom('event')
        .innerJoin('account', 'account.id', 'event.account_id')
        .select(['event.position', 'event.type', 'event.revision', 'event.incarnation_id', 'event.body'])
        .where('account.name', '=', name)
        .$narrowType<{ revision: number; incarnation_id: number }>()
        .orderBy('event.position')
        .execute(),
    failures: () =>
      db
        .selectFrom('snapshot')
        .innerJoin('account', 'account.id', 'snapshot.account_id')
        .select('error')
        .where('account.name', '=', name)
        .where('error', 'is not', null)
        .execute(),
  }
}

/** A tick that either gives its result or the AppError it failed with. */
async function attempt(run: Promise<TickResult>): Promise<TickResult | AppError> {
  try {
    return await run
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

const healthy: OddTick = {
  list: whole(listOf(item('m3', 1), item('m1', 1), item('m7', 3))),
  stats: { other: GONE },
  deadlineMs: 20_000,
}
const FIRST: OddTick = { ...healthy, list: whole(listOf(...IDS.map((id) => item(id, 1)))) }

test('a tick commits or fails in clear words, ends nothing without cause, tells no secret, and the next one mends all', async () => {
  const prototype = Object.getOwnPropertyNames(Object.prototype).join()

  await fc.assert(
    fc.asyncProperty(oddTicks, async (history) => {
      const account = await openAccount()
      await account.tick(FIRST)
      const completeWithout = new Map<string, number>()
      const ended = new Set<number>()

      for (const odd of history) {
        const open = (await account.rows(true)).map((row) => row.session_id)
        const result = await attempt(account.tick(odd))
        counts.ticks += 1

        if (result instanceof AppError) {
          counts.failed += 1
        } else counts[result.outcome === 'unchanged' ? 'unchanged' : 'committed'] += 1
        const said = result instanceof AppError ? describeError(result) : 'api_refused: not at all'
        expect(said).toMatch(/^api_(unreachable|refused|answer_invalid): [^\r\n]{10,500}$/)
        const items = itemsOf(odd.list)
        const told = inspect(result, { depth: 10 }) + JSON.stringify([result, await account.failures()])
        expect(told).not.toSatisfy(isLeaked)
        const isComplete = !(result instanceof AppError) && items?.every(isItem)
        for (const id of open) {
          const isThere = items?.some((one) => field(one, 'SessionId') === id)
          completeWithout.set(id, isThere ? 0 : (completeWithout.get(id) ?? 0) + (isComplete ? 1 : 0))
        }
        for (const row of await account.rows(false)) {
          if (ended.has(row.id)) continue
          ended.add(row.id)
          counts.ended += 1
          expect(result).not.toBeInstanceOf(AppError)
          expect(causesOf(row.session_id, odd, completeWithout.get(row.session_id) ?? 0)).toContain(row.end_reason)
          completeWithout.delete(row.session_id)
        }
      }
      await account.tick(healthy)
      const again = await account.tick(healthy)

      expect(again).toMatchObject({ outcome: 'unchanged', listed: 3, complete: true })
      const open = await account.rows(true)
      const look = { user_id: 'abc', play_stream_addr: ADDRESS, extra: null }
      expect(open).toMatchObject([
        { session_id: 'm1', status: 1, ...look },
        { session_id: 'm3', status: 1, ...look },
        { session_id: 'm7', status: 3, ...look },
      ])
      expectLawfulEvents(
        await account.events(),
        open.map((row) => row.id),
      )
      expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(prototype)
    }),
    runs(60),
  )

  expect(counts).toSatisfy(({ committed, failed, ended }) => committed > 0 && failed > 0 && ended > 0)
  console.log(JSON.stringify(counts))
})

/** Positions and revisions without a gap, each life in order, and those that the events leave live are those that are open. */
function expectLawfulEvents(
  events: { position: number; type: string; revision: number; incarnation_id: number; body: string }[],
  open: number[],
): void {
  const lives = new Map<number, string[]>()
  for (const [at, event] of events.entries()) {
    const life = lives.get(event.incarnation_id) ?? []
    lives.set(event.incarnation_id, [...life, event.type.replace('session.', '')])
    expect(event.position).toBe(at + 1)
    expect(event.revision).toBe(life.length + 1)
    const { type, data } = JSON.parse(event.body) as { type: string; data: { revision: number } }
    expect({ type, revision: data.revision }).toEqual({ type: event.type, revision: event.revision })
  }
  for (const life of lives.values()) {
    expect(life.join(' ')).toMatch(/^created( ready( started)?)?( closed| failed)?$/)
  }
  const live = [...lives].filter(([, life]) => !/closed|failed/.test(life.join())).map(([id]) => id)
  expect(new Set(live)).toEqual(new Set(open))
}

test('a right answer that is cut anywhere, with no length to show it, is refused and ends nothing', async () => {
  const account = await openAccount()
  await account.tick(FIRST)
  const body = Buffer.from(JSON.stringify(listOf(item('m1', 1))))

  const taken = []
  for (let length = 0; length < body.length; length += 1) {
    const list: Answer = { status: 200, body: body.subarray(0, length), sending: 'until end' }
    const result = await attempt(account.tick({ list, stats: { other: GONE }, deadlineMs: 95 }))
    if (!(result instanceof AppError)) taken.push(length)
  }

  expect(taken).toEqual([])
  expect(await account.rows(false)).toEqual([])
})
