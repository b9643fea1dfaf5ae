// The frame around all views: where one is, who looks, and above everything whether what is seen is true now.
import { useEffect, useRef } from 'preact/hooks'
import { logout, queries } from './api.ts'
import { useCell } from './cell.ts'
import type { Text } from './dictionary.ts'
import { shown } from './format.ts'
import { sayFault } from './parts/act.tsx'
import { Choice } from './parts/form.tsx'
import { changes, poll } from './poll.ts'
import { chooseAccount, type Route, route } from './router.ts'
import { account, language, lastNow, lostSince, me, nowFault, type Theme, theme, toast } from './state.ts'
import { useText } from './text.ts'
import { EndpointView } from './views/endpoint.tsx'
import { EndpointsView } from './views/endpoints.tsx'
import { HistoryView } from './views/history.tsx'
import { Login } from './views/login.tsx'
import { NowView } from './views/now.tsx'
import { SessionView } from './views/session.tsx'
import { WatchingView } from './views/watching.tsx'
import { Warnings } from './warnings.tsx'

export function App() {
  const t = useText()
  const who = useCell(me)
  const lost = useCell(lostSince)
  if (who === null) {
    return (
      <>
        <Login />
        <footer class="page">
          <Preferences />
        </footer>
      </>
    )
  }
  if (who === undefined) return <main class="starting">{lost ? t.lost.starting : t.loading}</main>
  return <Shell />
}

const POLL_MS = 2_000

function Shell() {
  const t = useText()
  const where = useCell(route)
  const chosen = useCell(account)
  const top = viewOf(where)
  useNowPolled(chosen)
  useArrival(where, t)
  return (
    <>
      <a class="skip" href="#main" onClick={focusMain}>
        {t.skip}
      </a>
      <header class="page">
        <a class="brand" href="#/now">
          <span class="mark" aria-hidden="true" />
          Rollcall
        </a>
        <nav aria-label={t.nav}>
          {(['now', 'history', 'endpoints', 'watching'] as const).map((view) => (
            <a key={view} href={`#/${view}`} aria-current={top === view ? 'page' : undefined}>
              {t.views[view]}
            </a>
          ))}
        </nav>
        <Accounts />
        <Connection />
      </header>
      <Warnings />
      <main id="main" tabIndex={-1}>
        <View of={where} />
      </main>
      <Toast />
      <footer class="page">
        <Preferences />
        <Who />
      </footer>
    </>
  )
}

// The hash belongs to the router.
function focusMain(event: Event): void {
  event.preventDefault()
  document.querySelector('main')?.focus()
}

function viewOf({ view }: Route) {
  if (view === 'session') return 'history'
  return view === 'endpoint' ? 'endpoints' : view
}

function View({ of }: { of: Route }) {
  switch (of.view) {
    case 'now':
      return <NowView />
    case 'history':
      return <HistoryView query={of.query} />
    case 'session':
      return <SessionView {...of} key={JSON.stringify(of)} />
    case 'endpoints':
      return <EndpointsView />
    case 'endpoint':
      return <EndpointView id={of.id} key={of.id} />
    case 'watching':
      return <WatchingView />
  }
}

/** Whatever is looked at, whether it is true now must be known. */
function useNowPolled(chosen: string | undefined): void {
  useEffect(() => {
    lastNow.set(undefined)
    nowFault.set(undefined)
    const polling = poll(
      queries.now(),
      POLL_MS,
      (answer) => lastNow.set(answer),
      (error) => nowFault.set(error),
    )
    const unfollow = changes.follow(polling.again)
    return () => {
      unfollow()
      polling.stop()
    }
  }, [chosen])
}

/** Another view has another title, and whoever hears the page begins at its heading. */
function useArrival(where: Route, t: Text): void {
  const place = JSON.stringify(where.view === 'history' ? { view: 'history' } : where)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = `${t.views[viewOf(where)]} · Rollcall`
  }, [place, t])
  useEffect(() => {
    if (!isFirst.current) {
      scrollTo(0, 0)
      document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true })
    }
    isFirst.current = false
  }, [place])
}

function Accounts() {
  const t = useText()
  const names = useCell(me)?.accounts ?? []
  const chosen = useCell(account)
  // A link may be older than the accounts that there are; and of one alone there is nothing to choose.
  useEffect(() => {
    if (chosen === undefined || (names.length > 1 && names.includes(chosen))) return
    if (!names.includes(chosen)) toast.set(t.noAccount(shown(chosen)))
    chooseAccount(undefined)
  })
  if (names.length < 2) return null
  return (
    <select
      class="account"
      aria-label={t.account}
      value={chosen ?? ''}
      onChange={(event) => chooseAccount(event.currentTarget.value || undefined)}
    >
      <option value="">{t.allAccounts}</option>
      {names.map((name) => (
        <option key={name} value={name}>
          {shown(name)}
        </option>
      ))}
    </select>
  )
}

/** A dot and a word: whether this page hears the server. */
function Connection() {
  const t = useText()
  const lost = useCell(lostSince)
  return <span class={lost ? 'connection lost' : 'connection'}>{lost ? t.lost.short : t.live}</span>
}

const TOLD_MS = 5_000

/** Says for a while what an act came to. */
function Toast() {
  const text = useCell(toast)
  useEffect(() => {
    if (text === '') return
    const timer = setTimeout(() => toast.set(''), TOLD_MS)
    return () => clearTimeout(timer)
  }, [text])
  return <div role="status">{text !== '' && <p class="toast">{text}</p>}</div>
}

function Preferences() {
  const t = useText()
  const spoken = useCell(language)
  const dressed = useCell(theme)
  return (
    <div class="preferences">
      <Choice
        label={t.language}
        value={spoken}
        options={[
          ['en', 'English'],
          ['zh', '中文'],
        ]}
        onChoose={(chosen) => language.set(chosen)}
      />
      <Choice<Theme>
        label={t.theme}
        value={dressed}
        options={(['system', 'light', 'dark'] as const).map((one) => [one, t.themes[one]] as const)}
        onChoose={(chosen) => theme.set(chosen)}
      />
    </div>
  )
}

function Who() {
  const t = useText()
  const who = useCell(me)
  if (!who) return null
  const leave = () => {
    // Who could not be logged out must not believe it.
    logout().then(
      () => me.set(null),
      (error: unknown) => toast.set(sayFault(error, t)),
    )
  }
  return (
    <div class="who">
      <span class="muted">
        {t.scopes[who.scope]} · {who.version}
      </span>
      <button type="button" class="quiet" onClick={leave}>
        {t.leave}
      </button>
    </div>
  )
}
