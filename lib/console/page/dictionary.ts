import { chinese } from './chinese.ts'
import { english } from './english.ts'

/** All texts, as each language has them: one that a language lacks, or has with other arguments, is a type error. */
export type Text = typeof english

export const dictionaries = { en: english, zh: chinese } satisfies Record<string, Text>

/** Those the page speaks. */
export type Language = keyof typeof dictionaries

/** The first language that is wanted and spoken; English where there is none. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const [spoken] = tag.toLowerCase().split('-')
    if (spoken === 'zh' || spoken === 'en') return spoken
  }
  return 'en'
}
