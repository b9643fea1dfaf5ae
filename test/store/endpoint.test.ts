// What becomes of an endpoint by command, against a real Postgres; nothing is sent.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { ensureAccount, lockAccount } from '../../lib/store/account.ts'
import { addEndpoint, proveEndpoint, removeEndpoint, showEndpoint, updateEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint, enableEndpoint, pauseEndpoint } from '../../lib/store/endpoint-state.ts'
import { fanOut } from '../../lib/store/event.ts'
import { claimAll } from '../support/claim.ts'
import { eventually } from '../support/receiver.ts'
import { seed } from '../support/seed.ts'
import { openWorld, type World } from '../support/world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const url = 'http://127.0.0.1:9/first'
const elsewhere = 'http://127.0.0.1:9/second'
const add = async (settings: { mustProve?: boolean; events?: string[] } = {}) =>
  (await addEndpoint(world.db, { url, events: ['*'], ...settings })).id
const stateOf = async (id: string) => (await showEndpoint(world.db, id)).state

describe('an endpoint that must prove itself', () => {
  test('gets nothing, and keeps what it misses, until the URL it has has echoed a challenge', async () => {
    const id = await add({ mustProve: true })
    await seed(world.db, { sessions: 2 })
    const before = [await stateOf(id), (await claimAll(world.db)).length]

    await proveEndpoint(world.db, id, url)

    expect(before).toEqual(['paused', 0])
    const shown = await showEndpoint(world.db, id)
    expect(shown).toMatchObject({ state: 'active', stateReason: null, mustProve: true, pending: 2 })
    expect(shown.provedAt).toBeInstanceOf(Date)
    expect(await claimAll(world.db)).toHaveLength(2)
  })

  test('is not proved by the echo of another URL, such as that of before a move', async () => {
    const id = await add({ mustProve: true })
    await updateEndpoint(world.db, id, { url: elsewhere })

    await proveEndpoint(world.db, id, url)

    expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'paused', provedAt: null })
  })

  test('must do so again when it moves, and not when anything else of it changes or its URL is the same', async () => {
    const id = await add({ mustProve: true })
    await proveEndpoint(world.db, id, url)
    await updateEndpoint(world.db, id, { url, description: 'same', rate: 1, batchSize: 2, headers: {}, events: ['*'] })
    const unmoved = await showEndpoint(world.db, id)

    await updateEndpoint(world.db, id, { url: elsewhere })

    expect(unmoved).toMatchObject({ state: 'active', description: 'same' })
    expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'paused', provedAt: null, url: elsewhere })
    await proveEndpoint(world.db, id, elsewhere)
    expect(await stateOf(id)).toBe('active')
  })

  test('cannot be enabled before', async () => {
    const id = await add({ mustProve: true })

    await expect(enableEndpoint(world.db, id, 'all')).rejects.toMatchObject({ code: 'input_invalid' })

    expect(await stateOf(id)).toBe('paused')
  })

  test.each([
    ['paused', pauseEndpoint],
    ['disabled', disableEndpoint],
  ])('that was %s by hand stays so when it echoes, and can then be enabled', async (state, stop) => {
    const id = await add({ mustProve: true })
    await proveEndpoint(world.db, id, url)
    await stop(world.db, id, 'by hand')
    await updateEndpoint(world.db, id, { url: elsewhere })
    await expect(enableEndpoint(world.db, id, 'all')).rejects.toMatchObject({ code: 'input_invalid' })

    await proveEndpoint(world.db, id, elsewhere)

    expect(await showEndpoint(world.db, id)).toMatchObject({ state, stateReason: 'by hand' })
    await enableEndpoint(world.db, id, 'all')
    expect(await stateOf(id)).toBe('active')
  })

  test('that moves while it is being proved is active only where it echoed', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => add({ mustProve: true })))

    await Promise.all(
      ids.flatMap((id) => [proveEndpoint(world.db, id, url), updateEndpoint(world.other, id, { url: elsewhere })]),
    )

    for (const id of ids) expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'paused', provedAt: null })
  })
})

test('an endpoint that need not prove itself goes on when it moves, and what is pending goes to its new URL', async () => {
  const id = await add()
  await seed(world.db, { sessions: 1 })
  await updateEndpoint(world.db, id, { url: elsewhere })

  const claims = await claimAll(world.db)

  expect(claims).toMatchObject([{ endpointId: id, url: elsewhere }])
})

describe('an update', () => {
  test('changes what is given and nothing else', async () => {
    const settings = { account: 'one', events: ['session.ready'], description: 'old', rate: 3, batchSize: 4 }
    const { id } = await addEndpoint(world.db, { url, ...settings, headers: { 'x-a': '1' } })

    const updated = await updateEndpoint(world.db, id, { rate: null, headers: { 'x-b': '2' } })

    expect(updated).toMatchObject({ url, ...settings, rate: null, headers: ['x-b'] })
    expect(await updateEndpoint(world.db, id, {})).toEqual(updated)
    expect(await updateEndpoint(world.db, id, { account: null })).toEqual({ ...updated, account: null })
  })

  test('of the filter is for events from now on', async () => {
    const id = await add({ events: ['session.created'] })
    await seed(world.db, { sessions: 1, perSession: 2 })
    await updateEndpoint(world.db, id, { events: ['session.ready'] })
    await seed(world.db, { sessions: 1, perSession: 2 })

    const rows = await world.db.selectFrom('delivery').select('event_id').orderBy('id').execute()

    expect(rows.map((row) => row.event_id)).toEqual(['evt_default_1', 'evt_default_4'])
  })

  test.each([
    ['an endpoint that does not exist', 'ep_none', {}, 'not_found'],
    ['a header that is ours', '', { headers: { host: 'evil' } }, 'input_invalid'],
  ])('of %s is refused', async (_, unknown, settings, code) => {
    const id = await add()

    await expect(updateEndpoint(world.db, unknown || id, settings)).rejects.toMatchObject({ code })
  })
})

test('an update that names an account and a tick of that account never wait for each other in a circle', async () => {
  const id = await add()
  await seed(world.db, { sessions: 1 })
  const { id: accountId } = await ensureAccount(world.db, 'default')

  let updating: Promise<unknown> | undefined
  await world.other.transaction().execute(async (tx) => {
    await lockAccount(tx, accountId)
    updating = updateEndpoint(world.db, id, { account: 'default' })
    await eventually('the update waits for the account', async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(world.db)
      return rows.length > 0
    })
    await fanOut(tx, accountId, 0)
  })

  await expect(updating).resolves.toMatchObject({ account: 'default' })
})

describe('a move to another URL', () => {
  /** As if it had failed for so long, and asked to be left alone. */
  const fail = (id: string, days: number) =>
    sql`update endpoint set failures = 50, failing_since = now() - ${days} * interval '1 day', pace = 1,
      probe_until = now() + interval '1 h', hold_until = now() + interval '1 h' where id = ${id}`.execute(world.db)

  test('begins anew, slowly: what the old one did, or asked for, says nothing of the new one', async () => {
    const id = await add()
    await seed(world.db, { sessions: 9 })
    await sql`update delivery set attempts = 5`.execute(world.db)
    await fail(id, 30)

    await updateEndpoint(world.db, id, { url: elsewhere })

    const shown = await showEndpoint(world.db, id)
    expect(shown).toMatchObject({ state: 'active', failures: 0, failingSince: null, holdUntil: null })
    expect(await claimAll(world.db)).toMatchObject([{ url: elsewhere, failures: 0, hopeless: false }])
  })

  test('to where it is leaves it as it is', async () => {
    const id = await add()
    await fail(id, 30)
    const before = await showEndpoint(world.db, id)

    await updateEndpoint(world.db, id, { url, description: '' })

    expect(await showEndpoint(world.db, id)).toEqual(before)
  })
})

describe('pausing and disabling', () => {
  test('stop deliveries at once and keep what comes; a disabled one is not paused', async () => {
    const [paused, disabled] = [await add(), await add()]
    await pauseEndpoint(world.db, paused, 'for a while')
    await disableEndpoint(world.db, disabled, 'for good')
    await pauseEndpoint(world.db, disabled, 'for a while')
    await seed(world.db, { sessions: 2 })

    const claims = await claimAll(world.db)

    expect(claims).toEqual([])
    expect(await showEndpoint(world.db, paused)).toMatchObject({
      state: 'paused',
      stateReason: 'for a while',
      pending: 2,
    })
    expect(await showEndpoint(world.db, disabled)).toMatchObject({
      state: 'disabled',
      stateReason: 'for good',
      pending: 2,
    })
  })

  test.each([
    ['all', 6, [1, 2, 3, 4, 5, 6]],
    ['latest', 2, [5, 6]],
    ['none', 0, []],
  ] as const)(
    'enabling a paused one with %s queues %i, and what is dropped is kept as dead',
    async (missed, queued, left) => {
      const id = await add()
      await pauseEndpoint(world.db, id, 'test')
      await seed(world.db, { sessions: 2, perSession: 3 })

      const enabled = await enableEndpoint(world.db, id, missed)

      expect(enabled).toEqual({ missed: 6, queued })
      expect(await showEndpoint(world.db, id)).toMatchObject({ state: 'active', pending: queued, dead: 6 - queued })
      const pending = await world.db.selectFrom('delivery').select('position').where('state', '=', 'pending').execute()
      expect(new Set(pending.map(({ position }) => position))).toEqual(new Set(left))
    },
  )

  test('enabling one that is active misses nothing and changes nothing', async () => {
    const id = await add()
    await seed(world.db, { sessions: 2 })
    const before = await showEndpoint(world.db, id)

    expect(await enableEndpoint(world.db, id, 'none')).toEqual({ missed: 0, queued: 0 })
    expect(await showEndpoint(world.db, id)).toEqual(before)
  })

  test('of an endpoint that does not exist are refused', async () => {
    const refused = { code: 'not_found' }

    await expect(pauseEndpoint(world.db, 'ep_none', 'test')).rejects.toMatchObject(refused)
    await expect(disableEndpoint(world.db, 'ep_none', 'test')).rejects.toMatchObject(refused)
    await expect(enableEndpoint(world.db, 'ep_none', 'all')).rejects.toMatchObject(refused)
    await expect(removeEndpoint(world.db, 'ep_none')).rejects.toMatchObject(refused)
  })
})
