// Who may ask the console, decided without clock or chance of its own. Tokens are compared as hashes, all of them, in a time
// that does not depend on them; a cookie is nothing but a signature by a key made of its token, which ends with the token.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** What a token allows: to look, or also to change something and to see stream addresses. */
export type Scope = 'read' | 'write'

/** Tokens as the settings have them. */
export interface Tokens {
  read: readonly string[]
  write: readonly string[]
}

/** A token as it is compared and signed with. */
export interface Key {
  scope: Scope
  digest: Buffer
  key: Buffer
}

/** Who asks. */
export interface Caller {
  scope: Scope
  /** What a request that changes something must bring; null for who brings the token itself, as no browser does by itself. */
  csrf: string | null
}

export const COOKIE = 'rollcall_session'
export const COOKIE_SECONDS = 12 * 3_600

/** The keys of all tokens; one that is among both kinds allows both. */
export function keysOf({ read, write }: Tokens): Key[] {
  const keyOf = (scope: Scope) => (token: string) => ({
    scope,
    digest: createHash('sha256').update(token).digest(),
    key: createHmac('sha256', token).update('rollcall console').digest(),
  })
  return [...write.map(keyOf('write')), ...read.map(keyOf('read'))]
}

/** The key of that token; undefined where it is none. */
export function findKey(keys: readonly Key[], token: string): Key | undefined {
  const digest = createHash('sha256').update(token).digest()
  return first(keys, (key) => timingSafeEqual(key.digest, digest))
}

/** A new cookie's value, for who brought the key's token; `nonce` was never given before. */
export function sealCookie({ key }: Key, nonce: string, now: number): string {
  const payload = `${Math.floor(now / 1_000) + COOKIE_SECONDS}.${nonce}`
  return `${payload}.${sign(key, `cookie ${payload}`)}`
}

/** Who brings a cookie; undefined where it is over, never was one, or its token is gone. */
export function openCookie(keys: readonly Key[], cookie: string, now: number): Caller | undefined {
  const [, expires = '', nonce = '', signature = ''] = /^(\d{1,12})\.([\w-]{1,64})\.([\w-]{43})$/.exec(cookie) ?? []
  if (signature === '') return undefined
  const found = first(keys, ({ key }) => isEqual(sign(key, `cookie ${expires}.${nonce}`), signature))
  if (!found || Number(expires) * 1_000 <= now) return undefined
  return { scope: found.scope, csrf: sign(found.key, `csrf ${cookie}`) }
}

/** Whether two texts are the same, in a time that does not depend on where they differ. */
export function isEqual(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}

const sign = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest('base64url')

/** Not `find`, which would tell by its time how far it had to look. */
function first<Value>(values: readonly Value[], fits: (value: Value) => boolean): Value | undefined {
  return values.filter(fits)[0]
}

/** A wrong token. */
export interface Failure {
  address: string
  at: number
}

const WINDOW_MS = 60_000
const MOST_OF_ONE = 10
const MOST_OF_ALL = 100

/**
 * Those of the last minute: never more than may be, since who is refused is not noted again. None of the future: a clock that is
 * set back must not make a minute longer.
 */
export const recent = (failures: readonly Failure[], now: number): Failure[] =>
  failures.filter(({ at }) => at > now - WINDOW_MS && at <= now)

/** For how many more seconds no token from that address is looked at; 0: it is. */
export const refusedForSeconds = (failures: readonly Failure[], address: string, now: number): number =>
  secondsUntilFewer(
    failures.filter((failure) => failure.address === address),
    MOST_OF_ONE,
    now,
  )

/** The same for wrong tokens alone, of whatever address: who tries from many must not shut out those who know one. */
export const crowdedForSeconds = (failures: readonly Failure[], now: number): number =>
  secondsUntilFewer(failures, MOST_OF_ALL, now)

function secondsUntilFewer(failures: readonly Failure[], most: number, now: number): number {
  const waitMs = (recent(failures, now).at(-most)?.at ?? -Infinity) + WINDOW_MS - now
  return waitMs > 0 ? Math.ceil(waitMs / 1_000) : 0
}
