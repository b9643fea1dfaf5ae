// A server of its own, with fsync on, that is stopped, crashed and started again under load.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OwnServer, startOwnServer } from './server.ts'
import { eventually } from '../support/receiver.ts'
import { openStorm, type Storm } from './storm.ts'

let server: OwnServer
let storm: Storm

beforeAll(async () => {
  server = await startOwnServer()
  storm = await openStorm(server.url)
})
afterAll(async () => {
  await storm.close()
  await server.remove()
})

/** As the kernel does when memory runs out: one of the server's processes is gone, and the rest start over. */
async function killBackend(): Promise<void> {
  const find = () =>
    sql<{ pid: number }>`select pid from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(storm.admin)
  await eventually('a process is killed', async () => {
    try {
      const [one] = (await find()).rows
      return one !== undefined && process.kill(one.pid, 'SIGKILL')
    } catch {
      // The server may still be starting over from the last one, or the process may have ended by itself.
      return false
    }
  })
}

test('a server that stops, crashes and loses a process under load costs no event and no restart of ours', async () => {
  await storm.during(async () => {
    for (const end of [server.stop, server.crash, server.stop, server.crash]) {
      await storm.moreCommits(5)
      await end()
      await sleep(300)
      await server.start()
    }
    for (let i = 0; i < 2; i += 1) {
      await storm.moreCommits(5)
      await killBackend()
    }
    await storm.moreCommits(5)
  })

  expect(await storm.breaches()).toEqual([])
  const undocumented = [...storm.faults.keys()].filter(
    (text) => !/^database_unreachable: Postgres cannot be reached \([\w ]+\): check DATABASE_URL/.test(text),
  )
  expect(undocumented).toEqual([])
  expect(storm.counts['tick failed']).toBeGreaterThan(4)
  expect(storm.counts['drain failed']).toBeGreaterThan(4)
  console.log(`weather: restart: ${storm.told()}`)
}, 300_000)
