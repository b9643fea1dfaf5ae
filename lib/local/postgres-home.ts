// Where the data of a local Postgres lies. Its home is a folder with data/ (the server's own), password, server.log and
// owner; it is the folder that was asked for, or, when root's server user cannot reach that, one of root's with a link
// to it from there. Data that exists is never removed.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { AppError } from '../errors.ts'
import { type SystemUser, run } from './postgres-user.ts'
import type { Binaries } from './postgres-binaries.ts'

/** The home that `dataDir` is or links to; undefined when there is neither data nor a folder that it links to. */
export function existingHome(dataDir: string): string | undefined {
  const data = join(dataDir, 'data')
  const found = lstatSync(data, { throwIfNoEntry: false })
  if (!found) return undefined
  if (found.isSymbolicLink()) {
    const home = dirname(resolve(dataDir, readlinkSync(data)))
    if (existsSync(home)) return home
    unlinkSync(data)
    return undefined
  }
  if (readdirSync(data).length > 0) return dataDir
  rmdirSync(data)
  return undefined
}

/**
 * A home for new data: `dataDir`, or where `user` cannot reach it a new folder under /var/lib (else /var/tmp, which
 * systems clean) that `dataDir` links to.
 */
export async function newHome(dataDir: string, binaries: Binaries, user: SystemUser | undefined): Promise<string> {
  if (!user || (await canHold(dataDir, binaries, user))) return dataDir
  for (const place of ['/var/lib', '/var/tmp']) {
    const home = makeFolder(place)
    if (home === undefined) continue
    if (await canHold(home, binaries, user)) {
      writeFileSync(
        join(home, 'README'),
        `Data of Rollcall's local Postgres. ${dataDir}/data links here, or it is of no use.\n`,
      )
      if (link(join(home, 'data'), join(dataDir, 'data'))) return home
      // Another start was faster: what it made counts.
      rmSync(home, { recursive: true })
      return existingHome(dataDir) ?? dataDir
    }
    rmSync(home, { recursive: true })
  }
  throw new AppError(
    'local_postgres_failed',
    `user ${user.uid}, which the server would run as, can reach neither ${dataDir} nor /var/lib: run as another user than root, or set DATABASE_URL`,
  )
}

function makeFolder(place: string): string | undefined {
  try {
    const home = mkdtempSync(join(place, 'rollcall-'))
    chmodSync(home, 0o711)
    return home
  } catch {
    return undefined
  }
}

function link(target: string, path: string): boolean {
  try {
    symlinkSync(target, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function canHold(home: string, binaries: Binaries, user: SystemUser): Promise<boolean> {
  let probe: string | undefined
  try {
    probe = emptyFolder(home, 'probe', user)
    // Some mounts accept a change of owner or mode and forget it.
    const { uid, mode } = statSync(probe)
    const status = await run(join(binaries.folder, 'bin/pg_ctl'), ['status', '-D', probe], user)
    return uid === user.uid && (mode & 0o777) === 0o700 && status.output.includes('is not a database cluster directory')
  } catch {
    return false
  } finally {
    if (probe !== undefined) rmdirSync(probe)
  }
}

/** A new folder `name-…` in `home` that only the server's user can enter. */
export function emptyFolder(home: string, name: string, user: SystemUser | undefined): string {
  const folder = mkdtempSync(join(home, `${name}-`))
  if (user) chownSync(folder, user.uid, user.gid)
  return folder
}
