// One of those that are compared, for one size, in a process of its own: so its memory is its own.
import { writeFileSync } from 'node:fs'
import { sql } from 'kysely'
import pg from 'pg'
import { openDatabase } from '../../lib/store/database.ts'
import { answer } from '../program.ts'
import { dbtStyle } from './dbt-style.ts'
import { collectGarbage } from './garbage.ts'
import type { OpenPeer } from './peer.ts'
import { rollcall } from './rollcall.ts'
import { changeByChange, rowByRow } from './row-by-row.ts'

const PEERS = { rollcall, 'dbt-style': dbtStyle, 'change by change': changeByChange, 'row by row': rowByRow }
export type Name = keyof typeof PEERS

/** What one tick took, as the one that did it knows. */
export interface Taken {
  ms: number
  roundTrips: number
  /** The most memory the process had while it ran. */
  peakBytes: number
  events: number | null
}

const [name = 'rollcall', databaseUrl = '', baseUrl = '', size = '0'] = process.argv.slice(2)
const open: OpenPeer = PEERS[name as Name]
const db = openDatabase(databaseUrl, { connections: 1, queryTimeoutMs: 120_000 })
const peer = open(db, { baseUrl, appkey: 'key', accessToken: 'token' }, Number(size))

let roundTrips = 0
const client = pg.Client.prototype as { query: (this: pg.Client, ...args: unknown[]) => unknown }
const { query } = client
client.query = function counted(...args) {
  roundTrips += 1
  return query.apply(this, args)
}

/** Where this is not allowed, or not Linux, the peak is that of the process's whole life. */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {}
}

const questions = {
  prepare: () => peer.prepare(),
  tick: async (): Promise<Taken> => {
    // No tick pays for the garbage of another.
    collectGarbage()
    forgetPeak()
    const before = roundTrips
    const beganAt = performance.now()
    const events = await peer.tick()
    const ms = performance.now() - beganAt
    const peakBytes = process.resourceUsage().maxRSS * 1_024
    const taken = { ms, roundTrips: roundTrips - before, peakBytes, events }
    // What the server counted of this connection is otherwise told up to a second later.
    await sql`select pg_stat_force_next_flush()`.execute(db)
    return taken
  },
  /** A text that is equal for equal sets of live sessions. */
  live: async () => {
    const { rows } = await sql<{ count: number; hash: string }>`
      select count(*) as count, md5(string_agg(concat_ws(' ', session_id, status, started), ',' order by session_id)) as hash
      from ${sql.raw(peer.live)}`.execute(db)
    return `${rows[0]?.count} live, ${rows[0]?.hash}`
  },
}
export type Contestant = typeof questions

answer(questions)
