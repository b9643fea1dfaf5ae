// What a tick reads of an account's sessions. Tencent's API is the simulator.
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answerDigestOf, changedPart, digestOf, fingerprintsOf, whole } from '../../lib/core/fingerprint.ts'
import { listSessions } from '../../lib/ivh/client.ts'
import { closeSession, createSession } from '../../lib/local/simulator/simulator.ts'
import { tick } from '../../lib/reconcile.ts'
import { ensureAccount } from '../../lib/store/account.ts'
import { readKnown } from '../../lib/store/session.ts'
import { item, listing } from '../core/build.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

test('of all that ever ended, only the ids that the listing names are read', async () => {
  const { simulator, account, clock } = await world.simulate('default')
  for (const id of ['m1', 'm2', 'm3']) createSession(simulator, { userId: id, projectId: 'p', sessionId: id })
  await tick(world.db, account)
  for (const id of ['m1', 'm2']) closeSession(simulator, id)
  clock.now += 1_000
  await tick(world.db, account)
  const { id } = await ensureAccount(world.db, 'default')

  const known = await readKnown(world.db, id, whole(listing([item('m1', 1), item('m3', 1), item('m4', 1)])))

  expect(known.open.map((session) => session.id)).toEqual(['m3'])
  expect(known.ended).toEqual(new Map([['m1', 1]]))
})

describe('where a listing differs in few buckets', () => {
  /** An account with 64 sessions, and the part of its list that is another when the first one ends. */
  async function changed() {
    const settings = { capacity: 64, lingerSeconds: 0, cachedShare: 0, preparingSeconds: [60, 60] as [number, number] }
    const { simulator, account, clock } = await world.simulate('default', settings)
    for (let i = 0; i < 64; i += 1) createSession(simulator, { userId: `u${i}`, projectId: 'p', sessionId: `s${i}` })
    clock.now += 1_000
    await tick(world.db, account)
    const { id, fingerprints, digest } = await ensureAccount(world.db, 'default')
    const open = (await readKnown(world.db, id, whole(listing()))).open
    const rest = listing(open.filter((session) => session.id !== 's0').map(({ id, look }) => ({ id, look })))
    const part = changedPart(rest, fingerprintsOf(rest, fingerprints), fingerprints, digest)
    return { id, part, account, simulator, clock, read: async () => (await readKnown(world.db, id, part)).open }
  }

  test('only their sessions are read', async () => {
    const { part, read } = await changed()

    const ids = (await read()).map((session) => session.id)

    expect(part.buckets).not.toBeNull()
    expect(ids).toContain('s0')
    expect(ids.sort()).toEqual(['s0', ...part.listing.sessions.map(({ id }) => id)].sort())
    expect(ids.length).toBeLessThan(24)
  })

  test('so are sessions that a version without buckets stored, and they end like others', async () => {
    const { read, account, simulator, clock } = await changed()
    const before = (await read()).map((session) => session.id).sort()
    await sql`update session set bucket = null`.execute(world.db)

    expect((await read()).map((session) => session.id).sort()).toEqual(before)
    closeSession(simulator, 's0')
    clock.now += 1_000
    expect(await tick(world.db, account)).toMatchObject({ outcome: 'committed', listed: 63, events: 1 })
  })

  test('what a version without fingerprints committed meanwhile is compared as a whole', async () => {
    const { account, simulator, clock, id } = await changed()
    const then = await world.db.selectFrom('account').select('fingerprints').where('id', '=', id).executeTakeFirst()
    closeSession(simulator, 's0')
    clock.now += 1_000
    await tick(world.db, account)
    await world.db
      .updateTable('account')
      .set({ ...then, digest: 'of another kind' })
      .where('id', '=', id)
      .execute()

    createSession(simulator, { userId: 'u0', projectId: 'p', sessionId: 's0' })
    clock.now += 1_000
    const result = await tick(world.db, account)

    expect(result).toMatchObject({ outcome: 'committed', listed: 64 })
    expect(result.events).toBeGreaterThan(0)
  })
})

describe('an answer of the same bytes as the last one', () => {
  const settings = { lingerSeconds: 0, cachedShare: 0, preparingSeconds: [60, 60] as [number, number] }

  test('is not read, whatever its header', async () => {
    const { simulator, account } = await world.simulate('default', settings)
    createSession(simulator, { userId: 'u', projectId: 'p', sessionId: 'm1' })
    await tick(world.db, account)
    const { bytes } = await listSessions(account.api, 10_000)
    // Not that of the list: whoever reads it finds that.
    const digest = 'of something else'
    const answer_digest = answerDigestOf(digestOf(bytes), digest)
    await world.db.updateTable('account').set({ digest, answer_digest }).execute()

    const same = await tick(world.db, account)
    await world.db.updateTable('account').set({ digest: 'of a third' }).execute()
    const other = await tick(world.db, account)

    expect(same).toMatchObject({ outcome: 'unchanged', listed: 1, complete: true })
    expect(other).toMatchObject({ outcome: 'committed', listed: 1, events: 0 })
  })

  test('is read when a version that knew no such thing committed another one meanwhile', async () => {
    const { simulator, account, clock } = await world.simulate('default', settings)
    createSession(simulator, { userId: 'u', projectId: 'p', sessionId: 'm1' })
    await tick(world.db, account)
    const { answerDigest } = await ensureAccount(world.db, 'default')
    closeSession(simulator, 'm1')
    clock.now += 1_000
    await tick(world.db, account)
    await world.db.updateTable('account').set({ answer_digest: answerDigest }).execute()
    createSession(simulator, { userId: 'u', projectId: 'p', sessionId: 'm1' })

    const result = await tick(world.db, account)

    expect(result).toMatchObject({ outcome: 'committed', listed: 1, events: 1 })
  })
})
