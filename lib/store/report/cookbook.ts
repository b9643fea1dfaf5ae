import { CHANNELS } from './channels.ts'
import { FAILURES } from './failures.ts'
import type { Question } from './question.ts'
import { SUBSCRIBERS } from './subscribers.ts'
import { USAGE } from './usage.ts'
import { WATCHING } from './watching.ts'

/** All questions, under the headings of docs/reporting.md; their queries without the indentation of the source. */
export const CHAPTERS: { title: string; questions: Question[] }[] = [
  { title: 'Channels', days: 30, questions: CHANNELS },
  { title: 'Usage', days: 30, questions: USAGE },
  { title: 'Failures and ends', days: 30, questions: FAILURES },
  { title: 'Was anybody watching?', days: 30, questions: WATCHING },
  // There are several of them for every session.
  { title: 'Deliveries', days: 7, questions: SUBSCRIBERS },
].map(({ title, days, questions }) => ({
  title,
  questions: questions.map((question) => ({ ...question, days, sql: question.sql.trim().replaceAll('\n    ', '\n') })),
}))

export const QUESTIONS: Question[] = CHAPTERS.flatMap(({ questions }) => questions)
