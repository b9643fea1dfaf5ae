import { AppError } from '../errors.ts'

const DAY_MS = 86_400_000
const MOST_DAYS = 31

/** From when to when, where either may be left out: the last day before `to`, which is now. Throws `input_invalid`. */
export function spanOf({ from, to }: { from?: Date; to?: Date }, now: number): { from: Date; to: Date } {
  const end = to ?? new Date(now)
  const begin = from ?? new Date(end.getTime() - DAY_MS)
  if (begin >= end) throw new AppError('input_invalid', 'from must be before to')
  if (end.getTime() - begin.getTime() > MOST_DAYS * DAY_MS) {
    throw new AppError('input_invalid', `from and to may be ${MOST_DAYS} days apart at most`)
  }
  return { from: begin, to: end }
}
