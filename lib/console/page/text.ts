import { useCell } from './cell.ts'
import { dictionaries, type Text } from './dictionary.ts'
import { language } from './state.ts'

/** The texts of the page in its language. */
export const useText = (): Text => dictionaries[useCell(language)]
