// The documents are valid, and the truth: each route is asked so that it gives every answer that its document tells of, and
// nothing else. The doubles are the simulator and a receiver.
import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import asyncApiSchema from '@asyncapi/specs/schemas/3.0.0-without-$id.json' with { type: 'json' }
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openApi } from '../../lib/console/openapi.ts'
import { asyncApi } from '../../lib/console/asyncapi.ts'
import { ROUTES } from '../../lib/console/routes/index.ts'
import { drain } from '../../lib/deliver.ts'
import { createSession, startSession } from '../../lib/local/simulator/simulator.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { disableEndpoint } from '../../lib/store/endpoint-state.ts'
import { announceDisabled } from '../../lib/store/operator.ts'
import { loopbackPoster, openWorld, type World } from '../support/world.ts'
import { type Answer, cookieOf, openTestConsole, type Question, READ, WRITE } from './open.ts'

interface Operation {
  operationId: string
  parameters: { name: string; description?: string }[]
  requestBody?: { required: boolean }
  responses: Record<string, { content?: Record<string, { schema: object }> }>
}

const document = openApi(ROUTES) as { paths: Record<string, Record<string, Operation>> }
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
)

/** How a route is asked. `place` is its path with what it needs. */
interface Example {
  place: string
  body?: unknown
  /** What is not there. */
  unknown?: { place?: string; body?: unknown }
  /** Needs more than a token to read, beyond what its method tells. */
  forbidden?: string
}

let world: World
let known = { session: '', endpoint: '', delivery: '' }

beforeAll(async () => {
  world = await openWorld()
  const { account, simulator } = await world.simulate('default', { cachedShare: 1 })
  const receiver = await world.subscribe()
  const made = createSession(simulator, { userId: '<b>\u202Eabc</b>', projectId: 'p' })
  const session = 'ok' in made ? made.ok.id : ''
  startSession(simulator, session)
  await reconcile(world.db, [account])
  await drain(world.db, loopbackPoster(), { timeMs: 10_000 })
  await world.db
    .updateTable('session')
    .set({ first_seen_at: new Date(Date.now() - 20 * 60_000), ready_at: new Date(Date.now() - 15 * 60_000) })
    .execute()
  await createBacklog()
  known = { session, endpoint: receiver.id, delivery: '1' }
})
afterAll(() => world.close())

/** An endpoint that fails, one that is disabled, and an event about that. */
async function createBacklog() {
  const failing = await world.subscribe({}, () => 500)
  const disabled = await world.subscribe({})
  await world.db.transaction().execute((tx) => announceDisabled(tx, [disabled.id]))
  await disableEndpoint(world.db, disabled.id, 'by a test')
  await openTestConsole(world.db).ask('/api/replay', { method: 'POST', body: { endpoint: failing.id } })
  await drain(world.db, loopbackPoster(), { timeMs: 5_000 })
}

const examples = (): Record<string, Example> => {
  const { session, endpoint, delivery } = known
  const of = (id: string, after = '') => ({ place: `/api/endpoints/${id}${after}` })
  const nobody = (place: string) => ({
    place,
    unknown: { place: `${place}${place.includes('?') ? '&' : '?'}account=nobody` },
  })
  return {
    get_healthz: { place: '/healthz' },
    post_login: { place: '/api/login', body: { token: WRITE } },
    get_login: { place: '/login?once=code' },
    post_logout: { place: '/api/logout' },
    get_me: { place: '/api/me' },
    get_now: nobody('/api/now'),
    get_timeline: nobody('/api/timeline'),
    get_sessions: nobody('/api/sessions'),
    get_sessions__account__id__incarnation: {
      place: `/api/sessions/default/${session}/1`,
      unknown: { place: `/api/sessions/default/${session}/2` },
      forbidden: '?unmasked=true',
    },
    get_events: {
      ...nobody('/api/events?account=default'),
      unknown: { place: '/api/events?account=nobody' },
      forbidden: '&unmasked=true',
    },
    get_endpoints: { place: '/api/endpoints' },
    post_endpoints: {
      place: '/api/endpoints',
      body: { url: 'http://127.0.0.1:9/', ed25519: true, headers: { a: 'b' } },
    },
    get_endpoints__id: { ...of(endpoint), unknown: of('ep_none') },
    patch_endpoints__id: { ...of(endpoint), body: { rate: 100 }, unknown: of('ep_none') },
    post_endpoints__id_rotate: { ...of(endpoint, '/rotate'), body: {}, unknown: of('ep_none', '/rotate') },
    post_endpoints__id_ping: { ...of(endpoint, '/ping'), unknown: of('ep_none', '/ping') },
    post_endpoints__id_pause: { ...of(endpoint, '/pause'), unknown: of('ep_none', '/pause') },
    post_endpoints__id_enable: { ...of(endpoint, '/enable'), body: {}, unknown: of('ep_none', '/enable') },
    post_endpoints__id_disable: { ...of(endpoint, '/disable'), unknown: of('ep_none', '/disable') },
    get_deliveries: { place: '/api/deliveries' },
    get_deliveries__id_attempts: {
      place: `/api/deliveries/${delivery}/attempts`,
      unknown: { place: '/api/deliveries/999999/attempts' },
    },
    post_replay: { place: '/api/replay', body: { endpoint }, unknown: { body: { endpoint: 'ep_none' } } },
    get_reports: { place: '/api/reports' },
    get_reports__name: { place: '/api/reports/leaks-now', unknown: { place: '/api/reports/none' } },
    get_watching: nobody('/api/watching'),
    get_metrics: { place: '/metrics' },
    get_openapi_json: { place: '/openapi.json' },
    get_asyncapi_json: { place: '/asyncapi.json' },
    // Last, for what it removes is gone.
    delete_endpoints__id: { ...of(endpoint), unknown: of('ep_none') },
  }
}

/** These need no database: only a console that cannot be opened says 503 for them. */
const WITHOUT_DATABASE = /^(post_login|get_login|post_logout|get_reports|get_openapi_json|get_asyncapi_json)$/

const needsNothing = (id: string, status: string) => status === '503' && WITHOUT_DATABASE.test(id)

type Provoke = (method: string, example: Example, id: string) => Promise<Answer | undefined>

const plain = (method: string, { place, body }: Example, more: Question = {}) => {
  const given = body === undefined ? {} : { body }
  return openTestConsole(world.db, { onceCode: 'code' }).ask(place, { method, ...given, ...more })
}
const succeed: Provoke = (method, example) => plain(method, example)

/** How each status is brought about, of any route. */
const provoke: Record<string, Provoke> = {
  200: succeed,
  201: succeed,
  303: succeed,
  304: async (method, { place }) => {
    const console = openTestConsole(world.db)
    const first = await console.ask(place, { method })
    return console.ask(place, { method, headers: { 'if-none-match': first.headers.get('etag') ?? '' } })
  },
  400: (method, { place, ...rest }) =>
    plain(method, { ...rest, place: `${place}${place.includes('?') ? '&' : '?'}nonsense=1` }),
  401: (method, example, id) =>
    id === 'post_login'
      ? plain(method, { ...example, body: { token: 'none' } })
      : id === 'get_login'
        ? plain(method, { ...example, place: '/login?once=another' })
        : plain(method, example, { token: null }),
  403: async (method, example, id) => {
    if (method === 'GET')
      return plain(method, { ...example, place: example.place + example.forbidden }, { token: READ })
    if (!['post_login', 'post_logout'].includes(id)) return plain(method, example, { token: READ })
    const console = openTestConsole(world.db)
    const cookie = cookieOf(await console.ask('/api/login', { method: 'POST', token: null, body: { token: READ } }))
    const headers = { cookie, 'sec-fetch-site': 'cross-site' }
    return console.ask(example.place, {
      method,
      token: null,
      headers,
      ...(example.body !== undefined && { body: example.body }),
    })
  },
  404: (method, { unknown, ...example }) => plain(method, { ...example, ...unknown }),
  413: (method, example) => plain(method, { ...example, body: { url: 'x'.repeat(300_000) } }),
  415: (method, example) => plain(method, example, { body: '{}', headers: { 'content-type': 'text/plain' } }),
  429: async (method, { place, body }, id) => {
    const console = openTestConsole(world.db, { onceCode: 'code' })
    for (let i = 0; i < 10; i += 1) await console.ask('/api/me', { token: 'wrong' })
    const token = id === 'post_login' ? null : WRITE
    return console.ask(place, { method, token, ...(body !== undefined && { body }) })
  },
  503: async (method, { place, body }, id) => {
    if (WITHOUT_DATABASE.test(id)) return undefined
    const nowhere = openDatabase('postgresql://nobody@127.0.0.1:9/none')
    const answer = await openTestConsole(nowhere).ask(place, { method, ...(body !== undefined && { body }) })
    await nowhere.destroy()
    return answer
  },
}

/** As the document has it, and nothing that it does not name. */
function closed<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(closed) as Value
  const inner = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, closed(one)]))
  const isOpen = 'properties' in inner && !('additionalProperties' in inner)
  return (isOpen ? { ...inner, additionalProperties: false } : inner) as Value
}

const ajv = addFormats.default(new Ajv2020({ strict: true, allErrors: true, strictTypes: false }))
ajv.addVocabulary(['components', 'paths', 'info', 'openapi', 'servers'])
ajv.addSchema(closed(document), 'openapi.json')

function faults(answer: Answer, operation: (typeof operations)[number]): unknown {
  const { content } = operation.responses[String(answer.status)] ?? {}
  if (content === undefined) return answer.text === '' ? [] : ['has a body although none is told of']
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? ''
  // Of a redirection nobody reads the body, nor its type.
  if (answer.status === 303) return []
  if (content[type] === undefined) return [`is ${type}`]
  const pointer = ['paths', operation.path, operation.method.toLowerCase(), 'responses', answer.status, 'content', type]
  const encoded = pointer.map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1')))
  const validate = ajv.compile({ $ref: `openapi.json#/${encoded.join('/')}/schema` })
  validate(answer.json ?? answer.text)
  return validate.errors ?? []
}

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document))

    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
  })

  it('has an example here for every route, or a new one would be believed', () => {
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(examples()).sort())
    expect(operations).toHaveLength(ROUTES.length)
  })

  it('says of everything that can be asked by what it is', () => {
    const parameters = operations.flatMap(({ parameters: asked }) => asked)

    expect(parameters.length).toBeGreaterThan(30)
    expect(parameters.filter(({ description = '' }) => description === '')).toEqual([])
  })

  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

    expect(document).toMatchObject({ info: { version } })
  })

  it('says of each body whether it may be left out', async () => {
    const withBody = operations.filter(({ requestBody }) => requestBody)
    const answers = await Promise.all(
      withBody.map(({ operationId, method }) => plain(method, { place: examples()[operationId]!.place })),
    )

    expect(withBody.map(({ requestBody }) => requestBody?.required)).toEqual(
      answers.map(({ status }) => status === 400),
    )
    expect(new Set(withBody.map(({ requestBody }) => requestBody?.required))).toEqual(new Set([true, false]))
  })

  it('is what the console gives', async () => {
    const { json } = await openTestConsole(world.db).ask('/openapi.json')

    expect(json).toEqual(JSON.parse(JSON.stringify(document)))
  })

  const order = (id: string) => (id === 'delete_endpoints__id' ? 1 : 0)
  const cases = [...operations]
    .sort((a, b) => order(a.operationId) - order(b.operationId))
    .flatMap((operation) => {
      const statuses = Object.keys(operation.responses).sort((a, b) => Number(b) - Number(a))
      return statuses.map((status) => ({ id: operation.operationId, status, operation }))
    })

  it.each(cases)('tells the truth of $id: $status', async ({ id, status, operation }) => {
    const answer = await provoke[status]?.(operation.method, examples()[id]!, id)

    const seen = answer && { status: answer.status, faults: faults(answer, operation) }
    expect(seen).toEqual(needsNothing(id, status) ? undefined : { status: Number(status), faults: [] })
  })
})

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3.0', () => {
    const validator = addFormats.default(new Ajv({ strict: false, allErrors: true }))
    const validate = validator.compile(asyncApiSchema)

    validate(JSON.parse(JSON.stringify(asyncApi())))

    expect(validate.errors ?? []).toEqual([])
  })

  it('has the body of every event that was sent, and of a ping', async () => {
    const receiver = await world.subscribe()
    const console = openTestConsole(world.db)
    await console.ask('/api/replay', { method: 'POST', body: { endpoint: receiver.id } })
    await drain(world.db, loopbackPoster(), { timeMs: 10_000 })
    await console.ask(`/api/endpoints/${receiver.id}/ping`, { method: 'POST' })
    const announced = await world.db.selectFrom('event').select('body').where('account_id', 'is', null).execute()
    const bodies = [
      ...receiver.received.map(({ event }) => event as unknown),
      ...announced.map(({ body }) => JSON.parse(body) as unknown),
    ]

    const { components } = asyncApi() as { components: { messages: Record<string, { payload: { schema: object } }> } }
    const seen = bodies.map((body) => {
      const { type } = body as { type: string }
      const validate = ajv.compile(closed(components.messages[type]?.payload.schema ?? { not: {} }))
      validate(body)
      return [type, validate.errors ?? []]
    })

    expect(seen.filter(([, errors]) => (errors as unknown[]).length > 0)).toEqual([])
    expect(new Set(seen.map(([type]) => type))).toEqual(
      new Set(['session.created', 'session.ready', 'session.started', 'webhook.ping', 'endpoint.disabled']),
    )
  })
})
