// Installs what only benchmarks need: it is no part of the product, and `npm ci` at the root leaves it out.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))

/** Installs the packages of bench/package-lock.json, unless they are there as it says. Throws when that fails. */
export function installPeers() {
  // npm writes this file last.
  if (changedAt('node_modules/.package-lock.json') >= changedAt('package-lock.json')) return
  const { status } = spawnSync('npm', ['ci', '--prefix', folder], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the packages of bench/package.json could not be installed')
}

function changedAt(file) {
  return statSync(folder + file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
