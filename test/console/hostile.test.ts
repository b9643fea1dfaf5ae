// What nobody should send, and what the API or its customers may have put into names: refused with the proper status, or
// given as it is and harmless. Whatever happens, no answer has a stack, a secret, or less than all headers.
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../../lib/store/database.ts'
import { addEndpoint } from '../../lib/store/endpoint.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'
import { seed } from '../support/seed.ts'
import { type Answer, openTestConsole, type Question, READ, type TestConsole, WRITE } from './open.ts'

const HTML = `<img src=x onerror="alert(1)">`
const RTL = '\u202Egnp.exe\u2066'

let database: TestDatabase
let console: TestConsole
let endpoint: string

beforeAll(async () => {
  database = await testDatabase()
  await seed(database.db, { sessions: 3, perSession: 3 })
  await sql`update session set user_id = ${`${HTML}${RTL}`}, session_id = ${`m ${HTML}/..${RTL}`} where session_id = 'm1'`.execute(
    database.db,
  )
  console = openTestConsole(database.db, { now: Date.now })
  endpoint = (await addEndpoint(database.db, { url: 'http://127.0.0.1:9/', events: ['*'] })).id
})
afterAll(() => database.drop())

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** What holds of every answer. */
function assertHarmless({ headers, text }: Answer): void {
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-security-policy': CSP,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': expect.stringContaining('camera=()') as string,
    'strict-transport-security': 'max-age=31536000',
    'cache-control': expect.stringMatching(/^(no-store|private, no-cache)$/) as string,
  })
  expect(headers.get('content-type')).not.toMatch(/html/)
  expect(text).not.toMatch(/node_modules|\.ts:\d|\bat \w+ \(|select .* from|postgres/i)
  for (const token of [READ, WRITE]) expect(text).not.toContain(token)
}

async function asked(place: string, question?: Question): Promise<Answer> {
  const answer = await console.ask(place, question)
  assertHarmless(answer)
  return answer
}

const big = 'x'.repeat(1_000_000)
const enc = encodeURIComponent

describe('a question that nobody should ask', () => {
  it.each([
    ['a user of a megabyte', `/api/sessions?user=${big}`, 400],
    ['a session of a megabyte', `/api/sessions?session=${big}`, 400],
    ['a path of a megabyte', `/api/sessions/default/${big}/1`, 400],
    ['an account that is a prototype', '/api/now?account=__proto__', 400],
    ['an account that is a constructor', '/api/now?account=constructor', 404],
    ['a name that is a prototype', '/api/reports/__proto__', 400],
    ['a report that is a constructor', '/api/reports/constructor', 404],
    ['a parameter that is a constructor', '/api/now?constructor=1', 400],
    ['an unknown parameter', '/api/now?acount=default', 400],
    ['a parameter twice', '/api/now?account=a&account=b', 400],
    ['a time before time', '/api/timeline?from=0000-01-01T00:00:00Z&to=0000-01-02T00:00:00Z', 400],
    ['a time after time', '/api/sessions?from=9999-12-31T23:59:59Z', 200],
    ['a time with a year of six digits', '/api/sessions?from=%2B275760-09-13T00:00:00Z', 400],
    ['a day that is not there', '/api/sessions?from=2026-02-31T25:00:00Z', 400],
    ['the 31st of February', '/api/sessions?from=2026-02-31T00:00:00Z', 400],
    ['a time beyond the last year', `/api/timeline?to=${enc('9999-12-31T23:59:59-23:59')}`, 400],
    ['a time in words', '/api/sessions?from=infinity', 400],
    ['from after to', '/api/timeline?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 400],
    ['a timeline of ten thousand years', '/api/timeline?from=0001-01-01T00:00:00Z&to=9999-01-01T00:00:00Z', 400],
    ['ticks of ten thousand years', '/api/watching?from=0001-01-01T00:00:00Z&to=9999-01-01T00:00:00Z', 400],
    ['a report of ten thousand years', '/api/reports/concurrency?from=0001-01-01&to=9999-01-01', 400],
    ['no session at all', '/api/sessions?limit=0', 400],
    ['too many sessions', '/api/sessions?limit=1001', 400],
    ['less than none', '/api/sessions?limit=-1', 400],
    ['an endless limit', '/api/sessions?limit=Infinity', 400],
    ['a half', '/api/events?after=1.5', 400],
    ['a position beyond all numbers', `/api/events?after=${'9'.repeat(16)}`, 400],
    ['the last position there can be', '/api/events?after=9007199254740991', 400],
    ['an incarnation beyond all', '/api/sessions/default/m2/2147483648', 400],
    ['a cursor that is none', '/api/sessions?cursor=abc', 400],
    ['a cursor beyond all time', '/api/sessions?cursor=999999999999999.1', 200],
    ['a cursor of SQL', `/api/sessions?cursor=${enc("1'; drop table session; --")}`, 400],
    ['a user of SQL', `/api/sessions?user=${enc("'; drop table session; --")}`, 200],
    ['a zero byte', '/api/sessions?user=%00', 400],
    ['a zero byte in a path', '/api/sessions/default/%00/1', 400],
    ['half a character', '/api/sessions?user=%ED%A0%80', 200],
    ['a percent of nothing', '/api/sessions/default/%E0%A4%A/1', 404],
    ['dots in a path', '/api/sessions/default/..%2f..%2fetc/1', 404],
    ['an unknown session', '/api/sessions/default/none/1', 404],
    ['an unknown endpoint', '/api/endpoints/ep_none', 404],
    ['an endpoint of HTML', `/api/endpoints/${enc(HTML)}`, 400],
    ['an unknown delivery', '/api/deliveries/1234567/attempts', 404],
    ['deliveries of an unknown endpoint', '/api/deliveries?endpoint=ep_none', 200],
    ['an unknown state', '/api/deliveries?state=lost', 400],
    ['a true that is not', '/api/events?unmasked=yes', 400],
  ])('%s', async (_, place, status) => {
    const answer = await asked(place)

    expect([answer.status, answer.text.length < 5_000]).toEqual([status, true])
  })

  it.each([
    ['POST', '/api/now', 'GET, HEAD'],
    ['PUT', '/api/endpoints', 'GET, POST, HEAD'],
    ['DELETE', '/api/endpoints', 'GET, POST, HEAD'],
    ['GET', '/api/replay', 'POST'],
    ['GET', '/api/login', 'POST'],
    ['POST', '/metrics', 'GET, HEAD'],
    ['OPTIONS', '/api/endpoints', 'GET, POST, HEAD'],
    ['PROPFIND', '/api/me', 'GET, HEAD'],
  ])('%s of %s is refused, with what it takes: %s', async (method, place, allow) => {
    const answer = await asked(place, { method })

    expect([answer.status, answer.code, answer.headers.get('allow')]).toEqual([405, 'method_not_allowed', allow])
  })

  it('no other site may read: there is no CORS', async () => {
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }

    const preflight = await asked('/api/endpoints', { method: 'OPTIONS', headers, token: null })
    const read = await asked('/api/me', { headers })

    for (const answer of [preflight, read]) {
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
      expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin')
    }
  })
})

describe('a body that nobody should send', () => {
  const deep = '['.repeat(100_000)
  it.each([
    ['half of JSON', '{"url":', 400],
    ['JSON that is deeper than any stack', deep, 400],
    ['a list', '[]', 400],
    ['null', 'null', 400],
    ['a text', '"http://127.0.0.1/"', 400],
    ['another type in a field', '{"url":1}', 400],
    ['a number beyond all', '{"url":"http://127.0.0.1/","rate":1e999}', 400],
    ['a prototype', '{"url":"http://127.0.0.1/","__proto__":{"state":"disabled"},"x":1}', 400],
    ['a constructor', '{"url":"http://127.0.0.1/","constructor":{"prototype":{"a":1}}}', 400],
    ['headers of a prototype', '{"url":"http://127.0.0.1/","headers":{"__proto__":"a"}}', 201],
    ['a zero byte', '{"url":"http://127.0.0.1/","description":"\\u0000"}', 400],
    ['257 KB', JSON.stringify({ url: 'x'.repeat(257 * 1024) }), 413],
    ['a megabyte', JSON.stringify({ url: big }), 413],
    ['a URL of 200 KB', JSON.stringify({ url: `http://127.0.0.1/${'x'.repeat(200_000)}` }), 400],
    ['a token of an account', '{"url":"http://127.0.0.1/","account":"../../etc"}', 400],
  ])('%s', async (_, body, status) => {
    const answer = await asked('/api/endpoints', { method: 'POST', body })

    expect([answer.status, answer.text.length < 1_000]).toEqual([status, true])
    expect(({} as Record<string, unknown>).state).toBeUndefined()
  })

  it('is not read where nobody may send it', async () => {
    const answer = await asked('/api/endpoints', { method: 'POST', body: '{"url":', token: null })

    expect(answer.status).toBe(401)
  })

  it('a replay of an unknown endpoint, or from where no step ended, is refused', async () => {
    const replay = (body: object) => asked('/api/replay', { method: 'POST', body })

    const answers = [
      await replay({ endpoint: 'ep_none' }),
      await replay({ endpoint: 'ep_none', dryRun: true }),
      await replay({ endpoint, cursor: '1.2' }),
      await replay({ endpoint, cursor: '1.2.3.4' }),
      await replay({ endpoint, since: 'yesterday' }),
    ]

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 400, 400, 400])
  })
})

describe('a name that a customer chose', () => {
  it('comes as it is, in JSON alone, whose type no browser takes for a page', async () => {
    const id = `m ${HTML}/..${RTL}`

    const answer = await asked(`/api/sessions/default/${enc(id)}/1`)
    const list = await asked(`/api/sessions?user=${enc(`${HTML}${RTL}`)}`)

    expect(answer.json).toMatchObject({ session: { id, userId: `${HTML}${RTL}` } })
    expect(list.json).toMatchObject({ sessions: [{ id }] })
    expect(answer.headers.get('content-type')).toBe('application/json')
  })

  it('cannot move the cursor of who reads the log', async () => {
    await asked(`/api/sessions/default/${enc(`\u001b[2J${RTL}`)}/1`, { token: null })

    expect(console.logged.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })
})

describe('when something is broken', () => {
  it('the database away: 503, nothing told of where it is, and the rim hears of it', async () => {
    const db = openDatabase('postgresql://someone:hunter2@127.0.0.1:9/secret')
    const broken = openTestConsole(db)

    const answers = await Promise.all(['/api/now', '/healthz', '/metrics'].map((place) => broken.ask(place)))
    await db.destroy()

    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503])
    expect(answers[0]?.code).toBe('database_unreachable')
    expect(answers[1]?.json).toEqual({ ok: false })
    expect(answers.map(({ text }) => text).join() + broken.logged.join()).not.toMatch(/hunter2|someone|127\.0\.0\.1/)
    expect(broken.lost).toBeGreaterThan(0)
  })

  it('a fault of our own: 500, whose message is in the log alone', async () => {
    const broken = openTestConsole(database.db, { addressGuard: undefined as never })

    const answer = await broken.ask('/api/endpoints', { method: 'POST', body: { url: 'http://127.0.0.1/' } })

    assertHarmless(answer)
    expect([answer.status, answer.code]).toEqual([500, 'internal'])
    expect(answer.text).not.toMatch(/undefined|allowed/)
    expect(broken.logged.join()).toMatch(/console failed.*TypeError/)
  })

  it('tables that are missing: 503, and what to do', async () => {
    const other = await testDatabase()
    await sql`drop schema report cascade`.execute(other.db)
    const answer = await openTestConsole(other.db).ask('/api/now')
    await other.drop()

    expect([answer.status, answer.code]).toEqual([503, 'not_migrated'])
  })
})

describe('the page', () => {
  const assets = {
    '/': { type: 'text/html; charset=utf-8', body: '<title>Rollcall</title>', immutable: false },
    '/main-ABC.js': { type: 'text/javascript; charset=utf-8', body: 'void 0', immutable: true },
  }

  it('needs no token, and has the headers that let nothing else run in it', async () => {
    const opened = openTestConsole(database.db, { assets })

    const page = await opened.ask('/', { token: null })
    const script = await opened.ask('/main-ABC.js', { token: null })
    const post = await opened.ask('/', { token: null, method: 'POST' })
    const other = await opened.ask('/main-ABD.js', { token: null })

    expect([page.status, page.text, page.headers.get('cache-control')]).toEqual([200, assets['/'].body, 'no-cache'])
    expect([script.status, script.headers.get('content-type'), script.headers.get('cache-control')]).toEqual([
      200,
      'text/javascript; charset=utf-8',
      'public, max-age=31536000, immutable',
    ])
    for (const { headers } of [page, script]) expect(headers.get('content-security-policy')).toBe(CSP)
    expect([post.status, other.status]).toEqual([401, 401])
  })
})
