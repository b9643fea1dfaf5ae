// A copy of a folder of programs, in a shared place such as /tmp, that every user can run and that nobody but root and
// ourselves can change: root will start what is in it. A copy is made aside and renamed, so it is never seen half done.
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * The copy of `source` inside the folder `name` of `place`, made or completed if need be, under the last name of `source`.
 * Undefined when the place is missing, not writable, or not safe from others.
 */
export function copyInto(place: string, name: string, source: string): string | undefined {
  const folder = join(place, name)
  const copy = join(folder, basename(source))
  if (isSafePlace(place) && isOurs(folder) && isComplete(source, copy)) return copy
  let made: string | undefined
  try {
    if (!isSafePlace(place)) return undefined
    made = mkdtempSync(`${folder}-`)
    copyTree(source, join(made, basename(source)))
    chmodSync(made, 0o755)
    // Cleaners of /tmp take single files away. What is not ours stays, and the rename fails.
    if (isOurs(folder)) rmSync(folder, { recursive: true, force: true })
    renameSync(made, folder)
    return copy
  } catch {
    // Another process may have been faster.
    return isOurs(folder) && isComplete(source, copy) ? copy : undefined
  } finally {
    if (made !== undefined) rmSync(made, { recursive: true, force: true })
  }
}

function belongsToUs(uid: number): boolean {
  return uid === 0 || uid === process.getuid?.()
}

function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false })
  return found !== undefined && found.isDirectory() && belongsToUs(found.uid) && (found.mode & 0o022) === 0
}

/** Others may add to a sticky folder such as /tmp, but neither rename nor replace what is ours, anywhere up to the root. */
function isSafePlace(place: string): boolean {
  if (!lstatSync(place, { throwIfNoEntry: false })) return false
  for (let path = realpathSync(place); ; path = dirname(path)) {
    const { uid, mode } = lstatSync(path)
    if (!belongsToUs(uid) || ((mode & 0o022) !== 0 && (mode & 0o1000) === 0)) return false
    if (path === dirname(path)) return true
  }
}

function copyTree(source: string, target: string): void {
  mkdirSync(target)
  chmodSync(target, 0o755)
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)]
    if (entry.isDirectory()) copyTree(from, to)
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(from), to)
    else {
      copyFileSync(from, to)
      // Whatever umask npm ran with, the server's user must be able to read them.
      chmodSync(to, (lstatSync(from).mode & 0o100) === 0 ? 0o644 : 0o755)
    }
  }
}

function isComplete(source: string, copy: string): boolean {
  return readdirSync(source, { withFileTypes: true }).every((entry) => {
    const [from, to] = [join(source, entry.name), join(copy, entry.name)]
    const found = lstatSync(to, { throwIfNoEntry: false })
    if (!found || entry.isSymbolicLink()) return found !== undefined
    return entry.isDirectory() ? isComplete(from, to) : lstatSync(from).size === found.size
  })
}
