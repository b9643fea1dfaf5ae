import { asyncApi } from '../asyncapi.ts'
import { openApi } from '../openapi.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schemas.ts'

/** What describes the API and the events, to who may ask it; `all` are the routes there are. */
export const documentRoutes = (all: () => readonly Route[]): Route[] => [
  route('GET /openapi.json', {
    scope: 'read',
    summary: 'This API, as OpenAPI 3.1',
    answer: schemas.document,
    handle: async () => openApi(all()),
  }),
  route('GET /asyncapi.json', {
    scope: 'read',
    summary: 'The events that endpoints get, as AsyncAPI 3.0',
    answer: schemas.document,
    handle: async () => asyncApi(),
  }),
]
