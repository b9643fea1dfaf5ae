// PgBouncer in transaction mode, as Debian packages it, between tests and a server.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { serverUser } from '../../lib/local/postgres-user.ts'
import { freePort } from '../support/free-port.ts'
import { eventually } from '../support/receiver.ts'

/** Where it is installed; undefined when it is not. Debian puts it where only root's PATH leads. */
export const bouncerBinary = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  .map((folder) => join(folder, 'pgbouncer'))
  .find((path) => existsSync(path))

export interface Bouncer {
  /** What leads through it to the database of `url`. */
  through: (url: string) => string
  stop: () => Promise<void>
}

/** A pooler before the server of `url` that has `poolSize` connections for each database, however many clients come. */
export async function startBouncer(url: string, poolSize: number): Promise<Bouncer> {
  const { hostname, port, username, password } = new URL(url)
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bouncer-'))
  const own = await freePort()
  writeFileSync(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, 'users.txt')}
logfile = ${join(folder, 'log')}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 300
server_login_retry = 1
`,
  )
  writeFileSync(join(folder, 'users.txt'), `"${username}" "${password}"\n`, { mode: 0o600 })
  // It refuses to run as root, as the server does.
  const user = serverUser(undefined, '/etc/passwd')
  chmodSync(folder, 0o700)
  if (user) for (const path of [folder, join(folder, 'users.txt')]) chownSync(path, user.uid, user.gid)
  const child = spawn(bouncerBinary!, [join(folder, 'pgbouncer.ini')], { ...user, cwd: '/', stdio: 'ignore' })
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await eventually('the pooler listens', () => answers(own))
  } catch (error) {
    const log = existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : 'it wrote no log'
    await stop()
    throw new Error(`pgbouncer did not start: ${log}`, { cause: error })
  }
  return {
    through: (to) => {
      const address = new URL(to)
      address.port = String(own)
      return address.href
    },
    stop,
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
