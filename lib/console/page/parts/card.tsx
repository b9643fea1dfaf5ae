// What a view is made of: cards, and the facts and numbers in them.
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { Tone } from './badge.tsx'

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

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>
