/** How much a line matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** From the least to the most. */
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Writes one line of JSON; fields hold no secret, stream address or body. */
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void

/** A log that passes on lines of `least` and above, each with its time, to `write`. */
export function openLog(least: LogLevel, write: (line: string) => void): Log {
  return (level, message, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return
    write(JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }))
  }
}
