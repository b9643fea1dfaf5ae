// Cloud Log Service, 2020-10-16: searching the log of functions (Tencent 614/42788). The lines are those that SCF delivers
// to a topic. Of the query language: `FIELD:"value"` and `FIELD:value`, joined by AND; a bare word is looked for in
// SCF_Message.
import { ApiError } from './api-error.ts'
import { action, type LogLine } from './region.ts'

interface SearchLogRequest {
  From: number
  To: number
  /** So the vendor's newest models; the older name, Query, is deprecated there. */
  QueryString?: string
  /** 1: the language of CLS itself. */
  QuerySyntax?: number
  TopicId?: string
  Limit?: number
  Sort?: string
  Context?: string
  UseNewAnalysis?: boolean
  SamplingRate?: number
  Topics?: object
}

export const searchLog = action<SearchLogRequest>(
  {
    From: 'integer',
    To: 'integer',
    'QueryString?': 'string',
    'TopicId?': 'string',
    'Limit?': 'integer',
    'Sort?': 'string',
    'Context?': 'string',
    'QuerySyntax?': 'integer',
    'UseNewAnalysis?': 'boolean',
    'SamplingRate?': 'unmodelled',
    'Topics?': 'unmodelled',
  },
  ({ functions, logs }, { From, To, QueryString = '', TopicId = '', Limit = 100, Sort = 'desc', Context = '0' }) => {
    const topics = [...functions.values()].map(({ latest }) => latest.settings.ClsTopicId)
    if (TopicId === '' || ![...topics, ...logs.map(({ topicId }) => topicId)].includes(TopicId)) {
      throw new ApiError('ResourceNotFound.TopicNotExist', `There is no topic ${TopicId}.`)
    }
    if (Limit < 1 || Limit > 1_000) throw new ApiError('InvalidParameterValue', `Limit is ${Limit}: 1 to 1000.`)
    if (!['asc', 'desc'].includes(Sort)) throw new ApiError('InvalidParameterValue', `Sort is ${Sort}.`)
    const isWanted = matcher(QueryString)
    const found = logs.filter(
      ({ topicId, atMs, fields }) => topicId === TopicId && atMs >= From && atMs <= To && isWanted(fields),
    )
    // A stable sort: lines of one moment stay in their order, turned round when it is descending.
    found.sort((a, b) => a.atMs - b.atMs)
    if (Sort === 'desc') found.reverse()
    const end = Number(Context) + Limit
    return {
      Context: end < found.length ? String(end) : '',
      ListOver: end >= found.length,
      Analysis: false,
      Results: found.slice(Number(Context), end).map(described),
    }
  },
)

function described({ topicId, atMs, fields }: LogLine) {
  return {
    Time: atMs,
    TopicId: topicId,
    TopicName: topicId,
    Source: '',
    FileName: '',
    PkgId: fields.SCF_RequestId,
    PkgLogId: fields.SCF_LogTime,
    LogJson: JSON.stringify(fields),
  }
}

function matcher(query: string): (fields: Record<string, string>) => boolean {
  if (query.trim() === '' || query.trim() === '*') return () => true
  const terms = query.split(/ AND /i).map((term) => {
    const [, field = 'SCF_Message', quoted, bare] =
      /^\s*\(?(?:(\w+):)?(?:"([^"]*)"|([^\s"|()]+))\)?\s*$/.exec(term) ?? []
    const value = quoted ?? bare
    if (value === undefined)
      throw new ApiError('FailedOperation.SyntaxError', `This double does not understand: ${term}`)
    return { field, value }
  })
  return (fields) =>
    terms.every(({ field, value }) =>
      field === 'SCF_Message' ? fields[field]?.includes(value) : fields[field] === value,
    )
}
