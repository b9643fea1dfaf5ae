import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from } from 'pg-copy-streams'

/** Opens a connection that copies rows, each a line of COPY's text format, into a table. */
export async function openCopy(url) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    /** In chunks: one of many megabytes would be held twice. */
    copy: (table, chunks) => pipeline(Readable.from(chunks), client.query(from(`copy ${table} from stdin`))),
    close: () => client.end(),
  }
}
