import { readLog, topicOf } from '../deploy/logs.ts'
import type { Service } from '../deploy/service.ts'
import type { Cloud } from '../tencent.ts'
import { findDeclared } from './declared.ts'
import type { Told } from './told.ts'

/** What a function logged since a time (Unix, ms), the oldest first. Throws `input_invalid`, and what deploy/logs.ts throws. */
export async function logs(
  cloud: Cloud,
  service: Service,
  asked: { function: string; since: number; filter?: string },
  now: number,
): Promise<Told> {
  const { name } = findDeclared(service, asked.function)
  const span = { from: asked.since, to: now, query: asked.filter }
  const found = await readLog(cloud, await topicOf(cloud, name), name, span)
  const lines = found.map(({ time, ...line }) => ({ time: new Date(time).toISOString(), ...line }))
  return {
    isWell: true,
    json: lines,
    lines: lines.map(({ time, requestId, message }) => `${time} ${requestId} ${message.trimEnd()}`),
    problems: [],
  }
}
