import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { from } from 'pg-copy-streams'

/** Copies rows, each a line of COPY's text format, into a table over a connection of pg. */
export function copyInto(client, table, chunks) {
  return pipeline(Readable.from(chunks), client.query(from(`copy ${table} from stdin`)))
}
