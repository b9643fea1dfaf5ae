import { readLog, showLine, topicOf } from '../deploy/logs.ts'
import { findDeclared, type Service } from '../deploy/service.ts'
import type { Cloud } from '../tencent.ts'
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
  return {
    isWell: true,
    json: found.map(({ time, ...line }) => ({ time: new Date(time).toISOString(), ...line })),
    lines: found.map(showLine),
    problems: [],
  }
}
