// What all of the page shares, each in one cell: who looks, how they want it, and what the last look at the server said.
import type { Me, Now } from '../schemas.ts'
import { cell } from './cell.ts'
import { chooseLanguage, type Language } from './dictionary.ts'

/** Light or dark, or as the system has it. */
export type Theme = 'system' | 'light' | 'dark'

/** Who looks: null, nobody is logged in; undefined, not known yet. */
export const me = cell<Me | null | undefined>(undefined)
/** Whether somebody was logged in here and is not any more, without having left. */
export const isOver = cell(false)
/** The account that is looked at; undefined: all. */
export const account = cell<string | undefined>(undefined)
/** The last answer of /api/now. */
export const lastNow = cell<Now | undefined>(undefined)
/** Why /api/now is refused; undefined: it is not. */
export const nowFault = cell<unknown>(undefined)
/** What an act came to; empty: nothing to tell. */
export const toast = cell('')
/** Since when the server does not answer; undefined: it does. */
export const lostSince = cell<Date | undefined>(undefined)
/** When the server last gave what it was asked for, by the browser's clock. */
export const heardAt = cell(Date.now())
/** How far the clock of the server is ahead of the browser's, in milliseconds. */
export const clockOffset = cell(0)

const KEPT = { language: 'rollcall.language', theme: 'rollcall.theme' }

/** The language of the page; kept in this browser. */
export const language = cell<Language>(
  chooseLanguage([read(KEPT.language) ?? '', ...(globalThis.navigator?.languages ?? [])]),
)
/** The theme of the page; kept in this browser. */
export const theme = cell<Theme>(asTheme(read(KEPT.theme)))

/** Sets language and theme of the document, now and at each change. */
export function dressDocument(root: HTMLElement): void {
  const dress = () => {
    root.lang = language.get() === 'zh' ? 'zh-CN' : 'en'
    if (theme.get() === 'system') delete root.dataset['theme']
    else root.dataset['theme'] = theme.get()
  }
  dress()
  language.follow(() => (dress(), write(KEPT.language, language.get())))
  theme.follow(() => (dress(), write(KEPT.theme, theme.get())))
}

/** So long an answer may be on its way. */
const PATIENCE_MS = 15_000

/**
 * The server's time in milliseconds. It stands still while the server does not answer, or has not been asked because nobody looked:
 * what nobody sees must not seem to go on.
 */
export const serverNow = (): number =>
  (lostSince.get()?.getTime() ?? Math.min(Date.now(), heardAt.get() + PATIENCE_MS)) + clockOffset.get()

/** To be called when there is no answer: what is seen is as of the last one. */
export const loseServer = (): void => lostSince.set(lostSince.get() ?? new Date(heardAt.get()))

function asTheme(text: string | null): Theme {
  return text === 'light' || text === 'dark' ? text : 'system'
}

// A browser may refuse to keep anything; then the choice lasts as long as the page.
function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    return
  }
}
