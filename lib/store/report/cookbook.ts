import { CHANNELS } from './channels.ts'
import { FAILURES } from './failures.ts'
import type { Question } from './question.ts'
import { SUBSCRIBERS } from './subscribers.ts'
import { USAGE } from './usage.ts'
import { WATCHING } from './watching.ts'

/** All questions, under the headings of docs/reporting.md; their queries without the indentation of the source. */
export const CHAPTERS: { title: string; questions: Question[] }[] = [
  { title: 'Channels', questions: CHANNELS },
  { title: 'Usage', questions: USAGE },
  { title: 'Failures and ends', questions: FAILURES },
  { title: 'Was anybody watching?', questions: WATCHING },
  { title: 'Deliveries', questions: SUBSCRIBERS },
].map(({ title, questions }) => ({
  title,
  questions: questions.map((question) => ({ ...question, sql: question.sql.trim().replaceAll('\n    ', '\n') })),
}))

export const QUESTIONS: Question[] = CHAPTERS.flatMap(({ questions }) => questions)
