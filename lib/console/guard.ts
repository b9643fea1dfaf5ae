// Access as it meets requests: which of them may pass, and the cookie that lets a browser in.
import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { CookieOptions } from 'hono/utils/cookie'
import {
  type Caller,
  COOKIE,
  COOKIE_SECONDS,
  crowdedForSeconds,
  type Failure,
  findKey,
  isEqual,
  type Key,
  keysOf,
  openCookie,
  recent,
  refusedForSeconds,
  type Scope,
  sealCookie,
  type Tokens,
} from './access.ts'
import { Refusal } from './refusal.ts'
import type { Env } from './route.ts'

/** Decides who may ask. Each of these throws a refusal where somebody may not. */
export interface Guard {
  /** Who asks, if they may do what needs that scope. */
  admit(c: Context<Env>, scope: Scope): Caller
  /** Gives whoever has that token a cookie. */
  login(c: Context<Env>, token: string): void
  /** Gives whoever has the code of the one-time link a cookie, once. */
  loginOnce(c: Context<Env>, code: string): void
  logout(c: Context<Env>): void
}

/** A guard with these tokens; `onceCode` is that of the one-time link, if one was given. */
export function openGuard(tokens: Tokens, now: () => number, onceCode?: string): Guard {
  const keys = keysOf(tokens)
  let failures: Failure[] = []
  let code = onceCode

  const assertPatience = (seconds: number) => {
    if (seconds === 0) return
    throw new Refusal(429, 'too_many_failures', `too many wrong tokens: try again in ${seconds} s`, {
      'retry-after': String(seconds),
    })
  }
  // Only tokens are counted: nobody guesses a signature or a code, and whose login is over must not shut out an office.
  const keyOf = (c: Context<Env>, token: string): Key => {
    const { address } = c.env
    assertPatience(refusedForSeconds(failures, address, now()))
    const key = findKey(keys, token)
    if (key) return key
    assertPatience(crowdedForSeconds(failures, now()))
    failures = [...recent(failures, now()), { address, at: now() }]
    throw unauthorized('this is no token of this console')
  }
  const enter = (c: Context<Env>, key: Key) => {
    const cookie = sealCookie(key, randomBytes(18).toString('base64url'), now())
    setCookie(c, COOKIE, cookie, { ...attributesFor(c), maxAge: COOKIE_SECONDS })
  }
  const leave = (c: Context<Env>) => void deleteCookie(c, COOKIE, attributesFor(c))

  const callerOf = (c: Context<Env>): Caller => {
    const authorization = c.req.header('authorization')
    if (authorization !== undefined) {
      const [, token = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
      return { scope: keyOf(c, token).scope, csrf: null }
    }
    const cookie = getCookie(c, COOKIE, prefixFor(c))
    if (cookie === undefined) throw unauthorized('log in, or send a token')
    const caller = openCookie(keys, cookie, now())
    if (caller) return caller
    leave(c)
    throw unauthorized('this login is over: log in again')
  }

  return {
    admit: (c, scope) => {
      const caller = callerOf(c)
      if (caller.csrf !== null && !SAFE.has(c.req.method)) assertOwnPage(c, caller.csrf)
      if (scope === 'write' && caller.scope !== 'write') {
        throw new Refusal(403, 'forbidden', 'this needs a token of CONSOLE_WRITE_TOKENS')
      }
      return caller
    },
    login: (c, token) => {
      assertSameOrigin(c)
      enter(c, keyOf(c, token))
    },
    loginOnce: (c, given) => {
      const [key] = keys.filter(({ scope }) => scope === 'write')
      if (!key || code === undefined || !isEqual(code, given)) {
        throw unauthorized('this link was used already, or never given: start again for another one')
      }
      code = undefined
      enter(c, key)
    },
    logout: leave,
  }
}

/** With it no neighbour on the cloud's domain can set the cookie; browsers take it over https alone. */
const prefixFor = (c: Context<Env>) => (c.req.url.startsWith('https:') ? 'host' : undefined)

function attributesFor(c: Context<Env>): CookieOptions {
  const prefix = prefixFor(c)
  return { path: '/', httpOnly: true, sameSite: 'Strict', ...(prefix && { prefix }) }
}
const unauthorized = (why: string) => new Refusal(401, 'unauthorized', why, { 'www-authenticate': 'Bearer' })
const SAFE = new Set(['GET', 'HEAD'])

/** A cookie comes by itself, whatever page made the browser ask. */
function assertOwnPage(c: Context<Env>, csrf: string): void {
  assertSameOrigin(c)
  if (!isEqual(csrf, c.req.header('x-csrf-token') ?? '')) {
    throw new Refusal(403, 'forbidden', 'the header x-csrf-token is not what /api/me gives')
  }
}

function assertSameOrigin(c: Context<Env>): void {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin') {
    throw new Refusal(403, 'forbidden', 'no other site may ask this')
  }
}
