/** Text from outside with nothing in it that could move the cursor, or hide, in the terminal or log of whoever reads it. */
export function inert(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·')
}
