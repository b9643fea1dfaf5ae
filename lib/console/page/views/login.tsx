import { useState } from 'preact/hooks'
import { login, readMe, Refused } from '../api.ts'
import { useCell } from '../cell.ts'
import { Fault, useAct } from '../parts/act.tsx'
import { Form, TextField } from '../parts/form.tsx'
import { isOver, me } from '../state.ts'
import { useText } from '../text.ts'

/** Asks for a token; the server keeps who has one logged in by a cookie that no script can read. */
export function Login() {
  const t = useText()
  const [token, setToken] = useState('')
  const { busy, error, act } = useAct()
  const wasLoggedIn = useCell(isOver)
  const isWrong = error instanceof Refused && error.status === 401
  const enter = () =>
    act(async () => {
      await login(token.trim())
      me.set(await readMe())
      isOver.set(false)
    })
  return (
    <main class="login">
      <Form onSubmit={enter}>
        <h1>
          <span class="mark" aria-hidden="true" />
          Rollcall
        </h1>
        <p class="muted">{t.login.lead}</p>
        {wasLoggedIn && (
          <p class="note" role="status">
            {t.login.over}
          </p>
        )}
        <TextField
          label={t.login.token}
          hint={t.login.hint}
          type="password"
          autocomplete="current-password"
          required
          value={token}
          onInput={setToken}
        />
        {isWrong ? (
          <p class="fault" role="alert">
            {t.login.wrong}
          </p>
        ) : (
          <Fault error={error} />
        )}
        <button type="submit" class="main" aria-disabled={busy}>
          {t.login.enter}
        </button>
      </Form>
    </main>
  )
}
