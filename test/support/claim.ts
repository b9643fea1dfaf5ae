import type { Kysely } from 'kysely'
import { LEASE_MS } from '../../lib/core/retry.ts'
import { claim, type Claim, type ClaimOptions } from '../../lib/store/claim.ts'
import type { Database } from '../../lib/store/database.ts'

/** What a drain tells a claim that has so many POSTs of one event each under way, by endpoint, and claims so many ahead. */
export const holding = (posts: Record<string, number>, ahead = 0): ClaimOptions['held'] =>
  new Map(Object.entries(posts).map(([id, count]) => [id, { posts: count, events: count, ahead }]))

/** Claims all there is, as a drain that has nothing under way; what others have under way never counts as hanging. */
export const claimAll = (db: Kysely<Database>, options: Partial<ClaimOptions> = {}): Promise<Claim[]> =>
  claim(db, {
    limit: 1_000,
    perEndpoint: 1_000,
    held: new Map(),
    leaseMs: LEASE_MS,
    retryForMs: 3_600_000,
    hangsAfterMs: LEASE_MS,
    ...options,
  })
