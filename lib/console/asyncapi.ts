// The AsyncAPI 3.0 document of what endpoints get.
import { VERSION } from '../version.ts'
import { EVENT_SCHEMAS } from './event-schemas.ts'
import { jsonSchemaOf } from './json-schema.ts'

/** The document; the events are those that the deliverer sends. */
export function asyncApi(): Record<string, unknown> {
  const types = Object.keys(EVENT_SCHEMAS)
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Rollcall events',
      version: VERSION,
      description:
        'Each change of a session, as CloudEvents 1.0 in JSON, signed by Standard Webhooks. Delivered at least once, in the order of each session.',
    },
    defaultContentType: 'application/cloudevents+json',
    channels: {
      endpoint: {
        title: 'An endpoint',
        description:
          'The URL that was registered; one POST an event, or `application/cloudevents-batch+json` where it takes batches.',
        address: null,
        messages: Object.fromEntries(types.map((type) => [type, { $ref: `#/components/messages/${type}` }])),
      },
    },
    operations: {
      deliver: {
        action: 'send',
        channel: { $ref: '#/channels/endpoint' },
        messages: types.map((type) => ({ $ref: `#/channels/endpoint/messages/${type}` })),
        bindings: { http: { method: 'POST' } },
      },
    },
    components: {
      messages: Object.fromEntries(
        Object.entries(EVENT_SCHEMAS).map(([type, schema]) => [
          type,
          {
            name: type,
            contentType: 'application/cloudevents+json',
            headers: HEADERS,
            payload: {
              schemaFormat: 'application/schema+json;version=draft-07',
              schema: jsonSchemaOf(schema, 'output', 'draft-07'),
            },
          },
        ]),
      ),
    },
  }
}

const HEADERS = {
  type: 'object',
  required: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  properties: {
    'webhook-id': { type: 'string', description: 'The id of the event; the same on every try.' },
    'webhook-timestamp': { type: 'string', description: 'Seconds since 1970 of this try.' },
    'webhook-signature': { type: 'string', description: 'One or several signatures, separated by spaces.' },
  },
}
