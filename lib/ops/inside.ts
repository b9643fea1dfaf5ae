import * as v from 'valibot'
import type { Cloud } from '../tencent.ts'
import type { DeclaredFunction } from '../deploy/service.ts'
import { AppError } from '../errors.ts'
import { ask } from './ask.ts'

const time = v.nullable(v.string())

/** What the function status answers (lib/status.ts), as JSON: times are ISO text. */
const insideSchema = v.object({
  migrated: v.boolean(),
  missing: v.array(v.string()),
  accounts: v.array(
    v.object({
      account: v.string(),
      listedAt: time,
      outcome: v.nullable(v.string()),
      error: v.nullable(v.string()),
      ageSeconds: v.nullable(v.number()),
      goodAt: time,
    }),
  ),
  backlog: v.nullable(
    v.object({
      countedUpTo: v.number(),
      pending: v.number(),
      oldestDue: v.nullable(
        v.object({
          endpoint: v.string(),
          dueAt: v.string(),
          ageSeconds: v.number(),
          failingSince: time,
          holdUntil: time,
        }),
      ),
      deadOfLastDay: v.number(),
      disabled: v.array(v.object({ endpoint: v.string(), reason: v.nullable(v.string()) })),
    }),
  ),
})

/** What can only be asked from inside the VPC. */
export type Inside = v.InferOutput<typeof insideSchema>

/** Asks the function status; a fault of the function, or of asking it, is an answer too. */
export async function lookInside(cloud: Cloud, status: DeclaredFunction): Promise<Inside | { fault: string }> {
  try {
    return await ask(cloud, status, insideSchema)
  } catch (error) {
    if (error instanceof AppError) return { fault: error.message }
    throw error
  }
}
