// The data folder inside a home: made by initdb, or checked before a server opens it.
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { type SystemUser, run } from './postgres-user.ts'
import type { Binaries } from './postgres-binaries.ts'
import { emptyFolder } from './postgres-home.ts'

/** Checks the data in `home`, or makes it with a new password. A crash in between leaves no data, never half of it. */
export async function prepareData(
  home: string,
  binaries: Binaries,
  user: SystemUser | undefined,
  fsync: boolean,
): Promise<void> {
  const data = join(home, 'data')
  if (existsSync(data)) {
    await checkData(home, binaries, user)
    return
  }
  for (const name of readdirSync(home)) {
    if (name.startsWith('data.new-')) rmSync(join(home, name), { recursive: true, force: true, maxRetries: 3 })
  }
  const password = join(home, 'password')
  rmSync(password, { force: true })
  writeFileSync(password, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
  if (user) chownSync(password, user.uid, user.gid)
  const made = emptyFolder(home, 'data.new', user)
  // The collation that is part of Postgres, because not every system has a C.UTF-8.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const auth = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${password}`]
  const args = ['-D', made, ...locale, ...auth, '--no-instructions', ...(fsync ? [] : ['--no-sync'])]
  const { code, output } = await run(join(binaries.folder, 'bin/initdb'), args, user)
  if (code !== 0) {
    throw new AppError(
      'local_postgres_failed',
      `initdb could not make ${data} (${String(code)}): ${output.trim().slice(-300)}`,
    )
  }
  renameSync(made, data)
}

async function checkData(home: string, binaries: Binaries, user: SystemUser | undefined): Promise<void> {
  const data = join(home, 'data')
  const startAnew = `move ${data} away to start with an empty one`
  if (user) {
    const { output } = await run(join(binaries.folder, 'bin/pg_ctl'), ['status', '-D', data], user)
    if (output.includes('could not access directory')) {
      throw new AppError(
        'local_postgres_failed',
        `user ${user.uid}, who owns ${data}, can no longer reach it: let it enter the folders above (chmod o+x), or ${startAnew}`,
      )
    }
  }
  const versionFile = join(data, 'PG_VERSION')
  const major = existsSync(versionFile) ? readFileSync(versionFile, 'utf8').trim() : undefined
  if (major !== binaries.major) {
    const what = major === undefined ? 'is no data folder of Postgres' : `was made by Postgres ${major}`
    throw new AppError(
      'local_postgres_failed',
      `${data} ${what}, but the one installed is ${binaries.major}: ` +
        `${startAnew}${major === undefined ? '' : ` (pg_dump of version ${major} can carry the data over)`}`,
    )
  }
  if (!existsSync(join(home, 'password'))) {
    throw new AppError('local_postgres_failed', `${join(home, 'password')} is missing: put it back, or ${startAnew}`)
  }
}
