import { useState } from 'preact/hooks'
import type { EndpointChange, EndpointHealth } from '../../schemas.ts'
import { changeEndpoint } from '../api.ts'
import { Dialog, Fault, Field, useAct, useText } from '../parts.tsx'
import { changed } from '../poll.ts'
import { said } from '../state.ts'
import { EventChoice, type EventType, SESSION_TYPES } from './endpoint-events.tsx'

/** Changes what an endpoint is, for events from now on; only what is different is sent. */
export function ChangeEndpoint({ of, onClose }: { of: EndpointHealth; onClose: () => void }) {
  const t = useText()
  const { busy, error, act } = useAct()
  const [before] = useState(of)
  const [url, setUrl] = useState(before.url)
  const [description, setDescription] = useState(before.description)
  const [events, setEvents] = useState<readonly EventType[]>(() => spelledOut(before.events as EventType[]))
  const [rate, setRate] = useState(before.rate === null ? '' : String(before.rate))
  const [batchSize, setBatchSize] = useState(String(before.batchSize))

  const change = () =>
    act(async () => {
      const wanted =
        events.toSorted().join() ===
        spelledOut(before.events as EventType[])
          .toSorted()
          .join()
      const different: EndpointChange = {
        ...(url.trim() !== before.url && { url: url.trim() }),
        ...(description !== before.description && { description }),
        ...(!wanted && { events: [...events] }),
        ...((rate === '' ? null : Number(rate)) !== before.rate && { rate: rate === '' ? null : Number(rate) }),
        ...(Number(batchSize) !== before.batchSize && { batchSize: Number(batchSize) }),
      }
      await changeEndpoint(before.id, different)
      said.set(t.endpoints.changed)
      changed()
      onClose()
    })

  return (
    <Dialog title={t.endpoints.change} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          change()
        }}
      >
        <Field label={t.endpoints.url} hint={t.endpoints.moveHint}>
          {(attributes) => (
            <input
              {...attributes}
              type="url"
              required
              maxLength={2_048}
              value={url}
              onInput={(event) => setUrl(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label={t.endpoints.description}>
          {(attributes) => (
            <input
              {...attributes}
              type="text"
              maxLength={1_000}
              value={description}
              onInput={(event) => setDescription(event.currentTarget.value)}
            />
          )}
        </Field>
        <EventChoice chosen={events} onChoose={setEvents} />
        <div class="fields two">
          <Field label={t.endpoints.rateField} hint={t.endpoints.noRate}>
            {(attributes) => (
              <input
                {...attributes}
                type="number"
                min={0.01}
                max={10_000}
                step="any"
                value={rate}
                onInput={(event) => setRate(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field label={t.endpoints.batch}>
            {(attributes) => (
              <input
                {...attributes}
                type="number"
                required
                min={1}
                max={500}
                value={batchSize}
                onInput={(event) => setBatchSize(event.currentTarget.value)}
              />
            )}
          </Field>
        </div>
        <Fault error={error} />
        <div class="buttons">
          <button type="submit" class="main" disabled={events.length === 0} aria-disabled={busy}>
            {t.endpoints.changeNow}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** `*` is all of sessions. */
function spelledOut(events: readonly EventType[]): readonly EventType[] {
  return [...new Set(events.flatMap((type) => (type === '*' ? SESSION_TYPES : [type])))]
}
