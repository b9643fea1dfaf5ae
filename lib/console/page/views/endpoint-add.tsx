import { useState } from 'preact/hooks'
import type { AddedEndpoint, NewEndpoint } from '../../schemas.ts'
import { addEndpoint } from '../api.ts'
import { useCell } from '../cell.ts'
import { shown } from '../format.ts'
import { Fault, useAct } from '../parts/act.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Form, SelectField, TextField } from '../parts/form.tsx'
import { changed } from '../poll.ts'
import { me } from '../state.ts'
import { useText } from '../text.ts'
import { EventChoice, type EventType } from './endpoint-events.tsx'
import { ShownOnce } from './endpoint-secret.tsx'

const USUAL: readonly EventType[] = ['session.started', 'session.closed', 'session.failed']

/** Registers a URL, and shows its secret, this once. */
export function AddEndpoint({ onClose }: { onClose: () => void }) {
  const t = useText()
  const accounts = useCell(me)?.accounts ?? []
  const { busy, error, act } = useAct()
  const [added, setAdded] = useState<AddedEndpoint>()
  const [url, setUrl] = useState('')
  const [description, setDescription] = useState('')
  const [account, setAccount] = useState('')
  const [from, setFrom] = useState<'now' | 'start' | 'snapshot'>('now')
  const [events, setEvents] = useState<readonly EventType[]>(USUAL)
  const [mustProve, setMustProve] = useState(false)
  const [ed25519, setEd25519] = useState(false)

  const add = () =>
    act(async () => {
      const endpoint: NewEndpoint = {
        url: url.trim(),
        description,
        events: [...events],
        from,
        mustProve,
        ed25519,
        account: account === '' ? null : account,
      }
      setAdded(await addEndpoint(endpoint))
      changed()
    })
  return (
    <Dialog title={added ? t.endpoints.added : t.endpoints.add} busy={busy} onClose={onClose}>
      {added ? (
        <ShownOnce secrets={added} />
      ) : (
        <Form onSubmit={add}>
          <TextField
            label={t.endpoints.url}
            hint={t.endpoints.urlHint}
            type="url"
            required
            maxLength={2_048}
            placeholder="https://"
            value={url}
            onInput={setUrl}
          />
          <TextField label={t.endpoints.description} maxLength={1_000} value={description} onInput={setDescription} />
          <EventChoice chosen={events} onChoose={setEvents} />
          <div class="fields two">
            <SelectField
              label={t.account}
              value={account}
              options={[['', t.allAccounts], ...accounts.map((name) => [name, shown(name)] as const)]}
              onChoose={setAccount}
            />
            <SelectField
              label={t.endpoints.from}
              value={from}
              options={(['now', 'snapshot', 'start'] as const).map((one) => [one, t.endpoints.froms[one]] as const)}
              onChoose={setFrom}
            />
          </div>
          <label class="option">
            <input type="checkbox" checked={mustProve} onChange={() => setMustProve(!mustProve)} />
            {t.endpoints.mustProve}
          </label>
          <label class="option">
            <input type="checkbox" checked={ed25519} onChange={() => setEd25519(!ed25519)} />
            {t.endpoints.ed25519}
          </label>
          <Fault error={error} />
          <div class="buttons">
            <button type="submit" class="main" disabled={events.length === 0} aria-disabled={busy}>
              {t.endpoints.addNow}
            </button>
          </div>
        </Form>
      )}
    </Dialog>
  )
}
