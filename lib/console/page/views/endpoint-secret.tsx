import { useState } from 'preact/hooks'
import { useText } from '../text.ts'

/** Secrets, which nobody can ask for again. */
export function ShownOnce({ secrets }: { secrets: { secret: string; publicKey?: string | undefined } }) {
  const t = useText()
  return (
    <div class="secrets">
      <p class="note" role="status">
        {t.endpoints.once}
      </p>
      <h3>{t.endpoints.secret}</h3>
      <Copy text={secrets.secret} label={t.endpoints.secret} />
      {secrets.publicKey !== undefined && (
        <>
          <h3>{t.endpoints.publicKey}</h3>
          <Copy text={secrets.publicKey} label={t.endpoints.publicKey} />
        </>
      )}
    </div>
  )
}

/** Text to copy, with the button that does it. */
function Copy({ text, label }: { text: string; label: string }) {
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
