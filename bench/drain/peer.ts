// Runs one of bench/peers/, which are what they compare Rollcall with, and so no TypeScript: `npm run check` is to work without them.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type pg from 'pg'
import { answer, ROOT } from '../program.ts'
import { type Contestant, countStatements, headersOf, inTurn, measured, postSigned, until } from './contestant.ts'
import { eventsOf } from './work.ts'

interface Peer {
  contestant: (tools: object) => Contestant
  /** What it sends its statements by. */
  Client?: typeof pg.Client
}

const [name = ''] = process.argv.slice(2)
const { contestant, Client } = (await import(pathToFileURL(join(ROOT, 'bench/peers', `${name}.mjs`)).href)) as Peer
if (Client) countStatements(Client)
answer({ ...contestant({ eventsOf, headersOf, inTurn, measured, postSigned, until }) })
