// What every contestant delivers: the events of sessions with five each, each event to every endpoint.
/** An endpoint. */
export interface Target {
  url: string
  secret: string
}

/** How a case is delivered. */
export interface Terms {
  /** POSTs at once, in all, and to one endpoint. */
  atOnce: number
  perEndpoint: number
  /** Events in one POST. */
  batchSize: number
}

export interface Event {
  id: string
  /** Gapless from 1; also the order in which events came to be. */
  position: number
  session: number
  revision: number
  body: string
}

const EVENTS_PER_SESSION = 5

/** So many events, all first ones of sessions before the second ones, and how many sessions they are of. */
export function eventsOf(count: number): { events: Event[]; sessions: number } {
  const sessions = Math.ceil(count / EVENTS_PER_SESSION)
  const events = Array.from({ length: count }, (_, index) => {
    const about = { position: index + 1, session: (index % sessions) + 1, revision: Math.floor(index / sessions) + 1 }
    const id = `evt_${about.position.toString(36).padStart(26, '0')}`
    return { ...about, id, body: bodyOf(id, about) }
  })
  return { events, sessions }
}

/** As long as that of a real one. */
function bodyOf(id: string, { position, session, revision }: { position: number; session: number; revision: number }) {
  const time = new Date(Date.UTC(2026, 10, 22) + position).toISOString()
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: '/accounts/default',
    type: 'session.ready',
    subject: `m${session}`,
    time,
    datacontenttype: 'application/json',
    sequence: String(position).padStart(20, '0'),
    partitionkey: `m${session}`,
    data: {
      account: 'default',
      revision,
      session: {
        id: `m${session}`,
        userId: 'user',
        status: 'in_progress',
        started: false,
        driverType: 1,
        playStreamAddr: `rtmp://host.example.com/live/${'x'.repeat(60)}`,
        firstSeenAt: time,
        readyAt: time,
        startedAt: null,
        endedAt: null,
      },
      previous: { status: 'preparing', started: false },
      reason: null,
      error: null,
      observed: { after: time, before: time },
    },
  })
}
