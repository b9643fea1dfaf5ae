// pg-boss with its batching on: workers, each of which fetches a batch, makes its POSTs and completes it.
import pg from 'pg'
import { PgBoss } from 'pg-boss'

export const { Client } = pg

const QUEUE = 'deliver'
/** Of 1 to 8 workers and batches of 50 to 2,000, these were the fastest, or within the noise of it, in every case. */
const BEST = { batchSize: 1_000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }

export function contestant({ eventsOf, measured, postSigned, until }) {
  let boss, targets, atOnce, deliveries

  async function work() {
    let done = 0
    const inPlace = places(atOnce)
    const handler = async (jobs) => {
      await Promise.all(jobs.map(({ data }) => inPlace(() => postSigned(targets[data.target], data.id, data.body))))
      done += jobs.length
    }
    await boss.work(QUEUE, BEST, handler)
    await until(() => done === deliveries)
    // Completes what is done.
    await boss.offWork(QUEUE, { wait: true })
  }

  return {
    open: async (connectionString) => {
      boss = new PgBoss({ connectionString, supervise: false, schedule: false })
      boss.on('error', console.error)
      await boss.start()
      await boss.createQueue(QUEUE)
    },
    fill: async (count, given, terms) => {
      targets = given
      atOnce = terms.atOnce
      deliveries = count
      await boss.deleteAllJobs(QUEUE)
      const jobs = []
      for (const { id, body } of eventsOf(count / targets.length).events) {
        jobs.push(...targets.map((_, target) => ({ data: { target, id, body } })))
        if (jobs.length >= 5_000) await boss.insert(QUEUE, jobs.splice(0))
      }
      if (jobs.length > 0) await boss.insert(QUEUE, jobs.splice(0))
    },
    drain: async () => {
      const result = await measured(work)
      const left = `select count(*)::integer as left from pgboss.job where state <> 'completed'`
      const { rows } = await boss.getDb().executeSql(left)
      if (rows[0].left > 0) throw new Error(`${rows[0].left} jobs are left over`)
      return result
    },
    close: () => boss.stop(),
  }
}

/** Runs what it is given, at most so many at once. */
function places(free) {
  const waiting = []
  return async (work) => {
    if (free > 0) free -= 1
    else await new Promise((resolve) => waiting.push(resolve))
    try {
      await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free += 1
    }
  }
}
