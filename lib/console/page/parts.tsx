// The small things of which all views are made.
import type { ComponentChildren, FormHTMLAttributes, JSX, LooseInputHTMLAttributes } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { Session } from '../schemas.ts'
import { Refused, Unreachable } from './api.ts'
import { useCell } from './cell.ts'
import { useNow } from './clock.ts'
import { dictionaries, type Text } from './dictionary.ts'
import { formatExactly, formatMoment, formatSpan, fromField, shown, toField } from './format.ts'
import { hashOf } from './router.ts'
import { language, me } from './state.ts'

/** The texts of the page in its language. */
export const useText = (): Text => dictionaries[useCell(language)]

/** Whether whoever looks may change anything. */
export const useMayChange = (): boolean => useCell(me)?.scope === 'write'

/** A text that somebody else chose: never markup, and its direction turns nothing around it. */
export function Name({ of, mono = false }: { of: string | null; mono?: boolean }) {
  if (of === null || of === '') return <span class="none">–</span>
  return (
    <bdi class={mono ? 'name mono' : 'name'} title={shown(of)}>
      {shown(of)}
    </bdi>
  )
}

/** A moment, exact in its title. */
export function When({ at }: { at: string | null }) {
  const spoken = useCell(language)
  const now = useNow()
  if (at === null) return <span class="none">–</span>
  const date = new Date(at)
  return (
    <time dateTime={at} title={formatExactly(date, spoken)}>
      {formatMoment(date, new Date(now), spoken)}
    </time>
  )
}

/** The time from one moment to another, or until now. */
export function Span({ from, to = null }: { from: string; to?: string | null }) {
  const spoken = useCell(language)
  const now = useNow()
  return <span class="span">{formatSpan((to === null ? now : Date.parse(to)) - Date.parse(from), spoken)}</span>
}

/** What a session is doing, or how it ended. */
export type State = 'preparing' | 'ready' | 'started' | 'closed' | 'failed' | 'unknown'

/** Of a session as the API shows it. */
export function stateOf({ status, started }: Pick<Session, 'status' | 'started'>): State {
  if (status !== 'in_progress') return status
  return started ? 'started' : 'ready'
}

export type Tone = 'good' | 'plain' | 'wait' | 'bad' | 'busy'

const TONES = {
  preparing: 'plain',
  ready: 'wait',
  started: 'good',
  closed: 'plain',
  failed: 'bad',
  unknown: 'plain',
} as const satisfies Record<State, Tone>

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>
}

export function StateBadge({ state }: { state: State }) {
  const t = useText()
  return <Badge tone={TONES[state]}>{t.states[state]}</Badge>
}

/** A session's id, which leads to its life. */
export function SessionLink({ of }: { of: Pick<Session, 'account' | 'id' | 'incarnation'> }) {
  return (
    <a href={hashOf({ view: 'session', account: of.account, id: of.id, incarnation: of.incarnation })}>
      <Name of={of.id} mono />
    </a>
  )
}

export interface Column<Row> {
  head: string
  cell: (row: Row) => ComponentChildren
  /** Left out on a phone. */
  wide?: boolean
  /** Numbers stand below each other. */
  number?: boolean
  /** Says on a phone, where there are no heads, what it is. */
  told?: boolean
}

/** A table whose caption is for those who do not see its heading. */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
}: {
  caption: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
}) {
  const classOf = ({ wide, number, told }: Column<Row>) =>
    [wide && 'wide', number && 'number', told && 'told'].filter(Boolean).join(' ')
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = box.current
    if (!element) return
    // What can be scrolled must be reached by keyboard; what cannot need not be stopped at.
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0
    else element.removeAttribute('tabindex')
  })
  return (
    <div class="table" ref={box} role="group" aria-label={caption}>
      <table>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" key={column.head} class={classOf(column)}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.head} class={classOf(column)} data-head={column.head}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Names with their values. */
export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** A number with its name. */
export function Stat({ name, tone, children }: { name: string; tone?: Tone | false; children: ComponentChildren }) {
  return (
    <div class={tone || undefined}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** What a colour or a pattern stands for. */
export function LegendItem({ kind, children }: { kind: string; children: ComponentChildren }) {
  return (
    <li>
      <i class={`key ${kind}`} /> {children}
    </li>
  )
}

/** A part of a view, under a heading. */
export function Card({
  title,
  aside,
  kind = '',
  children,
}: {
  title: ComponentChildren
  aside?: ComponentChildren
  kind?: string
  children: ComponentChildren
}) {
  const id = useId()
  return (
    <section class={`card ${kind}`} aria-labelledby={id}>
      <header>
        <h2 id={id} tabIndex={-1}>
          {title}
        </h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

/** What went wrong, for people. */
export function sayFault(error: unknown, t: Text): string {
  if (error instanceof Unreachable) return t.faults.unreachable
  if (!(error instanceof Refused)) return t.faults.unknown
  if (error.status === 429) return t.faults.tooMany
  if (error.code === 'not_found') return t.faults.notFound
  if (error.code === 'database_unreachable') return t.faults.database
  return error.message || t.faults.unknown
}

/** Says what went wrong, if anything did. */
export function Fault({ error }: { error: unknown }) {
  const t = useText()
  if (error === undefined) return null
  return (
    <p class="fault" role="alert">
      <bdi>{shown(sayFault(error, t))}</bdi>
    </p>
  )
}

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>

/** Runs one act at a time, and knows whether it runs and what went wrong. Its button is `aria-disabled`, which keeps the focus. */
export function useAct(): { busy: boolean; error: unknown; act: (what: () => Promise<unknown>) => void } {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(undefined)
  const act = (what: () => Promise<unknown>) => {
    if (busy) return
    setBusy(true)
    setError(undefined)
    what()
      .catch(setError)
      .finally(() => setBusy(false))
  }
  return { busy, error, act }
}

/** A button that asks once more in its place: two clicks, and none by mistake. */
export function Confirm({
  label,
  question,
  busy = false,
  kind = '',
  onConfirm,
}: {
  label: string
  question: string
  busy?: boolean
  kind?: string
  onConfirm: () => void
}) {
  const t = useText()
  const [isAsked, setAsked] = useState(false)
  const yes = useRef<HTMLButtonElement>(null)
  const first = useRef<HTMLButtonElement>(null)
  const wasAsked = useRef(false)
  useEffect(() => {
    if (isAsked) yes.current?.focus()
    else if (wasAsked.current) first.current?.focus()
    wasAsked.current = isAsked
  }, [isAsked])
  if (!isAsked) {
    return (
      <button type="button" class={kind} ref={first} aria-disabled={busy} onClick={() => setAsked(!busy)}>
        {label}
      </button>
    )
  }
  const answer = (isYes: boolean) => {
    setAsked(false)
    if (isYes) onConfirm()
  }
  // The second half of a double click, or a key that is held, has not read the question.
  const confirm = (event: MouseEvent) => void (event.detail < 2 && answer(true))
  return (
    <span
      class="confirm"
      role="group"
      aria-label={question}
      onKeyDown={(event) => {
        if (event.repeat) event.preventDefault()
        if (event.key === 'Escape') answer(false)
      }}
    >
      <button type="button" class={`${kind} sure`} ref={yes} onClick={confirm}>
        {question}
      </button>
      <button type="button" class="quiet" onClick={() => answer(false)}>
        {t.cancel}
      </button>
    </span>
  )
}

/** A dialog that takes all attention until it is closed; while it is `busy`, with what is shown this once, it stays open. */
export function Dialog({
  title,
  busy = false,
  onClose,
  children,
}: {
  title: string
  busy?: boolean
  onClose: () => void
  children: ComponentChildren
}) {
  const t = useText()
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const opener = document.activeElement
    dialog.current?.showModal()
    // What one came for, rather than the button that closes.
    dialog.current?.querySelector<HTMLElement>('input, select, .choice button, .main')?.focus()
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
    }
  }, [])
  // What had the focus goes away when its act is done.
  useEffect(() => {
    if (document.activeElement === document.body) dialog.current?.focus()
  })
  // What the browser itself closes, at a second Escape, cannot be prevented.
  const closed = () => (busy ? dialog.current?.showModal() : onClose())
  return (
    <dialog ref={dialog} aria-labelledby={id} tabIndex={-1} onClose={closed}>
      <header>
        <h2 id={id}>{title}</h2>
        <button
          type="button"
          class="quiet close"
          aria-label={t.close}
          disabled={busy}
          onClick={() => dialog.current?.close()}
        >
          ✕
        </button>
      </header>
      {children}
    </dialog>
  )
}

/** A form that calls back, instead of the browser's own way to send it. */
export function Form({ onSubmit, ...attributes }: { onSubmit: () => void } & Omit<FormHTMLAttributes, 'onSubmit'>) {
  return (
    <form
      {...attributes}
      onSubmit={(event) => {
        event.preventDefault()
        onSubmit()
      }}
    />
  )
}

interface Labelled {
  label: string
  hint?: string | undefined
}

/** A field with its label, and a hint where it needs one. */
function Field({
  label,
  hint,
  children,
}: Labelled & { children: (attributes: { id: string; 'aria-describedby'?: string }) => JSX.Element }) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...(hint !== undefined && { 'aria-describedby': `${id}-hint` }) })}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

type Limits = Pick<
  LooseInputHTMLAttributes,
  'autocomplete' | 'max' | 'maxLength' | 'min' | 'placeholder' | 'required' | 'spellcheck' | 'step'
>

interface TextFieldProps extends Labelled, Limits {
  type?: 'text' | 'url' | 'password' | 'number' | 'search' | 'datetime-local'
  value: string
  onInput: (value: string) => void
}

/** A line of text, of the type that is given. */
export function TextField({ label, hint, type = 'text', onInput, ...input }: TextFieldProps) {
  // Preact's types know each type of input with its roles alone, and none that may be one of several.
  const oneOf = type as 'text'
  return (
    <Field label={label} hint={hint}>
      {(attributes) => (
        <input type={oneOf} {...attributes} {...input} onInput={(event) => onInput(event.currentTarget.value)} />
      )}
    </Field>
  )
}

/** A moment in the time zone of the browser. */
export function MomentField({
  value,
  onInput,
  ...labelled
}: Labelled & { value: Date | null; onInput: (value: Date | null) => void }) {
  return (
    <TextField
      {...labelled}
      type="datetime-local"
      value={toField(value)}
      onInput={(text) => onInput(fromField(text))}
    />
  )
}

/** One of several, of which only that one is seen. */
export function SelectField<Value extends string>({
  value,
  options,
  onChoose,
  ...labelled
}: Labelled & {
  value: Value
  options: readonly (readonly [Value, string])[]
  onChoose: (value: Value) => void
}) {
  return (
    <Field {...labelled}>
      {(attributes) => (
        <select {...attributes} value={value} onChange={(event) => onChoose(event.currentTarget.value as Value)}>
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

/** One of several, all of them seen. */
export function Choice<Value extends string>({
  label,
  value,
  options,
  onChoose,
}: {
  label: string
  value: Value
  options: readonly (readonly [Value, string])[]
  onChoose: (value: Value) => void
}) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button type="button" key={option} aria-pressed={option === value} onClick={() => onChoose(option)}>
          {text}
        </button>
      ))}
    </div>
  )
}

/** Text to copy, with the button that does it. */
export function Copy({ text, label }: { text: string; label: string }) {
  const t = useText()
  const [isCopied, setCopied] = useState(false)
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    )
  }
  return (
    <div class="copy">
      <code aria-label={label} tabIndex={0} role="textbox" aria-readonly="true">
        {text}
      </code>
      <button type="button" onClick={copy}>
        {isCopied ? t.copied : t.copy}
      </button>
      <span class="visually-hidden" role="status">
        {isCopied ? t.copied : ''}
      </span>
    </div>
  )
}
