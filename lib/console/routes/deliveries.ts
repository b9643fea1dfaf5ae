import { AppError } from '../../errors.ts'
import { hasDelivery, readAttempts } from '../../store/console/life.ts'
import { lastDeliveryWithin, listDeliveries } from '../../store/history.ts'
import { countReplay, type ReplayPlace, replayStep } from '../../store/replay.ts'
import { route } from '../route.ts'
import * as schemas from '../schemas.ts'

/** No index knows states: a page looks through no more deliveries than these. */
const MOST_LOOKED_THROUGH = 100_000
const MOST_ATTEMPTS = 1_000

/** What was sent, what came of it, and sending it again. */
export const deliveryRoutes = [
  route('GET /api/deliveries', {
    scope: 'read',
    summary: 'Deliveries, the newest first; a page may have fewer than its limit and yet a next one',
    query: schemas.deliveriesQuery,
    answer: schemas.deliveries,
    handle: async ({ query: { cursor, limit, ...filter }, services: { db } }) => {
      const looked = { ...filter, ...(cursor !== undefined && { before: cursor }), within: MOST_LOOKED_THROUGH }
      const found = await listDeliveries(db, { ...looked, limit })
      const next = found.length === limit ? (found.at(-1)?.id ?? null) : await lastDeliveryWithin(db, looked)
      return {
        deliveries: found.map((one) => ({ ...one, id: String(one.id) })),
        next: next === null ? null : String(next),
      }
    },
  }),

  route('GET /api/deliveries/:id/attempts', {
    scope: 'read',
    summary: 'The attempts of a delivery in their order, the newest 1,000',
    path: schemas.deliveryPath,
    answer: schemas.attempts,
    refusals: [404],
    handle: async ({ path: { id }, services: { db } }) => {
      if (!(await hasDelivery(db, id))) throw new AppError('not_found', 'there is no such delivery')
      return { attempts: (await readAttempts(db, [id], MOST_ATTEMPTS)).get(id) ?? [] }
    },
  }),

  route('POST /api/replay', {
    scope: 'write',
    summary:
      'Sends events again, in bounded steps: ask again with `next` as `cursor` until it is null; a dry run counts all',
    body: schemas.replayBody,
    answer: schemas.replayed,
    refusals: [404],
    handle: async ({ body: { dryRun, cursor, ...filter }, services: { db } }) => {
      if (dryRun) return { matched: await countReplay(db, filter), queued: 0, next: null }
      const step = await replayStep(db, filter, cursor === undefined ? null : placeOf(cursor))
      return { ...step, next: step.next && cursorOf(step.next) }
    },
  }),
]

const cursorOf = ({ account, position, until }: ReplayPlace) => `${account ?? '-'}.${position}.${until.getTime()}`

function placeOf(cursor: string): ReplayPlace {
  const [, account, position, until] = /^(-|\d{1,9})\.(\d{1,15})\.(\d{1,15})$/.exec(cursor) ?? []
  if (until === undefined) throw new AppError('input_invalid', 'cursor is none of an answer')
  return {
    account: account === '-' ? null : Number(account),
    position: Number(position),
    until: new Date(Number(until)),
  }
}
