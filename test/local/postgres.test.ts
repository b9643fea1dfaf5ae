// Real servers on real folders, no doubles. Where the process that starts one must be killed, run as another user or lie where
// others cannot go, it is a child.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type SystemUser, pickUser, serverUser } from '../../lib/local/postgres-user.ts'
import { findBinaries } from '../../lib/local/postgres-binaries.ts'
import { copyInto } from '../../lib/local/postgres-copy.ts'
import { type LocalPostgres, type PostgresOptions, startPostgres } from '../../lib/local/postgres.ts'
import {
  bundleChild,
  installChild,
  killChild,
  type PostgresChild,
  startChild,
  stopChild,
} from '../support/postgres-child.ts'
import { childrenOf, isAlive, uidOf } from '../support/processes.ts'

const isRoot = process.getuid?.() === 0
const nobody = isRoot ? pickUser(onlyNobody(readFileSync('/etc/passwd', 'utf8'))) : undefined
const nobodyRunsNode = nobody !== undefined && spawnSync(process.execPath, ['--version'], nobody).status === 0

const POLL = { timeout: 15_000 }
let scratch = ''
let bundle = ''
let next = 0
const running: LocalPostgres[] = []
const children: ChildProcess[] = []
const homes = new Set<string>()

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rollcall-postgres-test-'))
  chmodSync(scratch, 0o755)
  bundle = join(scratch, 'bundle.js')
  await bundleChild(bundle)
})

afterEach(async () => {
  await Promise.all(running.splice(0).map((postgres) => postgres.stop()))
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
  for (const home of homes) {
    const pid = serverPid(home)
    if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGQUIT')
    if (!home.startsWith(scratch)) rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
  homes.clear()
})

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
})

describe('a server', () => {
  it('starts on an empty folder, in UTF-8, for those who have the password', async () => {
    const postgres = await start()

    const [settings] = await ask(
      postgres.url,
      `select current_database() as database, datlocale, pg_encoding_to_char(encoding) as encoding,
         current_setting('listen_addresses') as listens, current_setting('unix_socket_directories') as sockets,
         current_setting('lc_messages') as messages, current_setting('fsync') as fsync
       from pg_database where datname = current_database()`,
    )

    expect(settings).toEqual({
      database: 'rollcall',
      datlocale: 'C.UTF-8',
      encoding: 'UTF8',
      listens: '127.0.0.1',
      sockets: '',
      messages: 'C',
      fsync: 'off',
    })
    expect(postgres.url).toMatch(/^postgresql:\/\/postgres:[\w-]{32}@127\.0\.0\.1:\d+\/rollcall\?sslmode=disable$/)
    expect(statSync(join(postgres.home, 'password')).mode & 0o777).toBe(0o600)
    await expect(ask(postgres.url.replace(/:[\w-]{32}@/, ':guess@'), 'select 1')).rejects.toMatchObject({
      code: '28P01',
    })
  })

  it('writes through to the disk unless told not to', async () => {
    const postgres = await start({ fsync: true, settings: { work_mem: '5MB' } })

    const [settings] = await ask(
      postgres.url,
      "select current_setting('fsync') as fsync, current_setting('work_mem') as work_mem",
    )

    expect(settings).toEqual({ fsync: 'on', work_mem: '5MB' })
  })

  it('keeps data, password and port from run to run', async () => {
    const dataDir = folder()
    const first = await start({ dataDir })
    await ask(first.url, 'create table kept as select 42 as answer')
    await first.stop()

    const second = await start({ dataDir })

    expect(second.url).toBe(first.url)
    expect(await ask(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  it('is gone when stop resolves, although a client was connected', async () => {
    const postgres = await start()
    const pid = serverPid(postgres.home) ?? 0
    const client = new pg.Client(postgres.url)
    client.on('error', () => undefined)
    await client.connect()

    await Promise.all([postgres.stop(), postgres.stop()])

    expect(isAlive(pid)).toBe(false)
    expect(existsSync(join(postgres.home, 'owner'))).toBe(false)
  })

  it('ends with the process that started it', async () => {
    const child = await startAside({ dataDir: folder() })
    const pid = serverPid(child.home) ?? 0

    child.process.stdin?.end()

    await expect.poll(() => isAlive(pid), POLL).toBe(false)
  })

  it('says in the error what the server said when it does not start, and can be started after', async () => {
    const dataDir = folder()

    await expect(start({ dataDir, settings: { no_such_setting: '1' } })).rejects.toMatchObject({
      code: 'local_postgres_failed',
      message: expect.stringMatching(/server\.log.*unrecognized configuration parameter "no_such_setting"/s) as string,
    })

    await start({ dataDir })
  })
})

describe('a port', () => {
  it('that was used the last time and is taken now is changed for a free one', async () => {
    const dataDir = folder()
    const first = await start({ dataDir })
    await first.stop()
    const port = Number(new URL(first.url).port)
    const other = await listen(port)

    const second = await start({ dataDir })
    other.close()

    expect(Number(new URL(second.url).port)).not.toBe(port)
    expect(await ask(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('that was asked for is used, and a taken one is an error', async () => {
    const taken = await listen(0)
    const address = taken.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const dataDir = folder()

    await expect(start({ dataDir, port })).rejects.toThrow(`port ${port} is taken`)
    await new Promise((resolve) => taken.close(resolve))
    const postgres = await start({ dataDir, port })

    expect(new URL(postgres.url).port).toBe(String(port))
  })
})

describe('a data folder', () => {
  it('in use by a living process is refused, and its server goes on', async () => {
    const dataDir = folder()
    const first = await start({ dataDir })
    const child = startAside({ dataDir })

    await expect(start({ dataDir })).rejects.toThrow(`is in use by process ${process.pid} (this one)`)
    await expect(child).rejects.toThrow(
      `is in use by process ${process.pid}, whose Postgres runs on it: stop that process`,
    )

    expect(await ask(first.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('whose owner was killed is taken over, and the server left behind is stopped', async () => {
    const dataDir = folder()
    const child = await startAside({ dataDir })
    await ask(child.url, 'create table kept as select 42 as answer')
    const left = serverPid(child.home) ?? 0
    await killChild(child)
    expect(isAlive(left)).toBe(true)

    const postgres = await start({ dataDir })

    expect(isAlive(left)).toBe(false)
    expect(await ask(postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  it.each([0o755, 0o700])('of mode %o that many want goes to one of them, also when it is taken over', async (mode) => {
    const dataDir = folder()
    chmodSync(dataDir, mode)
    const race = async (): Promise<PostgresChild[]> => {
      const racers = await Promise.allSettled(Array.from({ length: 5 }, () => startAside({ dataDir })))
      return racers.flatMap((racer) => (racer.status === 'fulfilled' ? [racer.value] : []))
    }

    const first = await race()
    for (const child of first) await killChild(child)
    const second = await race()

    expect([first.length, second.length]).toEqual([1, 1])
    expect(second[0]?.url).toContain(first[0]?.url.replace(/:\d+\/.*/, ''))
  })

  it('whose every process was killed recovers', async () => {
    const dataDir = folder()
    const child = await startAside({ dataDir, fsync: true })
    await ask(child.url, 'create table kept as select 42 as answer')
    const left = serverPid(child.home) ?? 0
    await killChild(child)
    for (const pid of [left, ...childrenOf(left)]) process.kill(pid, 'SIGKILL')

    const postgres = await start({ dataDir })

    expect(await ask(postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  it('whose server alone was killed recovers once the last of it are gone', async () => {
    const dataDir = folder()
    const child = await startAside({ dataDir })
    const left = serverPid(child.home) ?? 0
    await killChild(child)
    process.kill(left, 'SIGKILL')

    const postgres = await start({ dataDir })

    expect(await ask(postgres.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('starts although the process ids it noted now belong to others, which are left alone', async () => {
    const dataDir = folder()
    const first = await start({ dataDir })
    const note = readFileSync(join(first.home, 'data/postmaster.pid'), 'utf8')
    await first.stop()
    const { uid, gid } = statSync(join(first.home, 'data'))
    const other = spawn('/bin/sleep', ['60'], { uid, gid, cwd: '/' })
    children.push(other)
    writeFileSync(join(first.home, 'data/postmaster.pid'), note.replace(/^\d+/, String(other.pid)))
    writeFileSync(join(first.home, 'owner'), `${other.pid}\nanother time\n`)

    await start({ dataDir })

    expect(isAlive(other.pid ?? 0)).toBe(true)
  })

  it('on which a person runs a server is refused, and that server goes on', async () => {
    const dataDir = folder()
    const first = await start({ dataDir })
    await first.stop()
    const data = join(first.home, 'data')
    const user = serverUser(first.home, '/etc/passwd')
    const { folder: binaries } = await findBinaries(user)
    const port = new URL(first.url).port
    const args = ['-D', data, '-c', `port=${port}`, '-c', 'unix_socket_directories=']
    const theirs = spawn(join(binaries, 'bin/postgres'), args, { ...user, cwd: '/', stdio: 'ignore' })
    children.push(theirs)
    await expect.poll(() => serverPid(first.home), POLL).toBe(theirs.pid)

    await expect(start({ dataDir })).rejects.toThrow(`a Postgres that Rollcall did not start (process ${theirs.pid})`)

    expect(isAlive(theirs.pid ?? 0)).toBe(true)
    theirs.kill('SIGINT')
    await once(theirs, 'exit')
  })

  it('of another major version is refused and left as it was', async () => {
    const dataDir = folder()
    const first = await start({ dataDir })
    await first.stop()
    writeFileSync(join(first.home, 'data/PG_VERSION'), '13\n')

    await expect(start({ dataDir })).rejects.toThrow(
      /data was made by Postgres 13, but the one installed is \d+: move .* away/,
    )

    expect(existsSync(join(first.home, 'data/base'))).toBe(true)
  })

  it('whose password is missing, or that holds something else, is refused with what to do', async () => {
    const dataDir = folder()
    const first = await start({ dataDir })
    await first.stop()
    rmSync(join(first.home, 'password'))
    const strange = folder()
    mkdirSync(join(strange, 'data/photos'), { recursive: true })
    if (nobody) chownSync(join(strange, 'data'), nobody.uid, nobody.gid)

    await expect(start({ dataDir })).rejects.toThrow(/password is missing: put it back, or move/)
    await expect(start({ dataDir: strange })).rejects.toThrow('is no data folder of Postgres')
  })

  it('left by a start that was killed half way is made anew', async () => {
    const dataDir = folder()
    mkdirSync(join(dataDir, 'data.new-abc/base'), { recursive: true })
    mkdirSync(join(dataDir, 'data'))
    writeFileSync(join(dataDir, 'password'), 'old')

    const postgres = await start({ dataDir })

    expect(postgres.url).not.toContain('old')
    expect(readdirSync(dataDir).sort()).toEqual(['data', 'owner', 'password', 'server.log'])
  })
})

describe('the user of root’s server', () => {
  it('is postgres, else nobody, and never one with the rights of root', () => {
    const root = 'root:x:0:0:root:/root:/bin/bash\n'
    const nobody = 'nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n'

    expect(pickUser(`${root}${nobody}postgres:x:101:104::/:/bin/sh\n`)).toEqual({ uid: 101, gid: 104 })
    expect(pickUser(`${root}${nobody}_postgres:*:216:216::/:/bin/sh`)).toEqual({ uid: 216, gid: 216 })
    expect(pickUser(`${root}${nobody}postgres:x:0:0::/:/bin/sh\n`)).toEqual({ uid: 65534, gid: 65533 })
    expect(pickUser(`${root}nobody:*:-2:-2::/:/bin/sh\nmy-postgres:x:7:7::/:/bin/sh`)).toBeUndefined()
  })

  it.runIf(isRoot && pickUser(readFileSync('/etc/passwd', 'utf8')))('owns the data', async () => {
    const user = pickUser(readFileSync('/etc/passwd', 'utf8'))

    const postgres = await start()

    const { uid, gid } = statSync(join(postgres.home, 'data'))
    expect({ uid, gid }).toEqual(user)
    expect(uidOf(serverPid(postgres.home) ?? 0)).toBe(user?.uid)
  })

  it.runIf(nobody)('is nobody on a machine without postgres, and stays it once there is data', async () => {
    const dataDir = folder()
    const passwdFile = join(scratch, 'passwd')
    writeFileSync(passwdFile, onlyNobody(readFileSync('/etc/passwd', 'utf8')))

    const first = await start({ dataDir, passwdFile })
    const uids = [uidOf(serverPid(first.home) ?? 0)]
    await first.stop()
    const second = await start({ dataDir })
    uids.push(uidOf(serverPid(second.home) ?? 0))

    expect(uids).toEqual([nobody?.uid, nobody?.uid])
  })

  it.runIf(isRoot)('must exist', async () => {
    const passwdFile = join(scratch, 'passwd-of-root-alone')
    writeFileSync(passwdFile, 'root:x:0:0:root:/root:/bin/bash\n')

    await expect(start({ passwdFile })).rejects.toThrow('has neither postgres nor nobody: run as another user')
  })

  it.runIf(isRoot)('never is root, to whom existing data may belong', async () => {
    const dataDir = folder()
    mkdirSync(join(dataDir, 'data/base'), { recursive: true })

    await expect(start({ dataDir })).rejects.toThrow('belongs to root, as whom Postgres refuses to run')
  })
})

describe('a user who is not root', () => {
  it.runIf(nobodyRunsNode)('starts a server from a read-only installation without its library links', async () => {
    const installed = installChild(bundle, folder())
    const dataDir = ownedByNobody(folder())
    const temporary = sticky(folder())

    const child = await startAside({ dataDir }, { program: installed, user: nobody, temporary })

    expect(uidOf(serverPid(child.home) ?? 0)).toBe(nobody?.uid)
    expect(child.home).toBe(dataDir)
    expect(await ask(child.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(readdirSync(temporary)).toEqual([expect.stringMatching(/^rollcall-postgres-18\..*-\d+$/)])
    await stopChild(child)
  })

  it.runIf(nobodyRunsNode)('is told why another user’s data cannot be opened', async () => {
    const dataDir = folder()
    const program = installChild(bundle, folder())
    await (await start({ dataDir })).stop()

    const child = startAside({ dataDir }, { user: nobody, program, temporary: sticky(folder()) })

    await expect(child).rejects.toThrow(/permission denied.*if it belongs to another user, start as that one/)
  })
})

describe('root in a folder that only root can enter', () => {
  it.runIf(isRoot)('gets a server all the same: binaries and data lie elsewhere, and the data is kept', async () => {
    const closed = folder()
    chmodSync(closed, 0o700)
    const installed = installChild(bundle, join(closed, 'repository'))
    const dataDir = join(closed, 'repository/.rollcall')
    const temporary = sticky(folder())

    const first = await startAside({ dataDir }, { program: installed, temporary })
    await ask(first.url, 'create table kept as select 42 as answer')
    await stopChild(first)
    const second = await startAside({ dataDir }, { program: installed, temporary })

    expect(await ask(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    expect(second.home).toMatch(/^\/var\/(lib|tmp)\/rollcall-/)
    expect(realpathSync(join(dataDir, 'data'))).toBe(join(second.home, 'data'))
    expect(statSync(join(second.home, 'data')).mode & 0o777).toBe(0o700)
    expect(readFileSync(join(second.home, 'README'), 'utf8')).toContain(dataDir)
    const [copy = ''] = readdirSync(temporary)
    const { uid, mode } = lstatSync(join(temporary, copy))
    expect([uid, mode & 0o777]).toEqual([0, 0o755])
    await stopChild(second)
  })

  it.runIf(isRoot)('starts anew when what its data folder links to was removed', async () => {
    const dataDir = folder()
    chmodSync(dataDir, 0o700)
    const first = await start({ dataDir })
    await first.stop()
    rmSync(first.home, { recursive: true })

    const second = await start({ dataDir })

    expect(second.home).not.toBe(first.home)
    expect(realpathSync(join(dataDir, 'data'))).toBe(join(second.home, 'data'))
  })

  it.runIf(isRoot)('is told when data that could be reached no longer can', async () => {
    const dataDir = folder()
    await (await start({ dataDir })).stop()
    chmodSync(dataDir, 0o700)

    await expect(start({ dataDir })).rejects.toThrow(
      /can no longer reach it: let it enter the folders above \(chmod o\+x\)/,
    )
  })
})

describe('a copy of the binaries', () => {
  it('is made once, and again when a cleaner of /tmp took a file of it', () => {
    const { source, place } = copyable()
    const copy = copyInto(place, 'binaries', source) ?? ''
    const { ino } = statSync(copy)

    expect(statSync(copyInto(place, 'binaries', source) ?? '').ino).toBe(ino)
    rmSync(join(copy, 'bin/program'))
    expect(copyInto(place, 'binaries', source)).toBe(copy)

    expect(statSync(join(copy, 'bin/program')).mode & 0o777).toBe(0o755)
    expect(readdirSync(place)).toEqual(['binaries'])
  })

  it.runIf(nobody)('that another user planted is never used, nor one that others can change', () => {
    const { source, place } = copyable()
    cpSync(dirname(source), join(place, 'planted'), { recursive: true })
    ownedByNobody(join(place, 'planted'))
    cpSync(dirname(source), join(place, 'open'), { recursive: true })
    chmodSync(join(place, 'open'), 0o777)

    expect(copyInto(place, 'planted', source)).toBeUndefined()
    expect(copyInto(place, 'open', source)).toBeUndefined()
    expect(readdirSync(place).sort()).toEqual(['open', 'planted'])
  })

  it('is not made where others could exchange it', () => {
    const { source, place } = copyable()
    chmodSync(place, 0o777)

    expect(copyInto(place, 'binaries', source)).toBeUndefined()
    expect(readdirSync(place)).toEqual([])
  })
})

function folder(): string {
  const path = join(scratch, `folder-${++next}`)
  mkdirSync(path)
  return path
}

function sticky(path: string): string {
  chmodSync(path, 0o1777)
  return path
}

function ownedByNobody(path: string): string {
  if (nobody) chownSync(path, nobody.uid, nobody.gid)
  return path
}

function onlyNobody(passwd: string): string {
  return passwd
    .split('\n')
    .filter((line) => !/^_?postgres:/.test(line))
    .join('\n')
}

function copyable(): { source: string; place: string } {
  const source = join(folder(), 'native')
  mkdirSync(join(source, 'bin'), { recursive: true })
  writeFileSync(join(source, 'bin/program'), 'code', { mode: 0o700 })
  return { source, place: sticky(folder()) }
}

async function start(options: Partial<PostgresOptions> = {}): Promise<LocalPostgres> {
  const postgres = await startPostgres({ dataDir: folder(), fsync: false, ...options })
  running.push(postgres)
  homes.add(postgres.home)
  return postgres
}

async function startAside(
  options: PostgresOptions,
  { program = bundle, ...as }: { program?: string; user?: SystemUser | undefined; temporary?: string } = {},
): Promise<PostgresChild> {
  const child = await startChild(program, options, { ...as, spawned: (process) => children.push(process) })
  homes.add(child.home)
  return child
}

function serverPid(home: string): number | undefined {
  const file = join(home, 'data/postmaster.pid')
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : undefined
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}
