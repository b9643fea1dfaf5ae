import { useEffect, useState } from 'preact/hooks'
import type { Session, SessionsQuery } from '../../schemas.ts'
import { queries } from '../api.ts'
import { useCell } from '../cell.ts'
import type { Text } from '../dictionary.ts'
import { usePages } from '../pages.ts'
import { Awaited } from '../parts/act.tsx'
import { StateBadge, stateOf } from '../parts/badge.tsx'
import { Card, Empty } from '../parts/card.tsx'
import { Form, MomentField, SelectField, TextField } from '../parts/form.tsx'
import { Name, SessionLink, Span, When } from '../parts/name.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { go } from '../router.ts'
import { account, me } from '../state.ts'
import { useText } from '../text.ts'
import { keyOf } from '../timeline/bar.ts'

type Query = Record<string, string>

/** Searches what was. What is searched for stands in the address, so that a search can be sent to somebody. */
export function HistoryView({ query }: { query: Query }) {
  const t = useText()
  return (
    <>
      <h1 tabIndex={-1}>{t.views.history}</h1>
      <Card title={t.history.search} kind="search">
        <Search query={query} />
      </Card>
      <Found query={query} />
    </>
  )
}

const FIELDS = ['user', 'session', 'state', 'reason', 'from', 'to', 'at'] as const

function Search({ query }: { query: Query }) {
  const t = useText()
  const [asked, setAsked] = useState<Query>(query)
  // The back button asks, too.
  useEffect(() => setAsked(query), [JSON.stringify(query)])
  const set = (name: string, value: string) => setAsked({ ...asked, [name]: value })
  const text = (name: 'user' | 'session', maxLength: number) => (
    <TextField
      label={t.session[name === 'user' ? 'user' : 'id']}
      type="search"
      autocomplete="off"
      spellcheck={false}
      maxLength={maxLength}
      value={asked[name] ?? ''}
      onInput={(value) => set(name, value)}
    />
  )
  const moment = (name: 'from' | 'to' | 'at') => (
    <MomentField
      label={t.history[name]}
      value={asked[name] ? new Date(asked[name]) : null}
      onInput={(at) => set(name, at?.toISOString() ?? '')}
    />
  )
  const choice = (name: 'state' | 'reason', options: Readonly<Record<string, string>>) => (
    <SelectField
      label={t.session[name]}
      value={asked[name] ?? ''}
      options={[['', t.history.any], ...Object.entries(options)]}
      onChoose={(value) => set(name, value)}
    />
  )
  return (
    <Form class="fields" role="search" onSubmit={() => go({ view: 'history', query: asked })}>
      {text('user', 1_024)}
      {text('session', 128)}
      {choice('state', t.history.states)}
      {choice('reason', { failed: t.states.failed, ...t.reasons })}
      {moment('from')}
      {moment('to')}
      {moment('at')}
      <div class="buttons">
        <button type="submit" class="main">
          {t.history.go}
        </button>
        {FIELDS.some((name) => asked[name]) && (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              // What was typed but never searched for is in no address.
              setAsked({})
              go({ view: 'history', query: {} })
            }}
          >
            {t.history.clear}
          </button>
        )}
      </div>
    </Form>
  )
}

const POLL_MS = 5_000

function Found({ query }: { query: Query }) {
  const t = useText()
  const chosen = useCell(account)
  const asked: SessionsQuery = {
    ...(Object.fromEntries(FIELDS.flatMap((name) => (query[name] ? [[name, query[name]]] : []))) as SessionsQuery),
    ...(chosen !== undefined && { account: chosen }),
  }
  const { answer, rows, next, error, busy, loadMore } = usePages(
    (cursor) => queries.sessions({ ...asked, ...(cursor !== undefined && { cursor }) }),
    { rowsOf: ({ sessions }) => sessions, keyOf, isBelow: (one, other) => one.firstSeenAt <= other.firstSeenAt },
    POLL_MS,
  )
  const isOne = useCell(me)?.accounts.length === 1
  return (
    <Card
      title={t.history.found}
      aside={
        <span class="muted" role="status">
          {answer && t.history.count(rows.length, next !== null)}
        </span>
      }
    >
      <Awaited answer={answer} error={error} />
      {answer && rows.length === 0 && <Empty>{next === null ? t.history.none : t.history.noneYet}</Empty>}
      {rows.length > 0 && <Table caption={t.history.found} rows={rows} keyOf={keyOf} columns={columnsOf(t, isOne)} />}
      {next !== null && (
        <button type="button" class="quiet" aria-disabled={busy} onClick={loadMore}>
          {rows.length === 0 ? t.history.on : t.more}
        </button>
      )}
    </Card>
  )
}

const columnsOf = (t: Text, isOne: boolean): Column<Session>[] => [
  { head: t.session.id, cell: (one) => <SessionLink of={one} /> },
  { head: t.session.user, cell: ({ userId }) => <Name of={userId} /> },
  ...(isOne ? [] : [{ head: t.account, wide: true, cell: (one: Session) => <Name of={one.account} /> }]),
  { head: t.session.state, cell: (one) => <StateBadge state={stateOf(one)} /> },
  { head: t.session.firstSeen, wide: true, cell: ({ firstSeenAt }) => <When at={firstSeenAt} /> },
  { head: t.session.ended, wide: true, cell: ({ endedAt }) => <When at={endedAt} /> },
  { head: t.session.held, number: true, told: true, cell: (one) => <Span from={one.firstSeenAt} to={one.endedAt} /> },
  {
    head: t.session.reason,
    wide: true,
    cell: ({ endReason, error }) => (
      <>
        {endReason === null ? <Name of={null} /> : t.reasons[endReason]}
        {error && (
          <span class="error">
            {' '}
            {error.code} <Name of={error.message} />
          </span>
        )}
      </>
    ),
  },
]
