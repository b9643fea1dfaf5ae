// Which view is seen stands in the hash, so that the back button, a reload and a link work, and the server need not know. The
// account stands before it, where links such as `#/now` leave it.
import { cell } from './cell.ts'
import { account } from './state.ts'

/** A view with what it is asked for. */
export type Route =
  | { view: 'now' }
  | { view: 'history'; query: Record<string, string> }
  | { view: 'session'; account: string; id: string; incarnation: number }
  | { view: 'endpoints' }
  | { view: 'endpoint'; id: string }
  | { view: 'watching' }

/** The route that a hash such as `#/history?user=abc` means; what means none is `now`. */
export function parseRoute(hash: string): Route {
  const [path, search] = split(hash.replace(/^#\/?/, ''))
  const [view = '', ...rest] = path.split('/').map(decode)
  const [first = '', second = '', third = ''] = rest
  if (view === 'history') return { view, query: Object.fromEntries(new URLSearchParams(search)) }
  if (view === 'session' && /^[1-9]\d{0,9}$/.test(third)) {
    return { view, account: first, id: second, incarnation: Number(third) }
  }
  if (view === 'endpoints') return first === '' ? { view } : { view: 'endpoint', id: first }
  if (view === 'watching') return { view }
  return { view: 'now' }
}

/** The hash that leads to a route. */
export function hashOf(route: Route): string {
  switch (route.view) {
    case 'history': {
      const given = Object.entries(route.query).filter(([, value]) => value !== '')
      return given.length === 0 ? '#/history' : `#/history?${new URLSearchParams(given).toString()}`
    }
    case 'session':
      return `#/session/${[route.account, route.id, route.incarnation].map(encodeURIComponent).join('/')}`
    case 'endpoint':
      return `#/endpoints/${encodeURIComponent(route.id)}`
    case 'now':
    case 'endpoints':
    case 'watching':
      return `#/${route.view}`
  }
}

function split(text: string): [string, string] {
  const at = text.indexOf('?')
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The route that is seen. */
export const route = cell<Route>({ view: 'now' })

/** The search that the session which is seen was opened from; the empty one, where it was opened from elsewhere. */
export const searched = cell<Route & { view: 'history' }>({ view: 'history', query: {} })

/** Looks at what the address says. */
function look(): void {
  const [before, seen] = [route.get(), parseRoute(location.hash)]
  const chosen = new URLSearchParams(location.search).get('account') ?? undefined
  // Whether a session was watched is known where its own account is looked at.
  account.set(seen.view === 'session' && seen.account !== chosen ? undefined : chosen)
  if (seen.view === 'session' && before.view !== 'session') {
    searched.set(before.view === 'history' ? before : { view: 'history', query: {} })
  }
  route.set(seen)
}

/** Follows the address from now on. */
export function followAddress(): void {
  // A hashchange does not come where what stands before the hash changes, too.
  addEventListener('popstate', look)
  look()
}

/** Looks at one account; undefined: at all. */
export function chooseAccount(name: string | undefined): void {
  const address = new URL(location.href)
  if (name === undefined) address.searchParams.delete('account')
  else address.searchParams.set('account', name)
  history.replaceState(null, '', address)
  look()
}

/** Goes to a route. */
export function go(to: Route): void {
  location.hash = hashOf(to)
}
