// What an API's answers allow, read from their bytes without Rollcall's code: the oracle of answers.test.ts.
import type { Answer } from './answer-server.ts'
import { meaning } from './json.ts'
import type { OddTick } from './odd-answers.ts'

/** What there is to read of an answer: nothing of one that was cut or compressed. */
function readable({ body, sending }: Answer): unknown {
  if (!body || sending === 'cut') return undefined
  return meaning((sending === 'short' ? body.subarray(0, Math.max(0, body.length - 7)) : body).toString('utf8'))
}

export const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
/** The number that a number or a text says. */
const number = (value: unknown) =>
  typeof value === 'number' || (typeof value === 'string' && value !== '') ? Number(value) : NaN

/** The items of a list that says that all went well; undefined when it is not one. */
export function itemsOf(list: Answer): unknown[] | undefined {
  const answer = readable(list)
  if (list.status !== 200 || number(field(field(answer, 'Header'), 'Code')) !== 0) return undefined
  const payload = field(answer, 'Payload') ?? {}
  const sessions = field(payload, 'Sessions') ?? []
  return typeof payload === 'object' && !Array.isArray(payload) && Array.isArray(sessions) ? sessions : undefined
}

export const isItem = (one: unknown) => {
  const id = field(one, 'SessionId')
  const isId = typeof id === 'string' && id !== '' && !id.includes('\ufffd')
  return isId && !Array.isArray(one) && Number.isInteger(number(field(one, 'SessionStatus')))
}

/** Every reason for which this tick may end a session; `complete` is how many complete lists were without it in a row. */
export function causesOf(id: string, { list, stats }: OddTick, complete: number): string[] {
  const items = itemsOf(list)
  if (!items) return []
  const said = items.filter((one) => field(one, 'SessionId') === id).map((one) => number(field(one, 'SessionStatus')))
  if (said.length > 0) return said.every((status) => status !== 1 && status !== 3) ? ['reported'] : []
  const stat = stats[id] ?? stats['other']
  const answer = stat && readable(stat)
  const code = number(field(field(answer, 'Header'), 'Code'))
  const status = number(field(field(answer, 'Payload'), 'SessionStatus'))
  const causes = []
  if (code === 110_013 || (code === 0 && (status === 2 || status === 4))) causes.push('reported')
  if (code === 110_018 && items.every(isItem)) causes.push('gone')
  // Whatever statsession said, it may have said it too late, or with a status that makes it no answer.
  if (complete >= 3) causes.push('absent')
  return causes
}
