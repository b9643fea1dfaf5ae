import { AppError } from '../../errors.ts'
import { listAccounts } from '../../store/console/accounts.ts'
import { readLife } from '../../store/console/life.ts'
import { type Place, searchSessions } from '../../store/console/search.ts'
import { readTimeline } from '../../store/console/timeline.ts'
import { listEvents } from '../../store/history.ts'
import type { Caller } from '../access.ts'
import { assertAccount, unknownAccount } from '../account.ts'
import { Refusal } from '../refusal.ts'
import { route } from '../route.ts'
import * as schemas from '../schemas.ts'
import { spanOf } from '../span.ts'

const MOST_BARS = 5_000

/** Sessions, live and past, and their events. */
export const sessionRoutes = [
  route('GET /api/timeline', {
    scope: 'read',
    summary: 'Sessions that lived in a time of 31 days at most (default: the last day), as bars',
    query: schemas.spanQuery,
    answer: schemas.timeline,
    refusals: [404],
    handle: async ({ query: { account, ...asked }, services: { db, now } }) => {
      await assertAccount(db, account)
      const span = spanOf(asked, now())
      const bars = await readTimeline(db, { ...span, ...(account !== undefined && { account }), limit: MOST_BARS + 1 })
      return { ...span, bars: bars.slice(0, MOST_BARS), truncated: bars.length > MOST_BARS }
    },
  }),

  route('GET /api/sessions', {
    scope: 'read',
    summary: 'A search, the newest first; a page may have fewer than its limit and yet a next one',
    query: schemas.sessionsQuery,
    answer: schemas.sessions,
    refusals: [404],
    handle: async ({ query: { cursor, limit, ...search }, services: { db } }) => {
      await assertAccount(db, search.account)
      const below = cursor === undefined ? {} : { below: placeOf(cursor) }
      const { sessions, next } = await searchSessions(db, search, { ...below, limit })
      return {
        sessions: sessions.map((one) => ({ ...one, error: maskedError(one.error) })),
        next: next && `${next.firstSeenAt.getTime()}.${next.row}`,
      }
    },
  }),

  route('GET /api/sessions/:account/:id/:incarnation', {
    scope: 'read',
    summary:
      'One session with its events and what became of each; its stream address only with unmasked, for who may write',
    path: schemas.sessionPath,
    query: schemas.unmaskedQuery,
    answer: schemas.sessionLife,
    refusals: [403, 404],
    handle: async ({ path, query: { unmasked }, caller, services: { db } }) => {
      if (unmasked) assertMayUnmask(caller)
      const life = await readLife(db, path)
      if (!life) throw new AppError('not_found', 'there is no such session')
      const { session } = life
      const shown = unmasked ? session : { ...session, playStreamAddr: null, error: maskedError(session.error) }
      return { ...life, session: { ...shown, masked: !unmasked } }
    },
  }),

  route('GET /api/events', {
    scope: 'read',
    summary:
      'Events of an account by cursor, as they were sent, but for stream addresses; with unmasked, as they were sent',
    query: schemas.eventsQuery,
    answer: schemas.events,
    refusals: [403, 404],
    handle: async ({ query: { unmasked, after, limit, ...asked }, caller, services: { db } }) => {
      if (unmasked) assertMayUnmask(caller)
      const names = await listAccounts(db)
      if (asked.account === undefined && names.length > 1) {
        throw new AppError('input_invalid', 'there are several accounts: say which by account')
      }
      if (asked.account !== undefined && !names.includes(asked.account)) throw unknownAccount()
      // Before the first tick there is none, and it has no events.
      const account = asked.account ?? names[0] ?? ''
      const { events, ...page } = await listEvents(db, { account, after, limit })
      const bodies = events.map(({ body }) => JSON.parse(body) as Body)
      return { ...page, events: unmasked ? bodies : bodies.map(masked), masked: !unmasked }
    },
  }),
]

type ApiError = { code: number; message: string | null } | null
type Body = Record<string, unknown> & { data?: { session?: { playStreamAddr?: unknown }; error?: ApiError } }

function masked(body: Body): Record<string, unknown> {
  const { session, error = null } = body.data ?? {}
  if (!session) return body
  const shown = { session: { ...session, playStreamAddr: null }, error: maskedError(error) }
  return { ...body, data: { ...body.data, ...shown } }
}

/** What the API says of a failure may repeat a stream address. */
const maskedError = (error: ApiError) =>
  error && { ...error, message: error.message?.replaceAll(/[a-z][a-z\d+.-]*:\/\/\S*/gi, '…') ?? null }

function assertMayUnmask(caller: Caller | null): void {
  if (caller?.scope !== 'write') {
    throw new Refusal(403, 'forbidden', 'stream addresses are shown to tokens of CONSOLE_WRITE_TOKENS only')
  }
}

function placeOf(cursor: string): Place {
  const [, at, row] = /^(\d{1,15})\.(\d{1,15})$/.exec(cursor) ?? []
  if (at === undefined || row === undefined) throw new AppError('input_invalid', 'cursor is none of an answer')
  return { firstSeenAt: new Date(Number(at)), row: Number(row) }
}
