// Who may ask: tokens, cookies, the one-time link, other sites' pages, and those who try too often.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { findKey, keysOf, openCookie, refusedForSeconds, sealCookie } from '../../lib/console/access.ts'
import { ROUTES } from '../../lib/console/routes/index.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { cookieOf, openTestConsole, READ, type TestConsole, WRITE } from './open.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

async function loggedIn(console: TestConsole, token = WRITE) {
  const cookie = cookieOf(await console.ask('/api/login', { method: 'POST', token: null, body: { token } }))
  const me = await console.ask('/api/me', { token: null, headers: { cookie } })
  const { csrf } = me.json as { csrf: string }
  return { cookie, csrf }
}

describe('a token', () => {
  const places = ROUTES.filter(({ scope }) => scope !== 'none').map(({ method, pattern: place }) => ({ method, place }))

  it.each(places)('is needed for $method $place', async ({ method, place }) => {
    const answer = await openTestConsole(database.db).ask(place, { method, token: null })

    expect([answer.status, answer.code]).toEqual([401, 'unauthorized'])
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  })

  it.each(['/nothing', '/api', '/api/nothing', '/.env', '/api/sessions/a', '//api/now'])(
    'is needed to learn that there is nothing at %s',
    async (place) => {
      const console = openTestConsole(database.db)

      const without = await console.ask(place, { token: null })
      const withOne = await console.ask(place)

      expect([without.status, withOne.status]).toEqual([401, 404])
    },
  )

  it.each([
    ['wrong', 'Bearer wrong-token-01234567890123456789012345'],
    ['the beginning of one', `Bearer ${WRITE.slice(0, -1)}`],
    ['longer than one', `Bearer ${WRITE}x`],
    ['of another scheme', `Basic ${WRITE}`],
    ['none', 'Bearer '],
    ['as a prototype has it', 'Bearer __proto__'],
    ['two', `Bearer ${READ} ${WRITE}`],
  ])('that is %s is refused', async (_, authorization) => {
    const answer = await openTestConsole(database.db).ask('/api/me', { token: null, headers: { authorization } })

    expect([answer.status, answer.code]).toEqual([401, 'unauthorized'])
  })

  it('of read may look and change nothing; of write may do both', async () => {
    const console = openTestConsole(database.db)
    const body = { url: 'http://127.0.0.1:9/' }

    const look = await console.ask('/api/endpoints', { token: READ })
    const change = await console.ask('/api/endpoints', { token: READ, method: 'POST', body })
    const changed = await console.ask('/api/endpoints', { method: 'POST', body })

    expect([look.status, change.status, change.code, changed.status]).toEqual([200, 403, 'forbidden', 201])
  })

  it('is one of several, the last as good as the first; one that is in both lists may write', () => {
    const keys = keysOf({ read: [READ, 'r'.repeat(32), WRITE], write: ['w'.repeat(32), WRITE] })

    expect(['r'.repeat(32), READ, WRITE, 'w'.repeat(32)].map((token) => findKey(keys, token)?.scope)).toEqual([
      'read',
      'read',
      'write',
      'write',
    ])
    expect(findKey(keys, '')).toBeUndefined()
    expect(findKey([], WRITE)).toBeUndefined()
  })
})

describe('a cookie', () => {
  const keys = keysOf({ read: [READ], write: [WRITE] })
  const [write] = keys
  const now = Date.parse('2026-01-01T00:00:00Z')
  const cookie = sealCookie(write!, 'nonce', now)

  it('is given for a token, for 12 hours, to this site alone, and lets in', async () => {
    const console = openTestConsole(database.db)

    const login = await console.ask('/api/login', { method: 'POST', token: null, body: { token: READ } })
    const me = await console.ask('/api/me', { token: null, headers: { cookie: cookieOf(login) } })

    expect(login.headers.get('set-cookie')).toMatch(
      /^__Host-rollcall_session=[\w.-]+; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    )
    expect(login.json).toEqual({ ok: true })
    expect(me.json).toMatchObject({ scope: 'read' })
    expect(me.text).not.toContain(READ)
  })

  it('is not Secure over http alone, where a browser would never send it back', async () => {
    const question = { method: 'POST', token: null, body: { token: READ }, origin: 'http://127.0.0.1:8080' }

    const login = await openTestConsole(database.db).ask('/api/login', question)

    expect(login.headers.get('set-cookie')).toMatch(
      /^rollcall_session=[\w.-]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    )
  })

  it('ends after 12 hours, and is then taken back without being held against anybody', async () => {
    const console = openTestConsole(database.db)
    const { cookie } = await loggedIn(console)

    console.clock.now += 12 * 3_600_000 - 1_000
    const before = await console.ask('/api/me', { token: null, headers: { cookie } })
    console.clock.now += 2_000
    const after = await Promise.all(
      Array.from({ length: 30 }, () => console.ask('/api/me', { token: null, headers: { cookie } })),
    )

    expect(before.status).toBe(200)
    expect(new Set(after.map(({ status }) => status))).toEqual(new Set([401]))
    expect(after[0]?.headers.get('set-cookie')).toMatch(/^__Host-rollcall_session=; Max-Age=0; Path=\//)
  })

  it('ends with its token', () => {
    const others = keysOf({ read: [READ], write: ['another-token-012345678901234567890123'] })

    expect(openCookie(keys, cookie, now)).toMatchObject({ scope: 'write' })
    expect(openCookie(others, cookie, now)).toBeUndefined()
  })

  const [expires = '', nonce = '', signature = ''] = cookie.split('.')
  it.each([
    ['with more time', `${Number(expires) + 1}.${nonce}.${signature}`],
    ['of another nonce', `${expires}.other.${signature}`],
    ['with another signature', `${expires}.${nonce}.${signature.replace(/^./, (one) => (one === 'A' ? 'B' : 'A'))}`],
    ['without a signature', `${expires}.${nonce}.`],
    ['with a signature too long', `${expires}.${nonce}.${signature}A`],
    ['that is a token', WRITE],
    ['that is empty', ''],
    ['that is a megabyte', 'x'.repeat(1_000_000)],
    ['with the nonce of a prototype', `${expires}.__proto__.${signature}`],
  ])('%s is none', (_, forged) => {
    expect(openCookie(keys, forged, now)).toBeUndefined()
  })

  it('that is forged, or whose token was changed, lets nobody in and shuts nobody out', async () => {
    const console = openTestConsole(database.db)
    const headers = { cookie: `__Host-rollcall_session=${expires}.${nonce}.${'A'.repeat(43)}` }

    const answers = []
    for (let i = 0; i < 11; i += 1) answers.push((await console.ask('/api/me', { token: null, headers })).status)

    expect(answers).toEqual(Array.from({ length: 11 }, () => 401))
    expect((await console.ask('/api/me')).status).toBe(200)
  })

  it('is taken back by a logout', async () => {
    const console = openTestConsole(database.db)
    const { cookie, csrf } = await loggedIn(console)

    const headers = { cookie, 'x-csrf-token': csrf }
    const logout = await console.ask('/api/logout', { method: 'POST', token: null, headers })

    expect(logout.status).toBe(200)
    expect(logout.headers.get('set-cookie')).toMatch(/^__Host-rollcall_session=; Max-Age=0; Path=\//)
  })
})

describe("another site's page", () => {
  const change = { method: 'POST', token: null, body: { url: 'http://127.0.0.1:9/' } }

  it('cannot change anything with a cookie, for it does not know the token of the page', async () => {
    const console = openTestConsole(database.db)
    const { cookie, csrf } = await loggedIn(console)
    const other = await loggedIn(console)
    const tries = [{}, { 'x-csrf-token': '' }, { 'x-csrf-token': `${csrf}x` }, { 'x-csrf-token': other.csrf }]

    const refused = await Promise.all(
      tries.map((headers) => console.ask('/api/endpoints', { ...change, headers: { cookie, ...headers } })),
    )
    const done = await console.ask('/api/endpoints', { ...change, headers: { cookie, 'x-csrf-token': csrf } })

    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403])
    expect(done.status).toBe(201)
  })

  it.each(['cross-site', 'same-site', 'none'])('is told by the browser, and refused: %s', async (site) => {
    const console = openTestConsole(database.db)
    const { cookie, csrf } = await loggedIn(console)
    const headers = { cookie, 'x-csrf-token': csrf, 'sec-fetch-site': site }

    const answer = await console.ask('/api/endpoints', { ...change, headers })
    const login = await console.ask('/api/login', {
      method: 'POST',
      token: null,
      body: { token: WRITE },
      headers: { 'sec-fetch-site': site },
    })

    expect([answer.status, login.status, login.headers.get('set-cookie')]).toEqual([403, 403, null])
  })

  it('cannot send a form: a body must be JSON by its type', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }

    const answer = await openTestConsole(database.db).ask('/api/login', { ...change, body: `token=${WRITE}`, headers })

    expect([answer.status, answer.code]).toEqual([415, 'unsupported_media_type'])
  })
})

describe('who fails too often', () => {
  const wrong = { token: 'wrong-token-01234567890123456789012345' }

  it('is not looked at for a minute, whatever they bring, and nobody else is harmed', async () => {
    const console = openTestConsole(database.db)
    const statuses = []
    for (let i = 0; i < 12; i += 1) {
      statuses.push((await console.ask('/api/me', wrong)).status)
      console.clock.now += 1_000
    }

    const right = await console.ask('/api/me')
    const elsewhere = await console.ask('/api/me', { address: '198.51.100.2' })
    const login = await console.ask('/api/login', { method: 'POST', token: null, body: { token: WRITE } })
    console.clock.now += 48_000
    const later = await console.ask('/api/me')

    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429])
    expect([right.status, right.headers.get('retry-after'), right.code]).toEqual([429, '48', 'too_many_failures'])
    expect([elsewhere.status, login.status, later.status]).toEqual([200, 429, 200])
  })

  it('by many addresses is refused as a whole, but for those who know a token or are logged in', async () => {
    const console = openTestConsole(database.db)
    const { cookie } = await loggedIn(console)
    for (let i = 0; i < 100; i += 1) await console.ask('/api/me', { ...wrong, address: `203.0.113.${i}` })

    const another = await console.ask('/api/me', { ...wrong, address: '198.51.100.2' })
    const anybody = await console.ask('/api/me', { address: '198.51.100.2' })
    const inside = await console.ask('/api/me', { token: null, headers: { cookie } })

    expect([another.status, anybody.status, inside.status]).toEqual([429, 200, 200])
  })

  it('does not count links for once: any page could make a browser ask for them', async () => {
    const console = openTestConsole(database.db, { onceCode: 'code' })
    const statuses = new Set<number>()
    for (let i = 0; i < 20; i += 1) statuses.add((await console.ask('/login?once=x', { token: null })).status)

    expect([...statuses, (await console.ask('/api/me')).status]).toEqual([401, 200])
  })

  it('is counted in the last minute only, of one address or of all', () => {
    const failures = Array.from({ length: 10 }, (_, i) => ({ address: 'a', at: i * 1_000 }))

    expect(refusedForSeconds(failures, 'a', 9_000)).toBe(51)
    expect(refusedForSeconds(failures, 'b', 9_000)).toBe(0)
    expect(refusedForSeconds(failures, 'a', 60_000)).toBe(0)
    expect(refusedForSeconds([], 'a', 0)).toBe(0)
    // The clock was set back since.
    expect(refusedForSeconds(failures, 'a', -3_600_000)).toBe(0)
  })

  it('does not count who brings nothing: a page that is open without a login', async () => {
    const console = openTestConsole(database.db)
    for (let i = 0; i < 20; i += 1) await console.ask('/api/me', { token: null })

    expect((await console.ask('/api/me')).status).toBe(200)
  })
})

describe('the link for once', () => {
  it('lets in once, with a cookie that may write, and leads to the page', async () => {
    const console = openTestConsole(database.db, { onceCode: 'code-of-the-link' })
    const head = await console.ask('/login?once=code-of-the-link', { method: 'HEAD', token: null })

    const first = await console.ask('/login?once=code-of-the-link', { token: null })
    const second = await console.ask('/login?once=code-of-the-link', { token: null })
    const me = await console.ask('/api/me', { token: null, headers: { cookie: cookieOf(first) } })

    expect([head.status, head.headers.get('set-cookie')]).toEqual([303, null])
    expect([first.status, first.headers.get('location')]).toEqual([303, '/'])
    expect([second.status, second.headers.get('set-cookie')]).toEqual([401, null])
    expect(me.json).toMatchObject({ scope: 'write' })
  })

  it.each(['/login', '/login?once=', '/login?once=other', '/login?once=a&once=b'])(
    'is not %s, nor is there one where none was made',
    async (place) => {
      const made = await openTestConsole(database.db, { onceCode: 'code' }).ask(place, { token: null })
      const none = await openTestConsole(database.db).ask(place, { token: null })

      expect([400, 401]).toContain(made.status)
      expect(none.status).toBe(made.status)
    },
  )
})

test('no token, cookie or code is in anything that was logged', async () => {
  const console = openTestConsole(database.db, { onceCode: 'code-of-the-link' })
  await console.ask('/login?once=code-of-the-link', { token: null })
  const { cookie, csrf } = await loggedIn(console)
  await console.ask('/api/me', { token: 'wrong-token-01234567890123456789012345' })
  await console.ask('/api/endpoints', { method: 'POST', token: null, headers: { cookie }, body: {} })

  const text = console.logged.join('\n')

  expect(console.logged.length).toBeGreaterThan(4)
  for (const secret of [READ, WRITE, 'wrong-token', 'code-of-the-link', csrf, cookie.split('=')[1] ?? '']) {
    expect(text).not.toContain(secret)
  }
})
