import type { Bar as ApiBar } from '../../schemas.ts'
import { useCell } from '../cell.ts'
import { useNow } from '../clock.ts'
import type { Text } from '../dictionary.ts'
import { formatMoment, formatSpan, plain } from '../format.ts'
import { LegendItem } from '../parts/card.tsx'
import { language, lastNow, serverNow } from '../state.ts'
import { useText } from '../text.ts'
import { blindSinceOf } from '../watch.ts'
import { stateOfBar, toBar } from './bar.ts'
import { partsOf } from './layout.ts'

/** One sentence about a bar, for ears. */
export function describe(bar: ApiBar, t: Text, spoken: 'en' | 'zh'): string {
  const now = new Date(serverNow())
  const from = new Date(bar.firstSeenAt)
  const to = bar.endedAt === null ? now : new Date(bar.endedAt)
  return [
    plain(bar.userId ?? bar.id),
    t.states[stateOfBar(bar)],
    t.timeline.began(formatMoment(from, now, spoken)),
    t.timeline.held(formatSpan(to.getTime() - from.getTime(), spoken)),
    bar.endReason === null ? '' : t.reasons[bar.endReason],
  ]
    .filter(Boolean)
    .join(', ')
}

/** The same beside the bar, for eyes. */
export function Tip({ of, x, y }: { of: ApiBar; x: number; y: number }) {
  const t = useText()
  const spoken = useCell(language)
  const now = useNow()
  const parts = partsOf(toBar(of), now, blindSinceOf(lastNow.get()?.ticks ?? [], now).get(of.account))
  const moment = (at: string) => formatMoment(new Date(at), new Date(now), spoken)
  return (
    <div
      class="tip"
      aria-hidden="true"
      style={{ left: `max(0.5rem, min(${x + 14}px, calc(100% - 17rem)))`, top: `${y + 22}px` }}
    >
      <strong>
        <bdi>{plain(of.userId ?? of.id)}</bdi>
      </strong>
      <span class="mono small">
        <bdi>{plain(of.id)}</bdi>
      </span>
      <span>
        {t.states[stateOfBar(of)]}
        {of.endReason !== null && ` · ${t.reasons[of.endReason]}`}
      </span>
      <ul>
        {parts.map(({ phase, from, to }) => (
          <LegendItem key={phase} kind={phase}>
            {t.phases[phase]} <b>{formatSpan(to - from, spoken)}</b>
          </LegendItem>
        ))}
      </ul>
      <span class="muted">
        {moment(of.firstSeenAt)} – {of.endedAt === null ? t.timeline.now : moment(of.endedAt)}
      </span>
    </div>
  )
}
