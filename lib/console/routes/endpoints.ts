import { DEFAULT_EVENT_TYPES } from '../../core/event.ts'
import { ping } from '../../ping.ts'
import { checkEndpoint } from '../../resolve.ts'
import { readEndpointHealth } from '../../store/console/endpoint-health.ts'
import {
  addEndpoint,
  listEndpoints,
  removeEndpoint,
  rotateSecrets,
  showEndpoint,
  updateEndpoint,
} from '../../store/endpoint.ts'
import { disableEndpoint, enableEndpoint, pauseEndpoint } from '../../store/endpoint-state.ts'
import type { Caller } from '../access.ts'
import { route } from '../route.ts'
import * as schemas from '../schemas.ts'

const COUNTED = { pending: 100_000, dead: 20_000 }
const OFTEN_MS = 2_000
const BY_CONSOLE = 'by the console'

/** The URLs that events are sent to. */
export const endpointRoutes = [
  route('GET /api/endpoints', {
    scope: 'read',
    summary: 'All endpoints, with how they answered of late',
    answer: schemas.endpoints,
    handle: async ({ caller, services: { db, cached } }) => {
      const all = await cached('endpoints', { forMs: OFTEN_MS }, async () => {
        const [endpoints, health] = await Promise.all([listEndpoints(db, COUNTED), readEndpointHealth(db)])
        return endpoints.map((one) => ({ ...one, ...(health.get(one.id) ?? NOTHING_KNOWN) }))
      })
      return { endpoints: all.map((one) => shownTo(caller, one)) }
    },
  }),

  route('POST /api/endpoints', {
    scope: 'write',
    summary: 'Registers a URL; its secret is shown this once',
    body: schemas.newEndpointBody,
    answer: schemas.addedEndpoint,
    status: 201,
    handle: async ({ body, services: { db, addressGuard, keyring } }) => {
      const url = await checkEndpoint(addressGuard, body.url)
      return addEndpoint(db, { events: DEFAULT_EVENT_TYPES, ...body, url }, keyring)
    },
  }),

  route('GET /api/endpoints/:id', {
    scope: 'read',
    summary: 'One endpoint: its settings and state',
    path: schemas.endpointPath,
    answer: schemas.endpoint,
    refusals: [404],
    handle: async ({ path, caller, services: { db } }) => shownTo(caller, await showEndpoint(db, path.id)),
  }),

  route('PATCH /api/endpoints/:id', {
    scope: 'write',
    summary: 'Changes what is given, for events from now on; what is pending goes to a new URL, too',
    path: schemas.endpointPath,
    body: schemas.endpointChangeBody,
    answer: schemas.endpoint,
    refusals: [404],
    handle: async ({ path, body, services: { db, addressGuard, keyring } }) => {
      const moved = body.url === undefined ? {} : { url: await checkEndpoint(addressGuard, body.url) }
      return updateEndpoint(db, path.id, { ...body, ...moved }, keyring)
    },
  }),

  route('DELETE /api/endpoints/:id', {
    scope: 'write',
    summary: 'Forgets it and its deliveries; events stay',
    path: schemas.endpointPath,
    answer: schemas.removed,
    refusals: [404],
    handle: async ({ path, services: { db } }) => {
      await removeEndpoint(db, path.id)
      return { removed: path.id }
    },
  }),

  route('POST /api/endpoints/:id/rotate', {
    scope: 'write',
    summary: 'New secrets, shown this once; the old ones sign too for graceHours',
    path: schemas.endpointPath,
    body: schemas.rotateBody,
    answer: schemas.secrets,
    refusals: [404],
    handle: ({ path, body, services: { db, keyring } }) => rotateSecrets(db, path.id, body.graceHours, keyring),
  }),

  route('POST /api/endpoints/:id/ping', {
    scope: 'write',
    summary: 'Sends it one signed event, `webhook.ping`, now',
    path: schemas.endpointPath,
    answer: schemas.pinged,
    refusals: [404],
    handle: ({ path, services: { db, poster, keyring } }) => ping(db, poster, path.id, keyring),
  }),

  route('POST /api/endpoints/:id/pause', {
    scope: 'write',
    summary: 'Stops delivering to it for a while; its events are kept',
    path: schemas.endpointPath,
    answer: schemas.endpoint,
    refusals: [404],
    handle: async ({ path, services: { db } }) => {
      await pauseEndpoint(db, path.id, BY_CONSOLE)
      return showEndpoint(db, path.id)
    },
  }),

  route('POST /api/endpoints/:id/enable', {
    scope: 'write',
    summary: 'Lets it receive again, and says what to deliver of what it missed',
    path: schemas.endpointPath,
    body: schemas.enableBody,
    answer: schemas.enabled,
    refusals: [404],
    handle: ({ path, body, services: { db } }) => enableEndpoint(db, path.id, body.missed),
  }),

  route('POST /api/endpoints/:id/disable', {
    scope: 'write',
    summary: 'Stops delivering to it, and announces it; its events are kept',
    path: schemas.endpointPath,
    answer: schemas.endpoint,
    refusals: [404],
    handle: async ({ path, services: { db } }) => {
      await disableEndpoint(db, path.id, BY_CONSOLE)
      return showEndpoint(db, path.id)
    },
  }),
]

/** A path or a query may have a receiver's token: who may only look is shown where the endpoint is. */
function shownTo<One extends { url: string }>(caller: Caller | null, endpoint: One): One {
  if (caller?.scope === 'write') return endpoint
  const { origin, pathname, search } = new URL(endpoint.url)
  return { ...endpoint, url: `${origin}/${pathname + search === '/' ? '' : '…'}` }
}

/** Of one that was added between the two reads. */
const NOTHING_KNOWN = { oldestDueAt: null, latency: null, lastError: null }
