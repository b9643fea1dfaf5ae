import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** A request that is not answered, and why: as its status, a code for programs and a message for people. */
export class Refusal extends Error {
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly headers: Record<string, string>

  constructor(status: ContentfulStatusCode, code: string, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.code = code
    this.headers = headers
  }
}
