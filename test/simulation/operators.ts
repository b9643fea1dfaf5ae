// What operators do in a run: actors too, who may wait for a tick that holds a lock, and may die.
import type { Kysely } from 'kysely'
import { between, happens, pick } from '../../lib/local/simulator/chance.ts'
import { migrateToLatest } from '../../lib/migrate.ts'
import type { Database } from '../../lib/store/database.ts'
import { addEndpoint, removeEndpoint, rotateSecrets, updateEndpoint } from '../../lib/store/endpoint.ts'
import { disableEndpoint, enableEndpoint, MISSED, pauseEndpoint } from '../../lib/store/endpoint-state.ts'
import type { From } from '../../lib/store/event.ts'
import { replay } from '../../lib/store/replay.ts'
import { count, LISTENER, note, type Run, start, WITNESS } from './stage.ts'

async function operate(run: Run, work: (db: Kysely<Database>) => Promise<unknown>, onEnd = () => {}): Promise<void> {
  await start(run, 'operator', work, (_, error) => {
    note(run, 'operator', error ? undefined : 'done', error)
    onEnd()
  })
}

export const migrate = (run: Run) => operate(run, (db) => migrateToLatest(db))

/** What a new endpoint is like; the address may be one that the guard refuses, until it is moved. */
export interface Added {
  forbidden?: boolean
  from?: From
  batchSize?: number
  events?: string[]
}

/** Registers an endpoint. */
export async function add(run: Run, name: string, db = run.admin, added: Added = {}): Promise<void> {
  const { forbidden = false, from = 'now', batchSize = 1, events = ['*'] } = added
  const url = forbidden ? run.receivers.forbiddenUrl(name) : run.receivers.url(name)
  run.begun.set(name, from)
  const endpoint = { url, events, description: name, from, batchSize }
  run.endpoints.set(name, (await addEndpoint(db, endpoint)).id)
}

/** One endpoint is added, changed, stopped, let go on, sent something again, or removed. The witness and the listener are left alone. */
export async function changeEndpoints(run: Run): Promise<void> {
  const { chance } = run
  const names = [...run.endpoints.keys()].filter((one) => one !== WITNESS && one !== LISTENER)
  const name = pick(chance, names)
  const id = name === undefined ? undefined : run.endpoints.get(name)
  const lot = between(chance, [0, 1])
  const forbidden = happens(chance, 0.3)
  const from = pick(chance, ['now', 'start', 'snapshot'] as const) ?? 'now'
  const batchSize = pick(chance, [1, 1, 2, 50]) ?? 1
  const missed = run.only.missed ?? pick(chance, MISSED) ?? 'all'
  if ((lot < 0.25 && run.endpoints.size < 6) || name === undefined || id === undefined) {
    // A name of its own, also when the one before died after it was stored.
    count(run, 'endpoints added')
    await operate(run, (db) => add(run, `late-${run.counts['endpoints added']}`, db, { forbidden, from, batchSize }))
  } else if (lot < 0.35) await operate(run, (db) => disableEndpoint(db, id, 'simulated'))
  else if (lot < 0.45) await operate(run, (db) => pauseEndpoint(db, id, 'simulated'))
  else if (lot < 0.75) {
    if (missed !== 'all' && run.wanted.get(name) !== 'none') run.wanted.set(name, missed)
    // What it did not want may be skipped from here on, or not, if the operator died before.
    const onEnd = () => void (missed !== 'all' && run.receivers.forgive(name))
    await operate(run, (db) => enableEndpoint(db, id, missed), onEnd)
  } else if (lot < 0.82) {
    run.replayed.add(name)
    count(run, 'replays')
    await operate(run, (db) => replay(db, { endpoint: id }))
  } else if (lot < 0.88) {
    await operate(run, (db) => updateEndpoint(db, id, { url: run.receivers.url(name), batchSize }))
  } else if (lot < 0.92) await operate(run, (db) => rotateSecrets(db, id, 1))
  else {
    run.endpoints.delete(name)
    await operate(run, (db) => removeEndpoint(db, id))
  }
}
