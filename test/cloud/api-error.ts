/** What an action refuses: the caller gets `{Response: {Error: {Code, Message}}}` with HTTP 200 (Tencent 583/30771). */
export class ApiError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Throws InvalidParameterValue.… */
export function invalid(what: string, message: string): never {
  throw new ApiError(`InvalidParameterValue.${what}`, message)
}
