// The secrets of endpoints as they lie in a real Postgres; nothing is sent.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { publicKey } from '../../lib/core/signature.ts'
import { addEndpoint, listEndpoints, rotateSecrets, showEndpoint, updateEndpoint } from '../../lib/store/endpoint.ts'
import { readSecrets } from '../../lib/store/secret.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const [key, newKey, strangeKey] = [1, 2, 3].map((fill) => Buffer.alloc(32, fill)) as [Buffer, Buffer, Buffer]
const url = 'http://127.0.0.1:9/'
const endpoint = { url, events: ['*'] }
const headers = { authorization: 'Bearer hidden-value-1', 'x-key': 'hidden-value-2' }

/** Every row of every table there is, as text. */
async function everything(): Promise<string> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = current_schema()`.execute(database.db)
  const texts: string[] = []
  for (const { name } of tables) {
    const { rows } = await sql<{ text: string }>`select t::text as text from ${sql.table(name)} as t`.execute(
      database.db,
    )
    texts.push(...rows.map(({ text }) => `${name} ${text}`))
  }
  return texts.join('\n')
}
/** As if so many hours had passed. */
const pass = (hours: number) =>
  sql`update endpoint_secret set created_at = created_at - ${hours} * interval '1 hour',
    expires_at = expires_at - ${hours} * interval '1 hour'`.execute(database.db)
const currentKinds = async () =>
  (
    await sql<{ kind: string }>`select kind from endpoint_secret where expires_at is null order by kind`.execute(
      database.db,
    )
  ).rows.map(({ kind }) => kind)

describe('with a key', () => {
  test('no table has a secret, a private key or the value of a header in it, before and after changes', async () => {
    const { id, secret } = await addEndpoint(database.db, { ...endpoint, headers, ed25519: true }, [key])
    const rotated = await rotateSecrets(database.db, id, 1, [key])
    await updateEndpoint(database.db, id, { headers: { ...headers, 'x-more': 'hidden-value-3' } }, [key])

    const stored = await everything()

    const keys = (await readSecrets(database.db, [key], id)).filter((text) => text.startsWith('whsk_'))
    expect(keys).toHaveLength(2)
    expect(stored).toContain(id)
    for (const text of [secret, rotated.secret, ...keys, 'hidden-value', 'whsec_', 'whsk_', 'Bearer']) {
      expect(stored).not.toContain(text)
      expect(stored).not.toContain(text.replace(/^wh\w+_/, '') || text)
    }
  })

  test('each seal is another, so that equal texts cannot be told to be equal', async () => {
    await addEndpoint(database.db, { ...endpoint, headers: { 'x-a': 'same', 'x-b': 'same' } }, [key])

    const { headers: stored } = await database.db.selectFrom('endpoint').select('headers').executeTakeFirstOrThrow()

    expect(Object.keys(stored)).toEqual(['x-a', 'x-b'])
    expect(new Set(Object.values(stored)).size).toBe(2)
  })

  test('secrets open with it, wherever it is in the ring', async () => {
    const { id, secret } = await addEndpoint(database.db, endpoint, [key])

    expect(await readSecrets(database.db, [key], id)).toEqual([secret])
    expect(await readSecrets(database.db, [newKey, key], id)).toEqual([secret])
  })

  test('after a change of keys the old secrets open and new ones are sealed with the new key', async () => {
    const { id, secret } = await addEndpoint(database.db, endpoint, [key])
    const { secret: newSecret } = await rotateSecrets(database.db, id, 1, [newKey, key])
    const during = await readSecrets(database.db, [newKey, key], id)
    await pass(2)

    const after = await readSecrets(database.db, [newKey], id)

    expect(during).toEqual([newSecret, secret])
    expect(after).toEqual([newSecret])
  })

  test('what was stored before there was one still opens', async () => {
    const { id, secret } = await addEndpoint(database.db, endpoint)

    expect(await readSecrets(database.db, [key], id)).toEqual([secret])
  })

  test.each([
    ['without it', [], 'set SECRET_KEY'],
    ['with another', [strangeKey], 'SECRET_KEY'],
  ])('%s the fault says what to do, and no secret or key', async (_, ring, cure) => {
    const { id, secret } = await addEndpoint(database.db, endpoint, [key])

    const fault = await readSecrets(database.db, ring, id).catch((error: unknown) => error)

    const { message } = fault as Error
    expect(fault).toMatchObject({ name: 'AppError', code: 'config_invalid' })
    expect(message).toContain(cure)
    expect(message).toContain(id)
    for (const hidden of [secret, key, strangeKey].flatMap((one) => [one.toString('hex'), one.toString('base64')])) {
      expect(message).not.toContain(hidden)
    }
  })

  test('a secret copied to another endpoint does not open there', async () => {
    const one = await addEndpoint(database.db, endpoint, [key])
    const other = await addEndpoint(database.db, endpoint, [key])
    await sql`update endpoint_secret set secret = (select secret from endpoint_secret where endpoint_id = ${one.id})
      where endpoint_id = ${other.id}`.execute(database.db)

    await expect(readSecrets(database.db, [key], other.id)).rejects.toMatchObject({ code: 'config_invalid' })
  })
})

test('an endpoint is shown with the names of its headers, never with their values or a secret', async () => {
  const { id, secret } = await addEndpoint(database.db, { ...endpoint, headers })

  const shown = JSON.stringify([await showEndpoint(database.db, id), await listEndpoints(database.db)])

  expect(shown).toContain('"headers":["authorization","x-key"]')
  for (const hidden of ['hidden-value', secret, 'whsec_']) expect(shown).not.toContain(hidden)
})

describe('a rotation', () => {
  test('lets both secrets sign for the grace, the new one first, and then the new one alone', async () => {
    const { id, secret: old } = await addEndpoint(database.db, endpoint)
    const { secret } = await rotateSecrets(database.db, id, 24)
    await pass(23.9)
    const during = await readSecrets(database.db, [], id)
    await pass(0.2)

    const after = await readSecrets(database.db, [], id)

    expect(secret).not.toBe(old)
    expect(during).toEqual([secret, old])
    expect(after).toEqual([secret])
  })

  test('without a grace ends the old secret at once', async () => {
    const { id } = await addEndpoint(database.db, endpoint)

    const { secret } = await rotateSecrets(database.db, id, 0)

    expect(await readSecrets(database.db, [], id)).toEqual([secret])
  })

  test('within the grace of the last leaves that as long as it had', async () => {
    const { id, secret: first } = await addEndpoint(database.db, endpoint)
    const { secret: second } = await rotateSecrets(database.db, id, 2)
    const { secret: third } = await rotateSecrets(database.db, id, 10)
    const three = await readSecrets(database.db, [], id)
    await pass(3)

    const two = await readSecrets(database.db, [], id)

    expect(three).toEqual([third, second, first])
    expect(two).toEqual([third, second])
  })

  test('makes new ones of the kinds it has', async () => {
    const both = await addEndpoint(database.db, { ...endpoint, ed25519: true })
    const single = await addEndpoint(database.db, endpoint)

    const [a, b] = [await rotateSecrets(database.db, both.id, 0), await rotateSecrets(database.db, single.id, 0)]

    const [symmetric, private_ = ''] = await readSecrets(database.db, [], both.id)
    expect(symmetric).toBe(a.secret)
    expect(publicKey(private_)).toBe(a.publicKey)
    expect(a.publicKey).not.toBe(both.publicKey)
    expect(b.publicKey).toBeUndefined()
    expect(await readSecrets(database.db, [], single.id)).toEqual([b.secret])
  })

  test('at the same time as others leaves exactly one current secret of each kind, and each is of one of them', async () => {
    const { id } = await addEndpoint(database.db, { ...endpoint, ed25519: true })

    const rotated = await Promise.all([0, 1, 2, 3].map((grace) => rotateSecrets(database.db, id, grace)))

    expect(await currentKinds()).toEqual(['ed25519', 'symmetric'])
    const [current] = await readSecrets(database.db, [], id)
    expect(rotated.map(({ secret }) => secret)).toContain(current)
  })

  test('of an endpoint that does not exist is refused, and makes nothing', async () => {
    await expect(rotateSecrets(database.db, 'ep_none', 0)).rejects.toMatchObject({ code: 'not_found' })
    expect(await currentKinds()).toEqual([])
  })
})
