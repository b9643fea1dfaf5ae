// Tells which part of a listing is not as it was in the one before, without the sessions of that one: ids fall into buckets,
// and each bucket has a fingerprint. So a tick reads the sessions of the buckets that changed, and no others.
import { createHash } from 'node:crypto'
import { jsonOf, type Listing, type Look } from './session.ts'

/** Of each bucket in turn, 8 bytes: the sum of its sessions' hashes; 0 when it has none. */
export type Fingerprints = Buffer

const BYTES = 8
/** The most buckets there are. Fewer suit a shorter list: a power of two, each of as many neighbours. */
const BUCKETS = 2 ** 14
const SESSIONS_PER_BUCKET = 8
/** A listing may become so many times as long, or as short, until its buckets are dealt anew: else one on the verge would do it each time. */
const LONGER = 2
const SHORTER = 4

const START = 0x811c9dc5
/** Of two hashes that know nothing of each other. The first is that of FNV. */
const FACTORS = [0x01000193, 0x9e3779b1] as const

/** The number of an id, 0 to 16383. Stored with each session: to change it is to migrate. */
export const bucketOf = (id: string) => hash(id, START, FACTORS[0]) >>> 18

/** The fingerprints of a listing, equal for equal listings in whatever order; `before`: those of the listing before. */
export function fingerprintsOf(listing: Listing, before: Fingerprints | null): Fingerprints {
  const count = countFor(listing.sessions.length, before)
  const sums = new Uint32Array(2 * count)
  for (const { id, look } of listing.sessions) {
    const place = 2 * placeOf(bucketOf(id), count)
    sums[place]! += sessionHash(id, look, FACTORS[0])
    sums[place + 1]! += sessionHash(id, look, FACTORS[1])
  }
  return Buffer.from(sums.buffer)
}

/**
 * Not of a text made of the session: for 100,000 that would take longer than to parse them. It must not tell apart what
 * lookKey does not, nor the other way round.
 */
function sessionHash(id: string, look: Look, factor: number): number {
  const { status, started, userId, driverType, playStreamAddr, extra } = look
  let sum = hash(id, START, factor)
  sum = mixed(sum ^ status)
  // No driver type, being a number of 4 bytes and a sign.
  sum = mixed(sum ^ (driverType ?? 2 ** 31))
  sum = mixed(sum + Number(started) + (userId === null ? 2 : 0) + (playStreamAddr === null ? 4 : 0))
  sum = hash(userId ?? '', sum, factor)
  sum = hash(playStreamAddr ?? '', sum, factor)
  if (extra === null) return sum
  let fields = 0
  for (const field of Object.keys(extra)) {
    const value = extra[field]
    const [text, kind] = typeof value === 'string' ? [value, 0] : [jsonOf(value), 1]
    fields += hash(text, hash(field, START, factor) + kind, factor)
  }
  return mixed(sum ^ fields)
}

/** FNV-1a over UTF-16 from any start, with any factor. */
function hash(text: string, start: number, factor: number): number {
  let sum = start
  for (let i = 0; i < text.length; i += 1) sum = Math.imul(sum ^ text.charCodeAt(i), factor)
  return mixed(sum)
}

/** As MurmurHash3 does at its end: or texts that differ in their last letters only would be neighbours. */
function mixed(sum: number): number {
  let bits = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

/** SHA-256 in hex: of fingerprints, that is the digest of their listing. */
export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Of an answer's bytes, bound to the digest of their listing: since then the list may have changed, and changed back. */
export function answerDigestOf(bytesDigest: string, digest: string): string {
  return digestOf(Buffer.from(bytesDigest + digest))
}

/** The part of a listing that may have changed, and where the sessions belong that were there before. */
export interface Part {
  listing: Listing
  /** From and to, both included; null: any. */
  buckets: [number, number][] | null
  has: (id: string) => boolean
}

/** All of a listing. */
export const whole = (listing: Listing): Part => ({ listing, buckets: null, has: () => true })

/**
 * What of a listing is not as it was. All of it where that cannot be told or would hardly be less: `digest` is that of the
 * listing before, and says whether `before` are its fingerprints.
 */
export function changedPart(
  listing: Listing,
  fingerprints: Fingerprints,
  before: Fingerprints | null,
  digest: string | null,
): Part {
  if (before?.length !== fingerprints.length || digestOf(before) !== digest) return whole(listing)
  const count = fingerprints.length / BYTES
  const isChanged = Array.from({ length: count }, (_, place) => {
    const [from, to] = [place * BYTES, (place + 1) * BYTES]
    return before.compare(fingerprints, from, to, from, to) !== 0
  })
  const width = BUCKETS / count
  const buckets = isChanged.flatMap((changed, place): [number, number][] =>
    changed ? [[place * width, (place + 1) * width - 1]] : [],
  )
  if (buckets.length > count / 2) return whole(listing)
  const has = (id: string) => isChanged[placeOf(bucketOf(id), count)] === true
  return { listing: { ...listing, sessions: listing.sessions.filter(({ id }) => has(id)) }, buckets, has }
}

const placeOf = (bucket: number, count: number) => Math.floor((bucket * count) / BUCKETS)

function countFor(sessions: number, before: Fingerprints | null): number {
  const best = Math.min(BUCKETS, 2 ** Math.ceil(Math.log2(Math.max(1, sessions / SESSIONS_PER_BUCKET))))
  const now = (before?.length ?? 0) / BYTES
  return now >= best / LONGER && now <= best * SHORTER ? now : best
}
