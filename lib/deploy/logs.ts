// The log of a function, from Cloud Log Service (CLS), where SCF writes it. Fields of a record: Tencent 583/52637; the search:
// 614/56447.
import * as v from 'valibot'
import { AppError } from '../errors.ts'
import { callApi, type Cloud } from '../tencent.ts'
import { cloudFault, scf } from './scf.ts'

/** One line that a function logged. */
export interface LogLine {
  /** Unix time, ms. */
  time: number
  requestId: string
  message: string
}

const recordSchema = v.object({ SCF_Message: v.optional(v.string(), ''), SCF_RequestId: v.optional(v.string(), '') })
const answerSchema = v.object({
  Results: v.nullish(v.array(v.object({ Time: v.number(), LogJson: v.string() })), []),
  Context: v.optional(v.string(), ''),
  ListOver: v.optional(v.boolean(), true),
})

const PAGE = 100

/** The topic that a function logs to. Throws `not_found` when it has none. */
export async function topicOf(cloud: Cloud, name: string): Promise<string> {
  const { ClsTopicId } = await scf(cloud, 'GetFunction', { FunctionName: name })
  if (ClsTopicId) return ClsTopicId
  throw new AppError(
    'not_found',
    `function ${name} logs to no topic: set the parameters logsetId and topicId, and deploy`,
  )
}

/** What a function logged from one time to another (Unix, ms), the oldest first. `query`: a CLS condition besides. */
export async function readLog(
  cloud: Cloud,
  topicId: string,
  name: string,
  { from, to, query }: { from: number; to: number; query?: string | undefined },
): Promise<LogLine[]> {
  const condition = `SCF_FunctionName:"${name}"${query ? ` AND (${query})` : ''}`
  const lines: LogLine[] = []
  for (let context = ''; ;) {
    const request = {
      TopicId: topicId,
      From: from,
      To: to,
      QueryString: condition,
      QuerySyntax: 1,
      Sort: 'asc',
      Limit: PAGE,
    }
    const answer: unknown = await callApi(
      cloud,
      { name: 'cls', version: '2020-10-16' },
      'SearchLog',
      context === '' ? request : { ...request, Context: context },
    ).catch((error: unknown) => {
      throw cloudFault(error, 'SearchLog', ` of ${name}`)
    })
    const { Results, Context, ListOver } = v.parse(answerSchema, answer)
    for (const { Time, LogJson } of Results ?? []) {
      const { SCF_Message, SCF_RequestId } = v.parse(recordSchema, JSON.parse(LogJson))
      lines.push({ time: Time, requestId: SCF_RequestId, message: SCF_Message })
    }
    if (ListOver || Context === '') return lines
    context = Context
  }
}

/** A line of a log for people. */
export function showLine({ time, requestId, message }: LogLine): string {
  return `${new Date(time).toISOString()} ${requestId} ${message.trimEnd()}`
}

/** The moment that a span before now (10m, 2h, 1d) or a date names, Unix ms; undefined when a text is neither. */
export function momentOf(text: string, now: number): number | undefined {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  // Date.parse takes 10 for a day of 2001.
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN
  const at =
    count === undefined ? date : now - Number(count) * { s: 1, m: 60, h: 3_600, d: 86_400 }[unit as 's'] * 1_000
  return Number.isNaN(at) ? undefined : at
}
