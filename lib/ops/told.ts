/** What a verb has to tell. */
export interface Told {
  /** Whether the exit code is 0. */
  isWell: boolean
  /** The one value of --json. */
  json: unknown
  /** For people. */
  lines: string[]
  /** What is wrong and what to do: on standard error, for people. */
  problems: string[]
}
