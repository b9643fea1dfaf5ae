// What makes the page untrue.
import { useCell } from './cell.ts'
import { useNow } from './clock.ts'
import { formatMoment, shown } from './format.ts'
import { Fault } from './parts/act.tsx'
import { Name, Span } from './parts/name.tsx'
import { language, lastNow, lostSince, nowFault, serverNow } from './state.ts'
import { useText } from './text.ts'
import { type Blind, warningsOf } from './watch.ts'

/** Of more accounts than that the warnings would be all that is seen. */
const MOST_TOLD = 3

/** That the server does not answer, and which accounts nobody watches: above every view. */
export function Warnings() {
  const t = useText()
  const lost = useCell(lostSince)
  const spoken = useCell(language)
  const seen = useCell(lastNow)
  const time = useNow()
  const fault = useCell(nowFault)
  // While the server does not answer, nothing is known of its ticks.
  const blind = seen && !lost ? warningsOf(seen.ticks, time) : []
  const worstFirst = blind.toSorted((a, b) => Number(a.why === 'incomplete') - Number(b.why === 'incomplete'))
  const text = lost ? t.lost.told(formatMoment(new Date(serverNow()), new Date(serverNow()), spoken)) : ''
  return (
    <div class="warnings">
      <div role="status">{lost && <p class="warning lost">{text}</p>}</div>
      {!lost && <Fault error={fault} />}
      <div role="status">
        {seen?.ticks.length === 0 && (
          <p class="warning blind">
            <strong>{t.blind.title}</strong> {t.blind.nothing}
          </p>
        )}
        {worstFirst.slice(0, MOST_TOLD).map((one) => (
          <BlindWarning key={one.account} of={one} />
        ))}
        {blind.length > MOST_TOLD && (
          <p class="warning blind">
            {t.now.more(blind.length - MOST_TOLD)} <a href="#/watching">{t.views.watching}</a>
          </p>
        )}
      </div>
    </div>
  )
}

function BlindWarning({ of }: { of: Blind }) {
  const t = useText()
  const isPart = of.why === 'incomplete'
  return (
    <p class={isPart ? 'warning part' : 'warning blind'}>
      <strong>{isPart ? t.blind.part : t.blind.title}</strong> <Name of={of.account} /> {t.blind[of.why]}
      {of.error !== null && <code> {shown(of.error)}</code>}
      {of.since !== null && !isPart && (
        // Each second it would be read out again.
        <span aria-hidden="true">
          {' '}
          {t.blind.since} {t.ago[0]}
          <Span from={of.since.toISOString()} />
          {t.ago[1]}.
        </span>
      )}{' '}
      <a href="#/watching">{t.views.watching}</a>
    </p>
  )
}
