// The OpenAPI 3.1 document, made of the routes' own declarations: what is not in them is not in it, and the reverse.
import * as v from 'valibot'
import { VERSION } from '../version.ts'
import { COOKIE } from './access.ts'
import { jsonSchemaOf, namedSchemas } from './json-schema.ts'
import type { Route } from './route.ts'

type Json = Record<string, unknown>

const MEANINGS: Record<number, string> = {
  400: 'What was asked is wrong: `input_invalid`',
  401: 'No token, or a wrong one: `unauthorized`',
  403: 'The token may only read, or the request is not of the page: `forbidden`',
  404: 'What was named does not exist: `not_found`',
  413: 'The body is too long: `too_long`',
  415: 'The body is no JSON by its type: `unsupported_media_type`',
  429: 'Too many wrong tokens: `too_many_failures`; the header retry-after says when to try again',
  503: 'The database does not answer, or lacks tables: `database_unreachable`, `not_migrated`, `config_invalid`',
}

/** What is asked by. */
const PARAMETERS: Record<string, string> = {
  account: "An account's name; a query that lacks it is about all of them, or the only one",
  after: 'The position of the last event that is known: `next` of the answer before',
  at: 'A moment: the sessions that lived then, as they looked then',
  channels: 'How many channels were bought',
  cursor: '`next` of the answer before',
  endpoint: "An endpoint's id",
  from: 'Where the time looked at begins; of a search, the first moment at which sessions were first seen',
  id: 'The id of what the path names',
  incarnation: 'Which of the sessions that had this id, from 1 on',
  limit: 'At most so many',
  name: "A report's name, of /api/reports",
  once: 'The code of a link that is good for once',
  reason: 'Only sessions that ended so',
  session: "A session's id, the whole of it",
  state: 'Only those in this state',
  timezone: 'Where days begin, such as Asia/Shanghai; if it is left out, where the database says',
  to: 'Where it ends: not included',
  unmasked: 'With stream addresses, for tokens of CONSOLE_WRITE_TOKENS',
  user: "A user's id, the whole of it",
}

/** The document of these routes. */
export function openApi(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.pattern.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Rollcall console',
      version: VERSION,
      description:
        'Sessions of Tencent Cloud AI Digital Human, their history, and the endpoints that are told of them. Times are ISO 8601 in UTC, ids are texts.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: namedSchemas(),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'One of CONSOLE_READ_TOKENS or CONSOLE_WRITE_TOKENS.' },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: COOKIE,
          description: `Of a login; over https it is __Host-${COOKIE}. What changes something also needs the header x-csrf-token, which /api/me gives.`,
        },
      },
    },
  }
}

/** The statuses that a route refuses with. */
function refusalsOf({ method, scope, schemas, refusals = [] }: Route): number[] {
  const ofAll = [400, 503]
  const ofGuarded = scope === 'none' ? [] : [401, 429]
  const ofChanges = method === 'GET' ? [] : [403, 413]
  const ofBodies = schemas.body ? [415] : []
  return [...new Set([...ofAll, ...ofGuarded, ...ofChanges, ...ofBodies, ...refusals])].sort((a, b) => a - b)
}

function operationOf(route: Route): Json {
  const {
    method,
    pattern,
    scope,
    summary,
    schemas,
    answer,
    others = {},
    status = 200,
    type = 'application/json',
  } = route
  const failure = { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } }
  const content = { [type]: { schema: jsonSchemaOf(answer, 'output') } }
  const responses: Json = { [status]: { description: summary, content } }
  for (const refusal of refusalsOf(route)) responses[refusal] = { description: MEANINGS[refusal], content: failure }
  for (const [other, description] of Object.entries(others)) {
    responses[other] = { description, ...(other !== '304' && { content }) }
  }
  const names = pattern.split('/').filter((part) => part !== '' && part !== 'api')
  return {
    operationId: [method.toLowerCase(), ...names.map((name) => name.replaceAll(/\W/g, '_'))].join('_'),
    summary,
    tags: [names[0]?.replace(/\.json$/, '') ?? 'page'],
    security: scope === 'none' ? [] : [{ token: [] }, { cookie: [] }],
    'x-scope': scope,
    parameters: [...parametersOf(schemas.path, 'path'), ...parametersOf(schemas.query, 'query')],
    ...(schemas.body && {
      requestBody: {
        required: !v.is(schemas.body, {}),
        content: { 'application/json': { schema: jsonSchemaOf(schemas.body, 'input') } },
      },
    }),
    responses,
  }
}

function parametersOf(schema: v.GenericSchema | undefined, where: 'path' | 'query'): Json[] {
  if (!schema) return []
  const { properties = {}, required = [] } = jsonSchemaOf(schema, 'input') as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, of]) => {
    // In a query everything is a text, a default too.
    const isText = of.type === 'string' || of.default === undefined
    const known = isText ? of : { ...of, default: JSON.parse(String(of.default)) as unknown }
    const isRequired = where === 'path' || required.includes(name)
    return { name, in: where, description: PARAMETERS[name], required: isRequired, schema: known }
  })
}
