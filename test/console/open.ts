// A console on a test's own database, asked as its rim asks it: a Request in, a Response out.
import type { Kysely } from 'kysely'
import { addressGuard } from '../../lib/address.ts'
import { openConsole, type ConsoleOptions } from '../../lib/console/app.ts'
import { openPoster } from '../../lib/post.ts'
import type { Database } from '../../lib/store/database.ts'

export const READ = 'read-token-0123456789012345678901234567'
export const WRITE = 'write-token-0123456789012345678901234567'

export interface Question {
  method?: string
  /** Brought as a bearer; null: none. Default: one that may write. */
  token?: string | null
  /** Sent as JSON, unless it is a text. */
  body?: unknown
  headers?: Record<string, string>
  address?: string
  origin?: string
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** Undefined where the answer is no JSON. */
  json: unknown
  /** Of its error, if it is one. */
  code: string | undefined
}

export interface TestConsole {
  ask(path: string, question?: Question): Promise<Answer>
  /** What it believes the time to be: milliseconds since 1970. */
  clock: { now: number }
  /** Every line it has logged, as text. */
  logged: string[]
  /** How often it said that the database is lost. */
  lost: number
}

/** Opens a console; its clock stands still until a test moves it. */
export function openTestConsole(db: Kysely<Database>, options: Partial<ConsoleOptions> = {}): TestConsole {
  const clock = { now: Date.now() }
  const logged: string[] = []
  const guard = addressGuard(['127.0.0.0/8'])
  const answer = openConsole({
    db,
    keyring: [],
    addressGuard: guard,
    poster: openPoster(guard),
    channels: 30,
    tokens: { read: [READ], write: [WRITE] },
    assets: {},
    now: () => clock.now,
    log: (...line) => void logged.push(JSON.stringify(line)),
    ...options,
  })
  const opened: TestConsole = {
    clock,
    logged,
    lost: 0,
    ask: async (path, { method = 'GET', token = WRITE, body, headers = {}, address = '198.51.100.1', origin } = {}) => {
      const isText = typeof body === 'string'
      const request = new Request(`${origin ?? 'https://console.test'}${path}`, {
        method,
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
      })
      const response = await answer(request, { address, lost: () => void (opened.lost += 1) })
      const text = await response.text()
      const json = parse(text)
      const code = (json as { error?: { code: string } } | undefined)?.error?.code
      return { status: response.status, headers: response.headers, text, json, code }
    },
  }
  return opened
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** The cookie of an answer, as a browser would send it. */
export const cookieOf = ({ headers }: Answer): string => (headers.get('set-cookie') ?? '').split(';')[0] ?? ''
