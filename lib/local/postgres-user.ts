// Who a local Postgres runs as, and how its programs are run as that user: the server refuses to run as root.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../errors.ts'

/** A user of this machine that root can become. */
export interface SystemUser {
  uid: number
  gid: number
}

/** A clean environment, because PG* variables, a locale or a library path of the caller would change what the server does. */
export const SERVER_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** From the text of /etc/passwd: `postgres` (macOS: `_postgres`), else `nobody`. Never a user with the rights of root. */
export function pickUser(passwd: string): SystemUser | undefined {
  for (const wanted of ['postgres', '_postgres', 'nobody']) {
    for (const line of passwd.split('\n')) {
      const [name, , uid, gid] = line.split(':')
      if (name === wanted && /^[1-9]\d*$/.test(uid ?? '') && /^\d+$/.test(gid ?? '')) {
        return { uid: Number(uid), gid: Number(gid) }
      }
    }
  }
  return undefined
}

/**
 * The user to switch to, or undefined when we are not root and run as ourselves. The data in `home` decides, if there
 * is any: only its owner may open it.
 */
export function serverUser(home: string | undefined, passwdFile: string): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const data = join(home ?? '', 'data')
  if (home !== undefined && existsSync(data)) {
    const { uid, gid } = statSync(data)
    if (uid !== 0) return { uid, gid }
    throw new AppError(
      'local_postgres_failed',
      `${data} belongs to root, as whom Postgres refuses to run: give it and ${home}/password to another user (chown -R)`,
    )
  }
  const user = pickUser(readFileSync(passwdFile, 'utf8'))
  if (user) return user
  throw new AppError(
    'local_postgres_failed',
    `Postgres refuses to run as root, and ${passwdFile} has neither postgres nor nobody: run as another user, or set DATABASE_URL`,
  )
}

/** Runs one program to its end; gives its exit code (or the system's error code) and all it printed. Never throws. */
export function run(program: string, args: string[], user?: SystemUser): Promise<{ code: unknown; output: string }> {
  return new Promise((resolve) => {
    const options = { ...user, env: SERVER_ENV, cwd: '/' }
    try {
      execFile(program, args, options, (error, stdout, stderr) => {
        resolve({ code: error ? error.code : 0, output: `${stdout}${stderr}` || (error?.message ?? '') })
      })
    } catch (error) {
      // Node throws some faults of a start, such as EPERM, and reports others.
      resolve({ code: (error as NodeJS.ErrnoException).code, output: String(error) })
    }
  })
}
