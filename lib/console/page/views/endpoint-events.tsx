import type { NewEndpoint } from '../../schemas.ts'
import { useText } from '../text.ts'

/** What an endpoint may ask for. */
export type EventType = NonNullable<NewEndpoint['events']>[number]

/** In the order of a session's life. */
export const SESSION_TYPES = [
  'session.created',
  'session.ready',
  'session.started',
  'session.closed',
  'session.failed',
] as const satisfies readonly EventType[]
const OPERATOR_TYPES = ['endpoint.disabled', 'delivery.dead', 'tick.stalled'] as const satisfies readonly EventType[]

/** Which events are sent; those about Rollcall itself only where they are named. */
export function EventChoice({
  chosen,
  onChoose,
}: {
  chosen: readonly EventType[]
  onChoose: (chosen: readonly EventType[]) => void
}) {
  const t = useText()
  const toggle = (type: EventType) =>
    onChoose(chosen.includes(type) ? chosen.filter((one) => one !== type) : [...chosen, type])
  return (
    <fieldset>
      <legend>{t.endpoints.events}</legend>
      <div class="options">
        {[...SESSION_TYPES, ...OPERATOR_TYPES].map((type) => (
          <label key={type} class="option">
            <input type="checkbox" checked={chosen.includes(type)} onChange={() => toggle(type)} />
            <code>{type}</code>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
