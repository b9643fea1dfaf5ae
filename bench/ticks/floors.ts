// What no tick can do without, each alone: what a tick takes beyond these is its own. In a process of its own.
import { sql } from 'kysely'
import pg from 'pg'
import { digestOf, fingerprintsOf } from '../../lib/core/fingerprint.ts'
import { listSessions } from '../../lib/ivh/client.ts'
import { readListing } from '../../lib/ivh/protocol.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { importPeer } from '../peers.ts'
import { answer } from '../program.ts'
import { collectGarbage } from './garbage.ts'
import { columnsOf, listLive, SESSION_COLUMNS, type SessionColumns } from './peer.ts'

/** In milliseconds. */
export interface Floors {
  /** The listing had over HTTP and read, as all that are compared do it. */
  read: number
  /** JSON.parse of the answer, nothing else. */
  parse: number
  /** Rollcall's digest of the listing. */
  digest: number
  /** COPY of the live sessions into a table without an index, and its commit. */
  copy: number
  /** One row updated and committed, in one statement. */
  update: number
  /** `begin` and `commit` with nothing between. */
  empty: number
}

interface Copying {
  copyInto: (client: pg.Client, table: string, chunks: Iterable<string>) => Promise<void>
}

const [databaseUrl = '', baseUrl = ''] = process.argv.slice(2)
const api = { baseUrl, appkey: 'key', accessToken: 'token' }
const db = openDatabase(databaseUrl, { connections: 1 })
const client = new pg.Client({ connectionString: databaseUrl })
const CHUNK = 1_000

async function timed(work: () => unknown): Promise<number> {
  collectGarbage()
  const beganAt = performance.now()
  await work()
  return performance.now() - beganAt
}

/** In COPY's text format, in chunks of some hundred kilobytes. */
function copyText(rows: SessionColumns[]): string[] {
  const lines = rows.map((row) => `${(Object.values(row) as Value[]).map(field).join('\t')}\n`)
  return Array.from({ length: Math.ceil(lines.length / CHUNK) }, (_, chunk) =>
    lines.slice(chunk * CHUNK, (chunk + 1) * CHUNK).join(''),
  )
}

type Value = SessionColumns[keyof SessionColumns]

const field = (value: Value) => (value === null ? '\\N' : String(value).replaceAll(/[\\\t\n\r]/g, '\\$&'))

const questions = {
  prepare: async () => {
    await client.connect()
    await sql
      .raw(
        `drop schema if exists peer_floor cascade;
        create schema peer_floor;
        create table peer_floor.listing (${SESSION_COLUMNS});
        insert into account (name) values ('floor') on conflict do nothing`,
      )
      .execute(db)
  },
  measure: async (): Promise<Floors> => {
    const url = `${baseUrl}/v2/ivh/sessionmanager/sessionmanagerservice/listsessionofuin`
    const text = await (await fetch(url, { method: 'POST' })).text()
    const listing = readListing((await listSessions(api, 10_000)).items)
    const { copyInto } = await importPeer<Copying>('copy.mjs')
    const rows = copyText(listing.sessions.map(columnsOf))
    await sql`truncate peer_floor.listing`.execute(db)
    const floors = {
      read: await timed(() => listLive(api)),
      parse: await timed(() => JSON.parse(text)),
      digest: await timed(() => digestOf(fingerprintsOf(listing, null))),
      copy: await timed(() => copyInto(client, 'peer_floor.listing', rows)),
      update: await timed(() => sql`update account set listed_at = clock_timestamp() where name = 'floor'`.execute(db)),
      empty: await timed(() => db.transaction().execute(async () => undefined)),
    }
    // Or the server would count it later, as somebody else's.
    await sql`select pg_stat_force_next_flush()`.execute(db)
    return floors
  },
}
export type FloorsProgram = typeof questions

answer(questions)
