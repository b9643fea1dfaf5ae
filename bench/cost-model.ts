// What a month on SCF comes to, from what was measured of single invocations and rows. Pure.

/** What single things take, measured; the way there and back to the API and to receivers apart. */
export interface Measured {
  /** Durations in ms, warm. */
  unchangedTickMs: number
  /** A tick with changes takes so much longer, for each session that changed. */
  changeMs: number
  idleSweepMs: number
  deliveryMs: number
  /** Bytes in the database, indexes included. */
  tickBytes: number
  /** Of a session's whole life: its row, versions, and sums. */
  sessionBytes: number
  /** Of its events. */
  eventBytes: number
  /** Of its deliveries and attempts at one endpoint. */
  deliveryBytes: number
  /** Of its life. */
  eventsPerSession: number
  /** Of its life, at one endpoint. */
  deliveriesPerSession: number
  /** Changes of its life that a tick sees. */
  changesPerSession: number
}

/** A deployment. */
export interface Load {
  tickSeconds: number
  sweepSeconds: number
  sessionsPerDay: number
  endpoints: number
  memoryMb: number
  /** There and back. */
  apiLatencyMs: number
  receiverLatencyMs: number
  /** POSTs at once to an endpoint. */
  postsAtOnce: number
  /** How many times as long as here everything takes there. */
  slowness: number
  retention: { deliveriesDays: number; eventsDays: number; ticksDays: number }
}

export interface Month {
  invocations: number
  gbSeconds: number
  rowsWritten: number
  /** Once as much is removed as is written; sessions stay, and are those of a year. */
  gbKept: number
}

const SECONDS = 30 * 86_400
const DAYS = 30
const YEAR_DAYS = 365

/** The month of a deployment. */
export function monthOf(measured: Measured, load: Load): Month {
  const ticks = SECONDS / load.tickSeconds
  const sweeps = SECONDS / load.sweepSeconds
  const sessions = load.sessionsPerDay * DAYS
  const deliveries = sessions * measured.deliveriesPerSession * load.endpoints
  const changes = sessions * measured.changesPerSession
  // Changes of one tick are delivered by one invocation.
  const drains = Math.min(ticks, changes)
  const ownMs =
    ticks * measured.unchangedTickMs +
    changes * measured.changeMs +
    (sweeps + drains) * measured.idleSweepMs +
    deliveries * measured.deliveryMs
  const waitedMs = ticks * load.apiLatencyMs + (deliveries / load.postsAtOnce) * load.receiverLatencyMs
  const gb = load.memoryMb / 1_024
  const perDay = load.sessionsPerDay
  const keptBytes =
    (ticks / DAYS) * measured.tickBytes * load.retention.ticksDays +
    perDay * measured.eventBytes * load.retention.eventsDays +
    perDay * measured.deliveryBytes * load.endpoints * load.retention.deliveriesDays +
    perDay * measured.sessionBytes * YEAR_DAYS
  return {
    invocations: ticks + sweeps + drains,
    gbSeconds: ((ownMs * load.slowness + waitedMs) / 1_000) * gb,
    // A tick's row, a session's row and versions, an event, a delivery and its attempt.
    rowsWritten: ticks + sessions * (1 + measured.changesPerSession + measured.eventsPerSession) + 2 * deliveries,
    gbKept: keptBytes / 1e9,
  }
}
