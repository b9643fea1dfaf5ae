import { findQuestion, runReport, takes } from '../../store/report.ts'
import { QUESTIONS } from '../../store/report/cookbook.ts'
import { route } from '../route.ts'
import * as schemas from '../schemas.ts'

const MOST_ROWS = 10_000
/** Less than any query may take, or the database would pass for one that is away. */
const WITHIN_MS = 15_000
const PARAMETERS = ['account', 'from', 'to', 'channels'] as const

/** Questions about the past. */
export const reportRoutes = [
  route('GET /api/reports', {
    scope: 'read',
    summary: 'The questions that there is an answer to',
    answer: schemas.reports,
    handle: async () => ({
      reports: QUESTIONS.map((question) => ({
        name: question.name,
        asks: question.asks,
        takes: PARAMETERS.filter((parameter) => takes(question, parameter)),
        days: question.days,
        plot: question.plot ?? null,
      })),
    }),
  }),

  route('GET /api/reports/:name', {
    scope: 'read',
    summary: 'The answer to a question; channels by default those of the settings',
    path: schemas.reportPath,
    query: schemas.reportQuery,
    answer: schemas.report,
    refusals: [404],
    handle: async ({ path: { name }, query, services: { db, channels, reportTurn } }) => {
      const question = findQuestion(name)
      const bought = channels === null ? {} : { channels }
      const patience = { withinMs: WITHIN_MS, most: MOST_ROWS + 1 }
      const { columns, rows } = await reportTurn(() => runReport(db, question, { ...bought, ...query }, patience))
      return { columns, rows: rows.slice(0, MOST_ROWS), truncated: rows.length > MOST_ROWS }
    },
  }),
]
