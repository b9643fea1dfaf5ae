/** What the history is like. */
export interface HistorySettings {
  days: number
  /** On average: there are more on a weekday. */
  sessionsPerDay: number
  tickSeconds: number
  /** Any whole number; the same one gives the same rows. */
  seed: number
  /** For so many of the last days there are events and deliveries: older ones have aged out. */
  eventDays: number
  endpoints: number
  /** When the history ends. */
  until: Date
}

/** A day of the history: 24 hours from `from`, which is any full hour. */
export interface Day {
  /** From 0. */
  number: number
  from: Date
  to: Date
}

/** Eight of ten sessions are of the first. */
export const ACCOUNTS = [
  { id: 1, name: 'default' },
  { id: 2, name: 'partner' },
] as const

/** Days of the history have no daylight saving. */
export const DAY_MS = 86_400_000

/** When the history begins. */
export const beginOf = ({ days, until }: HistorySettings): Date => new Date(until.getTime() - days * DAY_MS)
