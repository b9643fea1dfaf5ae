import { InvalidArgumentError } from 'commander'
import { EVENT_TYPES, OPERATOR_EVENT_TYPES } from '../core/event.ts'
import { headerFault } from '../core/header.ts'
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

  /** In less, no POST could have its time. */
  drainSeconds: (text: string): number => {
    if (!/^\d{1,15}$/.test(text) || Number(text) < 2)
      throw new InvalidArgumentError('Expected whole seconds, 2 or more.')
    return Number(text)
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

  /** A time or a day as it was written: which moment that is depends on a time zone, which Postgres knows. */
  moment: (text: string): string => {
    if (!/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?$/i.test(text.trim()))
      throw new InvalidArgumentError('Expected a time or a day, such as 2026-11-22T10:00:00Z or 2026-11-22.')
    return text.trim()
  },

  channels: (text: string): number => {
    if (!/^\d{1,6}$/.test(text) || Number(text) < 1)
      throw new InvalidArgumentError('Expected a number of channels, 1 or more.')
    return Number(text)
  },

  account: (text: string): string => {
    if (!ACCOUNT_NAME.test(text)) throw new InvalidArgumentError('Expected the name of an account.')
    return text
  },

  eventTypes: (text: string): string[] => {
    const types = text.split(',').map((type) => type.trim())
    const known: readonly string[] = ['*', ...EVENT_TYPES, ...OPERATOR_EVENT_TYPES]
    if (!types.every((type) => known.includes(type))) {
      throw new InvalidArgumentError(`Expected * or some of ${known.slice(1).join(',')}.`)
    }
    const isCovered = (type: string) => types.includes('*') && EVENT_TYPES.some((one) => one === type)
    return [...new Set(types)].filter((type) => !isCovered(type))
  },

  /** Adds a header to those given before it. */
  header: (text: string, before: Record<string, string>): Record<string, string> => {
    const [, name = '', value = ''] = /^([^:]*):(.*)$/s.exec(text) ?? []
    const headers = { ...before, [name.trim().toLowerCase()]: value.trim() }
    const fault = headerFault(headers)
    if (fault !== undefined) throw new InvalidArgumentError(`Expected 'name: value'; ${fault}.`)
    return headers
  },

  rate: (text: string): number => {
    const rate = Number(text)
    if (!(rate >= 0.01 && rate <= 10_000))
      throw new InvalidArgumentError('Expected POSTs a second, from 0.01 to 10000.')
    return rate
  },

  batchSize: (text: string): number => {
    if (!/^\d{1,3}$/.test(text) || Number(text) < 1 || Number(text) > 500) {
      throw new InvalidArgumentError('Expected events in one POST, from 1 to 500.')
    }
    return Number(text)
  },

  hours: (text: string): number => {
    const hours = Number(text)
    if (text.trim() === '' || !(hours >= 0 && hours <= 8_760)) {
      throw new InvalidArgumentError('Expected hours, from 0 to 8760.')
    }
    return hours
  },
}
