// graphile-worker with its batching on: a local queue of jobs, and what is completed together.
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'

export const { Client } = pg

const TASK = 'deliver'
/** Of local queues for 9 to 5,000 and delays of 0 to 250 ms, these were the fastest, or within the noise of it, in every case. */
const BEST = { localQueue: { size: 500 }, completeJobBatchDelay: 20, failJobBatchDelay: 20 }
const logger = new Logger(() => (level, message) => {
  // Of warnings there is one, that a job could want a connection: these do not.
  if (level === 'error') console.error(message)
})

export function contestant({ eventsOf, measured, postSigned, until }) {
  let pool, utils, targets, atOnce, deliveries

  async function work() {
    let done = 0
    const taskList = {
      [TASK]: async ({ target, id, body }) => {
        await postSigned(targets[target], id, body)
        done += 1
      },
    }
    const worker = { concurrentJobs: atOnce, ...BEST }
    const runner = await run({ pgPool: pool, taskList, preset: { worker }, logger, noHandleSignals: true })
    await until(() => done === deliveries)
    // Completes what is done.
    await runner.stop()
  }

  return {
    open: async (connectionString) => {
      pool = new pg.Pool({ connectionString, max: 10 })
      // It asks for both.
      pool.on('error', () => undefined)
      pool.on('connect', (client) => client.on('error', () => undefined))
      utils = await makeWorkerUtils({ pgPool: pool, logger })
      await utils.migrate()
    },
    fill: async (count, given, terms) => {
      targets = given
      atOnce = terms.atOnce
      deliveries = count
      await pool.query('truncate graphile_worker._private_jobs')
      const jobs = []
      for (const { id, body } of eventsOf(count / targets.length).events) {
        jobs.push(...targets.map((_, target) => ({ identifier: TASK, payload: { target, id, body } })))
        if (jobs.length >= 5_000) await utils.addJobs(jobs.splice(0))
      }
      if (jobs.length > 0) await utils.addJobs(jobs.splice(0))
    },
    drain: async () => {
      const result = await measured(work)
      const { rows } = await pool.query('select count(*)::integer as left from graphile_worker._private_jobs')
      if (rows[0].left > 0) throw new Error(`${rows[0].left} jobs are left over`)
      return result
    },
    close: async () => {
      await utils.release()
      await pool.end()
    },
  }
}
