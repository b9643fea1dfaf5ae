import { type ConversionConfig, toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema'
import type * as v from 'valibot'
import * as schemas from './schemas.ts'

/** What is answered in several places, or is worth a name. */
export const NAMED = {
  Failure: schemas.failure,
  Session: schemas.session,
  LastTick: schemas.lastTick,
  Leak: schemas.leak,
  Backlog: schemas.backlog,
  Bar: schemas.bar,
  Attempt: schemas.attempt,
  Endpoint: schemas.endpoint,
  EndpointHealth: schemas.endpointHealth,
  Delivery: schemas.delivery,
} satisfies Record<string, v.GenericSchema>

const config: ConversionConfig = {
  target: 'draft-2020-12',
  definitions: NAMED,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
  // What a text of a query becomes is what a reader of the document wants to know.
  overrideAction: ({ valibotAction, jsonSchema }) => {
    const metadata = 'metadata' in valibotAction ? (valibotAction.metadata as { becomes?: object }) : {}
    return metadata.becomes ? { ...metadata.becomes } : valibotAction.type === 'metadata' ? jsonSchema : undefined
  },
}

/** JSON Schema of what goes in or comes out, which refers to the named ones among `components`. */
export function jsonSchemaOf(
  schema: v.GenericSchema,
  mode: 'input' | 'output',
  target: 'draft-2020-12' | 'draft-07' = 'draft-2020-12',
): Record<string, unknown> {
  const converted: Record<string, unknown> = { ...toJsonSchema(schema, { ...config, typeMode: mode, target }) }
  delete converted.$schema
  delete converted.$defs
  return converted
}

/** The named ones themselves. */
export const namedSchemas = () => toJsonSchemaDefs(NAMED, { ...config, typeMode: 'output' })
