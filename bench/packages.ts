import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './program.ts'

const FOLDER = join(ROOT, 'bench')
const LOCK = join(FOLDER, 'package-lock.json')
/** A copy of the lock that was installed. */
const INSTALLED = join(FOLDER, 'node_modules/.installed.json')

/** Has npm install what this folder's lock names, unless it is there. */
export function installPackages(): void {
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, 'utf8') === readFileSync(LOCK, 'utf8')) return
  // Peers may say they need a newer Node, and run on this one.
  execFileSync('npm', ['ci', '--prefix', FOLDER, '--engine-strict=false', '--loglevel=error'], { stdio: 'inherit' })
  copyFileSync(LOCK, INSTALLED)
}
