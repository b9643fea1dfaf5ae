import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { useText } from '../text.ts'

/** A dialog that takes all attention until it is closed; while it is `busy`, with what is shown this once, it stays open. */
export function Dialog({
  title,
  busy = false,
  onClose,
  children,
}: {
  title: string
  busy?: boolean
  onClose: () => void
  children: ComponentChildren
}) {
  const t = useText()
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const opener = document.activeElement
    dialog.current?.showModal()
    // What one came for, rather than the button that closes.
    dialog.current?.querySelector<HTMLElement>('input, select, .choice button, .main')?.focus()
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
    }
  }, [])
  // What had the focus goes away when its act is done.
  useEffect(() => {
    if (document.activeElement === document.body) dialog.current?.focus()
  })
  // In browsers that do not know `closedby` a second Escape closes it all the same.
  const closed = () => (busy ? dialog.current?.showModal() : onClose())
  return (
    <dialog ref={dialog} closedby={busy ? 'none' : 'closerequest'} aria-labelledby={id} tabIndex={-1} onClose={closed}>
      <header>
        <h2 id={id}>{title}</h2>
        <button
          type="button"
          class="quiet close"
          aria-label={t.close}
          disabled={busy}
          onClick={() => dialog.current?.close()}
        >
          ✕
        </button>
      </header>
      {children}
    </dialog>
  )
}
