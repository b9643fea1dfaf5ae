import { readWatched } from '../../store/console/now.ts'
import { readGaps, readTicks } from '../../store/console/watching.ts'
import { unknownAccount } from '../account.ts'
import { readMetrics } from '../metrics.ts'
import { route } from '../route.ts'
import * as schemas from '../schemas.ts'
import { spanOf } from '../span.ts'

const MOST_BUCKETS = 300
const MOST_GAPS = 1_000
const BUCKETS_SECONDS = [10, 30, 60, 300, 900, 1_800, 3_600, 10_800]
const OFTEN_MS = 5_000

/** Whether anybody watches: so that nobody mistakes blindness for silence. */
export const watchingRoutes = [
  route('GET /api/watching', {
    scope: 'read',
    summary: 'Ticks and gaps in a time of 31 days at most (default: the last day)',
    query: schemas.spanQuery,
    answer: schemas.watching,
    refusals: [404],
    handle: async ({ query: { account, ...asked }, services: { db, cached, now } }) => {
      const watched = await readWatched(db, account)
      if (account !== undefined && watched.length === 0) throw unknownAccount()
      const name = `watching ${account ?? '*'} ${asked.from?.getTime() ?? ''} ${asked.to?.getTime() ?? ''}`
      const seen = await cached(name, { forMs: OFTEN_MS }, async () => {
        const span = { ...spanOf(asked, now()), ...(account !== undefined && { account }) }
        const bucketSeconds = bucketOf((span.to.getTime() - span.from.getTime()) / 1_000)
        const [buckets, gaps] = await Promise.all([readTicks(db, span, bucketSeconds), readGaps(db, span, MOST_GAPS)])
        return { span, bucketSeconds, buckets, gaps }
      })
      return {
        from: seen.span.from,
        to: seen.span.to,
        accounts: watched.map(({ tick }) => tick),
        bucketSeconds: seen.bucketSeconds,
        ticks: seen.buckets.map(({ at, outcome, count, error, apiCode }) => ({ at, outcome, count, error, apiCode })),
        gaps: seen.gaps,
        incomplete: seen.buckets.reduce((sum, { incomplete }) => sum + incomplete, 0),
        failed: seen.buckets.reduce((sum, { failed }) => sum + failed, 0),
      }
    },
  }),

  route('GET /metrics', {
    scope: 'read',
    summary: 'How it goes, as Prometheus reads it',
    answer: schemas.plain,
    type: 'text/plain',
    handle: async ({ services: { db, cached, channels }, c }) => {
      const text = await cached('metrics', { forMs: OFTEN_MS }, () => readMetrics(db, channels))
      return c.body(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    },
  }),
]

const bucketOf = (seconds: number) =>
  BUCKETS_SECONDS.find((one) => seconds / one <= MOST_BUCKETS) ?? Math.ceil(seconds / MOST_BUCKETS)
