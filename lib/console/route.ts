// One declaration of a route is all there is to it: the app serves by it, and the OpenAPI document is made of it.
import type { Context } from 'hono'
import type { Kysely } from 'kysely'
import type * as v from 'valibot'
import type { AddressGuard } from '../address.ts'
import type { Keyring } from '../core/seal.ts'
import type { Poster } from '../post.ts'
import type { Database } from '../store/database.ts'
import type { Caller, Scope } from './access.ts'
import type { Guard } from './guard.ts'
import type { Cache } from './cache.ts'

/** What no Request tells of the connection that it came by. */
export interface Connection {
  /** Of whoever asks. */
  address: string
  /** Told when the database cannot be reached. */
  lost?: () => void
}

export type Env = { Bindings: Connection }

/** What routes work with. */
export interface Services {
  db: Kysely<Database>
  keyring: Keyring
  addressGuard: AddressGuard
  poster: Poster
  /** How many were bought; null: nobody said. */
  channels: number | null
  cached: Cache
  /** Reports wait for each other here, so that they never hold all connections. */
  reportTurn: <Value>(run: () => Promise<Value>) => Promise<Value>
  now: () => number
  guard: Guard
}

/** One request, parsed, of somebody who may make it. */
export interface Input<Path, Query, Body> {
  path: Path
  query: Query
  body: Body
  /** Null where the route asks for nobody. */
  caller: Caller | null
  services: Services
  c: Context<Env>
}

/** What becomes a value once it is written as JSON and read again: a Date may be where it has a time. */
export type Sent<Value> = string extends Value
  ? Exclude<Value, string> | string | Date
  : Value extends readonly (infer Item)[]
    ? readonly Sent<Item>[]
    : Value extends object
      ? { [Name in keyof Value]: Sent<Value[Name]> }
      : Value

type Schema = v.GenericSchema
type Given<Of extends Schema | undefined> = Of extends Schema ? v.InferOutput<Of> : undefined

/** What is said of a route. */
interface Declaration<
  Path extends Schema | undefined,
  Query extends Schema | undefined,
  Body extends Schema | undefined,
  Answer extends Schema,
> {
  /** Who may ask: anybody, or who has a token of that scope. */
  scope: 'none' | Scope
  summary: string
  path?: Path
  query?: Query
  body?: Body
  answer: Answer
  /** Default: 200. */
  status?: 200 | 201 | 303
  /** Of its answer, where that is no JSON. */
  type?: string
  /** Statuses that it answers with, too, and what they mean: with the same answer, but for 304. */
  others?: Readonly<Record<number, string>>
  /** Statuses that only this route refuses with. */
  refusals?: readonly number[]
  handle: (input: Input<Given<Path>, Given<Query>, Given<Body>>) => Promise<Sent<v.InferOutput<Answer>> | Response>
}

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** A route as the app and the document see it. */
export interface Route extends Omit<Declaration<Schema, Schema, Schema, Schema>, 'path' | 'query' | 'body' | 'handle'> {
  method: Method
  /** As Hono writes it: `/api/endpoints/:id`. */
  pattern: string
  schemas: { path?: Schema; query?: Schema; body?: Schema }
  handle: (input: Input<unknown, unknown, unknown>) => Promise<unknown>
}

/** Declares a route, such as `GET /api/endpoints/:id`. */
export function route<
  Answer extends Schema,
  Path extends Schema | undefined = undefined,
  Query extends Schema | undefined = undefined,
  Body extends Schema | undefined = undefined,
>(at: `${Method} /${string}`, declared: Declaration<Path, Query, Body, Answer>): Route {
  const [method, pattern] = at.split(' ') as [Method, string]
  const { path, query, body, handle, ...rest } = declared
  const schemas = { ...(path && { path }), ...(query && { query }), ...(body && { body }) }
  return { ...rest, method, pattern, schemas, handle: handle as unknown as Route['handle'] }
}
