import { createHash } from 'node:crypto'
import { readConcurrency, readLeaks, readLive, readWatched } from '../../store/console/now.ts'
import { readBacklog } from '../../store/status.ts'
import { unknownAccount } from '../account.ts'
import { route } from '../route.ts'
import * as schemas from '../schemas.ts'

const MOST_LIVE = 5_000
const MOST_LEAKS = 500
/** What no tick tells of is read so often, for all pages that are open together. */
const OFTEN_MS = 4_000
const SELDOM_MS = 15_000
const LIVE_MS = 600_000

/** What the page asks for every two seconds. */
export const nowRoutes = [
  route('GET /api/now', {
    scope: 'read',
    summary: 'Who holds a channel now, and whether anybody watches; with an ETag that changes with anything but `at`',
    query: schemas.accountQuery,
    answer: schemas.now,
    others: { 304: 'Nothing changed since the ETag of `if-none-match`' },
    refusals: [404],
    handle: async ({ query: { account }, services: { db, cached, channels, now }, c }) => {
      const watched = await readWatched(db, account)
      if (account !== undefined && watched.length === 0) throw unknownAccount()
      const ids = watched.map(({ id }) => id)
      const version = watched.map((one) => one.version).join()
      const ofAccount = account ?? '*'
      const [live, backlog, concurrency, leaks] = await Promise.all([
        cached(`live ${ofAccount}`, { forMs: LIVE_MS, version }, async () => {
          const { count, sessions } = await readLive(db, ids, MOST_LIVE)
          return { count, json: JSON.stringify(sessions) }
        }),
        cached('backlog', { forMs: OFTEN_MS }, () => readBacklog(db).then(withoutAge)),
        cached(`concurrency ${ofAccount}`, { forMs: SELDOM_MS }, () => readConcurrency(db, ids)),
        cached(`leaks ${ofAccount}`, { forMs: SELDOM_MS }, () => readLeaks(db, MOST_LEAKS, account)),
      ])
      const ticks = watched.map(({ tick }) => tick)
      const rest = JSON.stringify({ channels, liveCount: live.count, concurrency, leaks, ticks, backlog })
      const tag = `W/"${createHash('sha256').update(version).update(rest).digest('base64url').slice(0, 22)}"`
      c.header('etag', tag)
      // Kept by the page alone, which must ask each time.
      c.header('cache-control', 'private, no-cache')
      if (c.req.header('if-none-match') === tag) return c.body(null, 304)
      // The list, which may be long, is written once for all who ask.
      const at = JSON.stringify(new Date(now()))
      return c.body(`{"at":${at},"live":${live.json},${rest.slice(1)}`, 200, { 'content-type': 'application/json' })
    },
  }),
]

/** What grows by itself would be news at each question. */
function withoutAge({ oldestDue: due, ...backlog }: Awaited<ReturnType<typeof readBacklog>>) {
  if (due === null) return { ...backlog, oldestDue: null }
  const { endpoint, dueAt, failingSince, holdUntil } = due
  return { ...backlog, oldestDue: { endpoint, dueAt, failingSince, holdUntil } }
}
