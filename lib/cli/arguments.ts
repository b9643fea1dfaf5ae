import { InvalidArgumentError } from 'commander'
import { EVENT_TYPES } from '../core/event.ts'
import { ACCOUNT_NAME } from '../config.ts'

/** Each parses one argument or refuses it in words that follow the option's name. */
export const argument = {
  wholeNumber: (text: string): number => {
    if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
    return Number(text)
  },

  seconds: (text: string): number => {
    const seconds = Number(text)
    if (!(seconds >= 0.1 && seconds <= 86_400)) throw new InvalidArgumentError('Expected seconds, from 0.1 to 86400.')
    return seconds
  },

  port: (text: string): number => {
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('Expected a port, 0 to 65535.')
    return Number(text)
  },

  time: (text: string): Date => {
    const time = new Date(text)
    // A bare number would be taken for a year or a month.
    if (!/^\d{4}-\d\d/.test(text) || Number.isNaN(time.getTime()))
      throw new InvalidArgumentError('Expected a time such as 2026-11-22T10:00:00Z.')
    return time
  },

  account: (text: string): string => {
    if (!ACCOUNT_NAME.test(text)) throw new InvalidArgumentError('Expected the name of an account.')
    return text
  },

  eventTypes: (text: string): string[] => {
    const types = text.split(',').map((type) => type.trim())
    const isKnown = (type: string) => type === '*' || EVENT_TYPES.some((known) => known === type)
    if (!types.every(isKnown)) throw new InvalidArgumentError(`Expected * or some of ${EVENT_TYPES.join(',')}.`)
    return types.includes('*') ? ['*'] : [...new Set(types)]
  },
}
