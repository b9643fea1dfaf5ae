// What a month on SCF comes to, from what was measured of single invocations and rows. Pure.

/** What single things take, measured; the way there and back to the API and to receivers apart. */
export interface Measured {
  /** Durations in ms, warm; of a tick that lists nothing. */
  unchangedTickMs: number
  /** So much longer for each session that is listed. */
  listedMs: number
  /** A tick with changes takes so much longer, and so much for each session that changed. */
  changedTickMs: number
  changeMs: number
  /** By the timer, with its looks for what is to be summed and what is old. */
  idleSweepMs: number
  /** A drain that a tick asked for, and so much for each delivery. */
  drainMs: number
  deliveryMs: number
  /** Bytes in the database, indexes included. */
  tickBytes: number
  /** Of a session's whole life: its row and versions. */
  sessionBytes: number
  /** Of its events. */
  eventBytes: number
  /** Of its deliveries and attempts at one endpoint. */
  deliveryBytes: number
  /** Inserted in its life: itself, versions and events; and for one endpoint, deliveries and attempts. */
  rowsPerSession: number
  deliveryRowsPerSession: number
  /** At one endpoint. */
  deliveriesPerSession: number
  /** Changes of its life that a tick sees, of how many of them statsession is asked, and how many have a delivery. */
  changesPerSession: number
  asksPerSession: number
  drainsPerSession: number
}

/** A deployment. */
export interface Load {
  tickSeconds: number
  sweepSeconds: number
  sessionsPerDay: number
  /** How long one is listed. */
  sessionMinutes: number
  endpoints: number
  memoryMb: number
  /** There and back; that to SCF's own API, which invokes the webhook function, is taken to be as long. */
  apiLatencyMs: number
  receiverLatencyMs: number
  /** POSTs at once to an endpoint; endpoints do not wait for each other. */
  postsAtOnce: number
  /** How many times as long as here everything takes there. */
  slowness: number
  retention: { deliveriesDays: number; eventsDays: number; ticksDays: number }
}

export interface Month {
  invocations: number
  /** Of the exact duration, which SCF bills (583/12284; rounded up to 100 ms once, 583/12285), at 1,024 MB to the GB. */
  gbSeconds: number
  /** Inserted. */
  rowsWritten: number
  /** Once as much is removed as is written; sessions stay, and are those of a year. */
  gbKept: number
}

const SECONDS = 30 * 86_400
const DAYS = 30
const YEAR_DAYS = 365
const DAY_MINUTES = 1_440

/** The month of a deployment whose sessions come at random. */
export function monthOf(measured: Measured, load: Load): Month {
  const ticks = SECONDS / load.tickSeconds
  const sweeps = SECONDS / load.sweepSeconds
  const sessions = load.sessionsPerDay * DAYS
  const listed = (load.sessionsPerDay * load.sessionMinutes) / DAY_MINUTES
  const changes = sessions * measured.changesPerSession
  const perEndpoint = sessions * measured.deliveriesPerSession
  const deliveries = perEndpoint * load.endpoints
  // What one tick commits is delivered by one invocation.
  const drains = load.endpoints > 0 ? ticksWith(sessions * measured.drainsPerSession, ticks) : 0
  const ownMs =
    ticks * (measured.unchangedTickMs + listed * measured.listedMs) +
    ticksWith(changes, ticks) * measured.changedTickMs +
    changes * measured.changeMs +
    sweeps * measured.idleSweepMs +
    drains * measured.drainMs +
    deliveries * measured.deliveryMs
  const waitedMs =
    (ticks + ticksWith(sessions * measured.asksPerSession, ticks) + drains) * load.apiLatencyMs +
    (load.endpoints > 0 ? Math.max(drains, perEndpoint / load.postsAtOnce) : 0) * load.receiverLatencyMs
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
    rowsWritten: ticks + sessions * (measured.rowsPerSession + measured.deliveryRowsPerSession * load.endpoints),
    gbKept: keptBytes / 1e9,
  }
}

/** How many of so many ticks see at least one of what happens at random so many times. */
export const ticksWith = (happens: number, ticks: number) => ticks * -Math.expm1(-happens / ticks)
