// A few seconds of soak: real function processes from dist/, some of them killed. The one double is Tencent's API.
import { expect, inject, test } from 'vitest'
import { eventually } from '../support/receiver.ts'
import { testDatabase } from '../support/database.ts'
import { endFleet, startFleet } from './fleet.ts'
import { verdict } from './report.ts'
import { soak } from './soak.ts'

test('whatever is killed, everything is told once, in order, to five subscribers', async () => {
  const { ledger, samples } = await soak({
    server: inject('postgresUrl'),
    seed: Date.now() % 1_000_000,
    runMs: 5_000,
    deliveries: Infinity,
    sessionsPerSecond: 15,
    killEveryMs: 700,
    sampleEveryMs: 1_000,
  })

  expect(verdict(ledger).lines).toEqual(['soak: held'])
  expect((ledger.counts['killed reconcile'] ?? 0) + (ledger.counts['killed webhook'] ?? 0)).toBeGreaterThan(0)
  expect(ledger.counts['deliveries']).toBeGreaterThan(100)
  expect(ledger.counts['told whole']).toBeGreaterThan(5)
  expect(samples.length).toBeGreaterThan(0)
}, 180_000)

test('a process that ends although nobody ended it is noticed', async () => {
  const database = await testDatabase()
  const ends: string[] = []
  const fleet = startFleet({ DATABASE_URL: database.url }, (what) => ends.push(what))

  fleet.kept[1]?.loop.process.kill('SIGKILL')
  await eventually('its end is noticed', () => ends.length > 0)
  endFleet(fleet)
  await database.drop()

  expect(ends[0]).toBe('webhook ended by itself with SIGKILL')
})
