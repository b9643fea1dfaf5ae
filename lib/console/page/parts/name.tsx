// Who, when and how long, wherever it stands.
import type { Session } from '../../schemas.ts'
import { useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import { formatExactly, formatMoment, formatSpan, shown } from '../format.ts'
import { hashOf } from '../router.ts'
import { language } from '../state.ts'

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

/** A session's id, which leads to its life. */
export function SessionLink({ of }: { of: Pick<Session, 'account' | 'id' | 'incarnation'> }) {
  return (
    <a href={hashOf({ view: 'session', account: of.account, id: of.id, incarnation: of.incarnation })}>
      <Name of={of.id} mono />
    </a>
  )
}
