import { Copy, useText } from '../parts.tsx'

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
