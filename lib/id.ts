import { randomUUID } from 'node:crypto'

/** A random id that was never given before: the prefix and 32 hexadecimal digits. */
export function newId(prefix: string): string {
  return prefix + randomUUID().replaceAll('-', '')
}
