import { cpSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/**
 * A folder of a subscriber's, with what npm would install of this package, copied, so that nothing of the repository is
 * found by accident; and with these other packages.
 */
export function installed(packages: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-subscriber-'))
  const target = join(folder, 'node_modules/rollcall')
  mkdirSync(target, { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(target, 'package.json'))
  // The directory that `files` names.
  cpSync(join(ROOT, 'dist'), join(target, 'dist'), { recursive: true })
  for (const [name, modules] of Object.entries(packages)) {
    mkdirSync(join(folder, 'node_modules', name, '..'), { recursive: true })
    symlinkSync(join(modules, name), join(folder, 'node_modules', name))
  }
  return folder
}

/** The repository's own packages. */
export const OWN_MODULES = join(ROOT, 'node_modules')
