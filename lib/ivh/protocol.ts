// Reads the answers of the Digital Human API: strict about what Rollcall stands on, tolerant of everything else.
// Nothing about the real gateway is certain, so one odd item must never spoil the listing.
import * as v from 'valibot'
import type { Evidence } from '../core/diff.ts'
import { type ApiFault, type ListedSession, type Listing, makeListing, statusName } from '../core/session.ts'
import { AppError } from '../errors.ts'

const INT4_MAX = 2_147_483_647
const MAX_EXTRA_LENGTH = 8_192
const MAX_EXTRA_DEPTH = 20

const integer = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^-?\d{1,10}$/), v.transform(Number))]),
  v.integer(),
  v.minValue(-INT4_MAX),
  v.maxValue(INT4_MAX),
)

/** Postgres takes neither U+0000 nor lone surrogates, and an index no endless text. */
const text = (maxLength: number) =>
  v.pipe(
    v.string(),
    v.transform((value) => storable(value.slice(0, maxLength))),
  )

const isStorable = (value: string) => storable(value) === value

function storable(value: string): string {
  return value.replaceAll(/\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD')
}

/**
 * An id that would have to be changed to be stored, or to be an event's subject, is not that session's id; nor is one with
 * U+FFFD: the decoder makes that of bytes that are no UTF-8, whichever they are.
 */
const sessionId = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(128),
  v.check(isStorable),
  v.regex(/^[^\p{Cc}\uFFFD]+$/u),
)

const flag = v.fallback(
  v.pipe(
    v.unknown(),
    v.transform((value) => value === true || value === 1 || (typeof value === 'string' && /^(true|1)$/i.test(value))),
  ),
  false,
)

const item = v.objectWithRest(
  {
    SessionId: sessionId,
    SessionStatus: integer,
    // A caller's own id: a number says the same.
    UserId: v.fallback(
      v.nullish(v.union([text(1_024), v.pipe(v.number(), v.safeInteger(), v.transform(String))]), null),
      null,
    ),
    PlayStreamAddr: v.fallback(v.nullish(text(2_048), null), null),
    DriverType: v.fallback(v.nullish(integer, null), null),
    IsSessionStarted: v.optional(flag, false),
  },
  v.unknown(),
)

const envelope = v.looseObject({
  Header: v.looseObject({ Code: integer, Message: v.fallback(v.optional(text(500), ''), '') }),
})

const listPayload = v.object({
  // An array passes for an object that lacks everything.
  Payload: v.nullish(
    v.pipe(
      v.unknown(),
      v.check((payload) => !Array.isArray(payload)),
      v.object({ Sessions: v.nullish(v.array(v.unknown())) }),
    ),
  ),
})

const statPayload = v.object({
  Payload: v.object({
    SessionStatus: integer,
    IsSessionStarted: v.optional(flag, false),
    PlayStreamAddr: v.fallback(v.nullish(text(2_048), null), null),
    ErrorCode: v.fallback(v.nullish(integer, null), null),
    ErrorMessage: v.fallback(v.nullish(text(500), null), null),
  }),
})

/** The API's own answer to a call: its code (0 is success), its message for people, and the answer as parsed. */
export interface ParsedAnswer {
  code: number
  message: string
  answer: unknown
}

/** Parses an answer's text, trailing commas allowed as in the API's own samples. Throws `api_answer_invalid`. */
export function parseAnswer(body: string): ParsedAnswer {
  const answer = parseJson(body)
  const parsed = v.safeParse(envelope, answer)
  if (!parsed.success) throw invalid('there is no Header with a Code')
  return { code: parsed.output.Header.Code, message: parsed.output.Header.Message, answer }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    try {
      return JSON.parse(body.replace(STRING_OR_TRAILING_COMMA, '$1'))
    } catch {
      throw invalid('it is not JSON, or cut off')
    }
  }
}

/**
 * Whole strings are matched first, so that a comma inside one is never taken for a trailing one; also a string that is cut
 * off, or the search would begin again at each of its quotes. A comma trails only behind something: `[,]` is no empty list.
 */
const STRING_OR_TRAILING_COMMA = /("[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$))|,(?<=["\]}\w]\s*,)(?=\s*[}\]])/g

/** The items in a successful answer of `listsessionofuin`, not read yet; null or missing `Sessions` are none. */
export function itemsOf(answer: unknown): unknown[] {
  const parsed = v.safeParse(listPayload, answer)
  if (!parsed.success) throw invalid('its Sessions are not a list')
  return parsed.output.Payload?.Sessions ?? []
}

/** How many sessions the items have, if all of them can be read. */
export function countSessions(items: unknown[]): number {
  return new Set(items.map((one) => (one as Plain).SessionId)).size
}

/** The listing that these items are. */
export function readListing(items: unknown[]): Listing {
  const readable = items.map(readItem).filter((session) => session !== null)
  return makeListing(readable, items.length - readable.length, unknownIn(readable))
}

const NEWER_FIELDS = ['VirtualmanType', 'CreateType', 'VirtualmanKey', 'AssetVirtualmanKey', 'VirtualmanProjectId']
const MAX_UNKNOWN = 10

function unknownIn(sessions: ListedSession[]): string[] {
  const unknown = new Set<string>()
  for (const { look } of sessions) {
    if (statusName(look.status) === 'unknown') unknown.add(`status ${look.status}`)
    for (const field in look.extra) if (!NEWER_FIELDS.includes(field)) unknown.add(`field ${field.slice(0, 40)}`)
    if (unknown.size >= MAX_UNKNOWN) break
  }
  return [...unknown].slice(0, MAX_UNKNOWN)
}

/** Of 100,000 items nearly all are plain, and the schema would take most of a tick's time for them. */
function readItem(raw: unknown): ListedSession | null {
  return readPlain(raw) ?? readAny(raw)
}

const PLAIN_ID = /^[\w-]{1,128}$/
const PLAIN_TEXT = /^[ -~]{0,200}$/
/** So few that they are never longer than MAX_EXTRA_LENGTH. */
const MOST_PLAIN_FIELDS = 10

const isText = (value: unknown): value is string => typeof value === 'string' && PLAIN_TEXT.test(value)
const isInteger = (value: unknown): value is number => Number.isInteger(value) && Math.abs(value as number) <= INT4_MAX
const isScalar = (value: unknown) =>
  isText(value) || Number.isFinite(value) || typeof value === 'boolean' || value === null

/** What the schema makes of an item of the documented types and of ASCII alone; null for any other. */
function readPlain(raw: unknown): ListedSession | null {
  if (typeof raw !== 'object' || raw === null) return null
  const { SessionId, SessionStatus, UserId, PlayStreamAddr, DriverType, IsSessionStarted, ...rest } = raw as Plain
  const fields = Object.keys(rest)
  const isPlain =
    typeof SessionId === 'string' &&
    PLAIN_ID.test(SessionId) &&
    isInteger(SessionStatus) &&
    (isText(UserId) || UserId == null) &&
    (isText(PlayStreamAddr) || PlayStreamAddr == null) &&
    (isInteger(DriverType) || DriverType == null) &&
    (typeof IsSessionStarted === 'boolean' || IsSessionStarted === undefined) &&
    fields.length <= MOST_PLAIN_FIELDS &&
    fields.every((field) => isText(field) && field !== '__proto__' && isScalar(rest[field]))
  if (!isPlain) return null
  const look = {
    userId: UserId ?? null,
    status: SessionStatus,
    started: IsSessionStarted ?? false,
    driverType: DriverType ?? null,
    playStreamAddr: PlayStreamAddr ?? null,
    extra: fields.length === 0 ? null : rest,
  }
  return { id: SessionId, look }
}

/** An item that keeps to the documentation. */
interface Plain {
  SessionId: string
  SessionStatus: number
  UserId?: string | null
  PlayStreamAddr?: string | null
  DriverType?: number | null
  IsSessionStarted?: boolean
  [field: string]: unknown
}

function readAny(raw: unknown): ListedSession | null {
  const parsed = v.safeParse(item, raw)
  if (!parsed.success) return null
  const { SessionId, SessionStatus, UserId, PlayStreamAddr, DriverType, IsSessionStarted, ...rest } = parsed.output
  return {
    id: SessionId,
    look: {
      userId: UserId,
      status: SessionStatus,
      started: IsSessionStarted,
      driverType: DriverType,
      playStreamAddr: PlayStreamAddr,
      extra: readExtra(rest),
    },
  }
}

/** Further fields are kept as they came, unless they are too many, too deep, or have names that cannot be stored. */
function readExtra(rest: Record<string, unknown>): Record<string, unknown> | null {
  if (Object.keys(rest).length === 0 || isDeeperThan(MAX_EXTRA_DEPTH, rest)) return null
  let named = true
  const json = JSON.stringify(rest, (key, value: unknown) => {
    named &&= isStorable(key)
    return typeof value === 'string' ? storable(value) : value
  })
  return named && json.length <= MAX_EXTRA_LENGTH ? (JSON.parse(json) as Record<string, unknown>) : null
}

function isDeeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((inner) => isDeeperThan(depth - 1, inner))
}

/** What a successful answer of `statsession` says. A closed session's code 0 means that it gives no error. */
export function readStat(answer: unknown): Evidence {
  const parsed = v.safeParse(statPayload, answer)
  if (!parsed.success) throw invalid('it has no SessionStatus')
  const { SessionStatus, IsSessionStarted, PlayStreamAddr, ErrorCode, ErrorMessage } = parsed.output.Payload
  const error: ApiFault = ErrorCode ? { code: ErrorCode, message: ErrorMessage ?? '' } : null
  return { kind: 'found', status: SessionStatus, started: IsSessionStarted, playStreamAddr: PlayStreamAddr, error }
}

function invalid(what: string): AppError {
  return new AppError('api_answer_invalid', `the Digital Human API gave an answer Rollcall cannot read: ${what}`)
}
