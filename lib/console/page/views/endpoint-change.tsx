import { useState } from 'preact/hooks'
import type { EndpointChange, EndpointHealth } from '../../schemas.ts'
import { changeEndpoint } from '../api.ts'
import { Fault, useAct } from '../parts/act.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Form, TextField } from '../parts/form.tsx'
import { changed } from '../poll.ts'
import { toast } from '../state.ts'
import { useText } from '../text.ts'
import { EventChoice, type EventType, SESSION_TYPES } from './endpoint-events.tsx'

/** Changes what an endpoint is, for events from now on; only what is different is sent. */
export function ChangeEndpoint({ of, onClose }: { of: EndpointHealth; onClose: () => void }) {
  const t = useText()
  const { busy, error, act } = useAct()
  const [before] = useState(of)
  const eventsBefore = spelledOut(before.events as EventType[])
  const [url, setUrl] = useState(before.url)
  const [description, setDescription] = useState(before.description)
  const [events, setEvents] = useState(eventsBefore)
  const [rate, setRate] = useState(before.rate === null ? '' : String(before.rate))
  const [batchSize, setBatchSize] = useState(String(before.batchSize))

  const change = () =>
    act(async () => {
      const newRate = rate === '' ? null : Number(rate)
      const different: EndpointChange = {
        ...(url.trim() !== before.url && { url: url.trim() }),
        ...(description !== before.description && { description }),
        ...(events.toSorted().join() !== eventsBefore.toSorted().join() && { events: [...events] }),
        ...(newRate !== before.rate && { rate: newRate }),
        ...(Number(batchSize) !== before.batchSize && { batchSize: Number(batchSize) }),
      }
      await changeEndpoint(before.id, different)
      toast.set(t.endpoints.changed)
      changed()
      onClose()
    })

  return (
    <Dialog title={t.endpoints.change} onClose={onClose}>
      <Form onSubmit={change}>
        <TextField
          label={t.endpoints.url}
          hint={t.endpoints.moveHint}
          type="url"
          required
          maxLength={2_048}
          value={url}
          onInput={setUrl}
        />
        <TextField label={t.endpoints.description} maxLength={1_000} value={description} onInput={setDescription} />
        <EventChoice chosen={events} onChoose={setEvents} />
        <div class="fields two">
          <TextField
            label={t.endpoints.rateField}
            hint={t.endpoints.noRate}
            type="number"
            min={0.01}
            max={10_000}
            step="any"
            value={rate}
            onInput={setRate}
          />
          <TextField
            label={t.endpoints.batch}
            type="number"
            required
            min={1}
            max={500}
            value={batchSize}
            onInput={setBatchSize}
          />
        </div>
        <Fault error={error} />
        <div class="buttons">
          <button type="submit" class="main" disabled={events.length === 0} aria-disabled={busy}>
            {t.endpoints.changeNow}
          </button>
        </div>
      </Form>
    </Dialog>
  )
}

/** `*` is all of sessions. */
function spelledOut(events: readonly EventType[]): readonly EventType[] {
  return [...new Set(events.flatMap((type) => (type === '*' ? SESSION_TYPES : [type])))]
}
