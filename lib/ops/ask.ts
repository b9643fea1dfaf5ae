// Invokes a function as whoever operates the service does, and reads its answer.
import { setTimeout as wait } from 'node:timers/promises'
import * as v from 'valibot'
import { invoke } from '../deploy/invoke.ts'
import type { DeclaredFunction } from '../deploy/service.ts'
import { AppError } from '../errors.ts'
import { type Cloud, LIVE } from '../tencent.ts'

/** A timer's invocation may be under way, beside which there is no room: it is waited for, a tick's time. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]
/** Status 432 (Tencent 583/35311), by its number or its words. */
const NO_ROOM = /concurrency exceeded|ResourceLimitReached|"statusCode":432\b/

/**
 * What the live version answers, checked by a schema. Throws `invoke_failed` with the function's fault, and what scf.ts
 * throws.
 */
export async function ask<Schema extends v.GenericSchema>(
  cloud: Cloud,
  { key, name, timeoutSeconds }: DeclaredFunction,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  for (let tries = 0; ; tries += 1) {
    const { answer, fault } = await invoke(cloud, name, { qualifier: LIVE, timeoutSeconds })
    const pauseMs = PAUSES_MS[tries]
    if (fault === undefined) return readAnswer(answer, name, schema)
    if (pauseMs === undefined || !NO_ROOM.test(fault + answer)) {
      throw new AppError(
        'invoke_failed',
        `function ${name} failed: ${fault}; its log says more: npm run ops -- logs --function ${key}, of the same stage`,
      )
    }
    await wait(pauseMs)
  }
}

function readAnswer<Schema extends v.GenericSchema>(answer: string, name: string, schema: Schema) {
  try {
    return v.parse(schema, JSON.parse(answer))
  } catch (error) {
    throw new AppError(
      'invoke_failed',
      `function ${name} answers what this version does not know: deploy, or use the version that was deployed`,
      { cause: error },
    )
  }
}
