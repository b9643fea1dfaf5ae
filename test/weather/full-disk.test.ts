// A server whose disk is full: its data lies on a small file system of the test's own, which a ballast file fills.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/receiver.ts'
import { type OwnServer, startOwnServer } from './server.ts'
import { openStorm, type Storm } from './storm.ts'

const NO_ROOM = /^error: could not (extend|write to|create) file "[^"]+": No space left on device$/

const folder = mkdtempSync(join(tmpdir(), 'rollcall-small-'))
const refusal = tryMount()
if (refusal !== undefined) console.log(`skipped: test/weather/full-disk.test.ts, because ${refusal}`)

function mount(): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=140m,mode=755', 'tmpfs', folder], { stdio: 'pipe' })
}

/** Why there can be no small file system; undefined when there can. */
function tryMount(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root of a Linux can mount'
  try {
    mount()
    execFileSync('umount', [folder])
    return undefined
  } catch (error) {
    return `mount is refused (${String(error).split('\n')[1] ?? ''})`
  } finally {
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  }
}

describe.skipIf(refusal !== undefined)('on a disk that fills up', () => {
  const ballast = join(folder, 'ballast')
  let server: OwnServer
  let storm: Storm

  beforeAll(async () => {
    mount()
    server = await startOwnServer({ max_wal_size: '32MB', min_wal_size: '32MB', wal_keep_size: '0' }, folder)
    storm = await openStorm(server.url)
  })
  afterAll(async () => {
    try {
      await storm.close()
      await server.stop()
    } finally {
      execFileSync('umount', ['-l', folder])
    }
  })

  /** Writes until nothing more fits. */
  function fill(): void {
    const file = openSync(ballast, 'a')
    try {
      for (const size of [1 << 20, 1 << 12]) fillBy(file, Buffer.alloc(size))
    } finally {
      closeSync(file)
    }
  }

  /** Until a tick has found no room in a table, unless the log has found none before. */
  const roomIsMissed = () =>
    eventually('a tick finds no room', () => {
      return !server.isRunning() || [...storm.faults.keys()].some((text) => NO_ROOM.test(text))
    })

  test('ticks fail with what is wrong while tables cannot grow, and go on when there is room', async () => {
    await storm.during(async () => {
      await sleep(500)
      fill()
      await roomIsMissed()
      await sleep(500)
      rmSync(ballast)
      await sleep(500)
    })

    console.log(`weather: full disk: ${storm.told()}`)
    expect(await storm.breaches()).toEqual([])
    expect([...storm.faults.keys()].filter((text) => !NO_ROOM.test(text))).toEqual([])
    expect(server.isRunning()).toBe(true)
  }, 300_000)

  test('a server that dies because its log has no room loses nothing that was told', async () => {
    storm.faults.clear()
    await storm.during(async () => {
      await sleep(500)
      fill()
      await roomIsMissed()
      await sleep(500)
      // Until the log needs a new file: then the server ends itself, and cannot recover while the disk is full.
      const next = () => sql`select pg_switch_wal()`.execute(storm.admin).catch(() => undefined)
      await eventually('the server is down', async () => (await next(), !server.isRunning()))
      await sleep(500)
      rmSync(ballast)
      await server.stop()
      await server.start()
      await sleep(500)
    })

    console.log(`weather: full log: ${storm.told()}`)
    expect(await storm.breaches()).toEqual([])
    const documented = /^database_unreachable: Postgres cannot be reached/
    const undocumented = [...storm.faults.keys()].filter((text) => !documented.test(text) && !NO_ROOM.test(text))
    expect(undocumented).toEqual([])
    expect([...storm.faults.keys()].some((text) => documented.test(text))).toBe(true)
  }, 300_000)
})

function fillBy(file: number, chunk: Buffer): void {
  try {
    for (;;) writeSync(file, chunk)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
