import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import pg from 'pg'
import { AppError, codeOf, describe } from '../errors.ts'

/** What differs between a function, the command line and tests. */
export interface PoolOptions {
  connections?: number
  /** A query that takes longer fails, with its connection: it may have died, and the function's time is limited. */
  queryTimeoutMs?: number
}

const INT8 = 20

/**
 * Connections to Postgres, opened when needed. Works through a pooler in transaction mode: nothing is kept in a connection
 * between transactions. A connection that failed other than by an error of its statement is not used again. Throws
 * `config_invalid` for a URL that the driver cannot use.
 */
export function openPool(url: string, { connections = 4, queryTimeoutMs = 30_000 }: PoolOptions): PostgresPool {
  assertUsable(url)
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: 10_000,
    query_timeout: queryTimeoutMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'rollcall',
    // Positions and row ids stay far below 2^53, where a number is exact.
    types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) },
  })
  // A connection that the server cuts raises this event, idle or in the middle of a transaction; without a listener it
  // would end the process. The query under way, or the next one, fails by itself.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return { connect: async () => guarded(await pool.connect()), end: () => pool.end() }
}

/** The driver would say so at the first connect only, in words of its own; of a bad port it would never say anything. */
function assertUsable(url: string): void {
  const refuse = (why: string) => new AppError('config_invalid', `DATABASE_URL cannot be used: ${why}`)
  const { port } = readUrl(url, refuse)
  if (!(port >= 0 && port <= 65_535)) throw refuse('its port is none')
}

function readUrl(url: string, refuse: (why: string) => AppError): { port: number } {
  try {
    return new pg.Client({ connectionString: url })
  } catch (error) {
    throw refuse(describe(error))
  }
}

/** Whatever the database's default is: at other levels, ticks and drains that overlap fail each other. */
const BEGIN = 'begin isolation level read committed'
/** Serialization failure and deadlock: nothing of the statement was done, and done again it may well succeed. */
const UNDONE = new Set(['40001', '40P01'])
const TRIES = 20

/**
 * A client that is thrown away once its state is unknown: after a timeout its statement may still run, and its transaction
 * still be open for whoever gets the connection next. A statement that is a transaction of its own is tried again when
 * another's undid it: it has no `begin` that could set its level.
 */
function guarded(client: pg.PoolClient): PostgresPoolClient {
  let broken = false
  let inTransaction = false
  const query = async (text: string, values: readonly unknown[]) => {
    // Closing the connection rolls back; asking it to would wait for the statement that hangs.
    if (broken && text === 'rollback') return { command: 'SELECT', rowCount: 0, rows: [] }
    inTransaction ||= text === 'begin'
    for (let tries = 1; ; tries += 1) {
      try {
        return await client.query(text === 'begin' ? BEGIN : text, [...values])
      } catch (error) {
        broken ||= !(error instanceof pg.DatabaseError && error.severity === 'ERROR')
        if (inTransaction || tries === TRIES || !UNDONE.has(codeOf(error))) throw error
      }
    }
  }
  return {
    query: query as unknown as <Row>(text: string, values: readonly unknown[]) => Promise<PostgresQueryResult<Row>>,
    release: () => client.release(broken),
  } as PostgresPoolClient
}
