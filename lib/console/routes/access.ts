import { VERSION } from '../../version.ts'
import { listAccounts } from '../../store/console/accounts.ts'
import { askDatabase } from '../../store/status.ts'
import { route } from '../route.ts'
import * as schemas from '../schemas.ts'

const HEALTH_MS = 1_000
const PATIENCE_MS = 5_000

/** Whether it is well, and who is there. */
export const accessRoutes = [
  route('GET /healthz', {
    scope: 'none',
    summary: 'Whether the database answers',
    answer: schemas.health,
    others: { 503: 'It does not' },
    handle: async ({ services: { db, cached }, c }) => {
      const ok = await cached('health', { forMs: HEALTH_MS, rest: 0 }, () => inTime(askDatabase(db))).then(
        () => true,
        () => false,
      )
      return c.json({ ok }, ok ? 200 : 503)
    },
  }),

  route('POST /api/login', {
    scope: 'none',
    summary: 'A cookie for whoever has a token, for 12 hours',
    body: schemas.loginBody,
    answer: schemas.done,
    refusals: [401, 403, 429],
    handle: async ({ body, services: { guard }, c }) => {
      guard.login(c, body.token)
      return { ok: true }
    },
  }),

  route('GET /login', {
    scope: 'none',
    summary: 'A cookie for whoever has the link that `npm start` prints, once; leads to the page',
    query: schemas.onceQuery,
    answer: schemas.plain,
    status: 303,
    type: 'text/plain',
    refusals: [401],
    handle: async ({ query, services: { guard }, c }) => {
      // Who only asks for the head has not come yet.
      if (c.req.method === 'GET') guard.loginOnce(c, query.once)
      return c.redirect('/', 303)
    },
  }),

  route('POST /api/logout', {
    scope: 'read',
    summary: 'Takes the cookie back',
    answer: schemas.done,
    handle: async ({ services: { guard }, c }) => {
      guard.logout(c)
      return { ok: true }
    },
  }),

  route('GET /api/me', {
    scope: 'read',
    summary: 'What whoever asks may do, and what there is to ask about',
    answer: schemas.me,
    handle: async ({ caller, services: { db, channels, now } }) => ({
      scope: caller?.scope ?? 'read',
      csrf: caller?.csrf ?? null,
      channels,
      accounts: await listAccounts(db),
      version: VERSION,
      now: new Date(now()),
    }),
  }),
]

/** A database that hangs is not well. */
async function inTime(asked: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => (timer = setTimeout(reject, PATIENCE_MS, new Error('no answer'))))
  await Promise.race([asked, late]).finally(() => clearTimeout(timer))
}
