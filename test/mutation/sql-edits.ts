// What can be got wrong in a statement, one thing at a time. The tree is that of Postgres's own grammar, in which a node
// lies in a wrapper under the name of its type.
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

/** A node of a syntax tree: which fields it has is known by its type. */
// oxlint-disable-next-line typescript/no-explicit-any -- the parsers are not installed with the project, nor their types
export type Node = any

/** What lies in test/mutation/node_modules. */
export const require = createRequire(resolve('test/mutation/package.json'))

/** The statement with one change: `what` says which, for people, and `at` where in the text. */
export interface SqlMutation {
  what: string
  at: number
  sql: string
}

/** What each operator is mistaken for. */
export const MISTAKEN: Record<string, string[]> = {
  '<': ['<=', '>'],
  '<=': ['<', '>'],
  '>': ['>=', '<'],
  '>=': ['>', '<'],
  '=': ['<>'],
  '<>': ['='],
  is: ['is not'],
  'is not': ['is'],
  '+': ['-'],
  '-': ['+'],
  '@>': ['<@'],
}
const MISTAKEN_FUNCTION: Record<string, string> = { min: 'max', max: 'min', bool_or: 'bool_and', bool_and: 'bool_or' }

interface Grammar {
  loadModule(this: void): Promise<void>
  parseSync(this: void, text: string): Node
  deparseSync(this: void, tree: Node): string
}
const { loadModule, parseSync, deparseSync } = require('pgsql-parser') as Grammar
const say = (node: Node) => deparseSync(node).replaceAll(/\s+/g, ' ')

/**
 * The statement as it is, parsed and printed again, and with each change that can be made at one place; undefined for
 * what is only part of a statement.
 */
export async function mutateSql(text: string): Promise<{ same: string; mutations: SqlMutation[] } | undefined> {
  await loadModule()
  let tree: Node
  try {
    tree = parseSync(text)
  } catch {
    return undefined
  }
  const mutations: SqlMutation[] = []
  for (const { path, node } of walk(tree)) {
    for (const [type, inner] of Object.entries<Node>(node)) {
      for (const { edit, what, place = node } of EDITS[type]?.(inner) ?? []) {
        const changed = structuredClone(tree)
        const wrapper = path.reduce((at, key) => at[key], changed)
        edit(wrapper[type], wrapper)
        const told = what ?? `${say(node)} → ${say(wrapper)}`
        mutations.push({ what: told, at: locate(place), sql: deparseSync(changed) })
      }
    }
  }
  return { same: deparseSync(tree), mutations }
}

interface Edit {
  /** Changes the node, or puts another in its wrapper. */
  edit: (node: Node, wrapper: Node) => void
  /** By default, the node before and after. */
  what?: string
  /** Whose place is told; by default that of the node. */
  place?: Node
}

/** Edits that each tell the node before and after. */
const by = (...edits: Edit['edit'][]): Edit[] => edits.map((edit) => ({ edit }))
/** Leaves a clause out, if there is one. */
const drop = (what: string, field: string, clause: Node, place = clause): Edit[] =>
  clause ? [{ what: `drop ${what}`, place, edit: (node) => delete node[field] }] : []
/** Leaves one of several out. */
const dropEach = (field: string, list: Node[] = []): Edit[] =>
  list.length < 2
    ? []
    : list.map((one, at) => ({ what: `drop ${say(one)}`, place: one, edit: (node) => node[field].splice(at, 1) }))
/** Several conditions are left out one by one, as those of an `and`. */
const dropWhere = (where: Node): Edit[] => (where?.BoolExpr ? [] : drop('where', 'whereClause', where))
const become = (wrapper: Node, other: Node) => {
  for (const key of Object.keys(wrapper)) delete wrapper[key]
  Object.assign(wrapper, other)
}

/** For each type of node, the changes to one of it. */
const EDITS: Record<string, (node: Node) => Edit[]> = {
  A_Expr: ({ name }) =>
    by(...(MISTAKEN[name[0].String.sval] ?? []).map((other) => (node: Node) => (node.name[0].String.sval = other))),
  BoolExpr: ({ boolop, args }) =>
    boolop === 'NOT_EXPR'
      ? by((node, wrapper) => become(wrapper, node.args[0]))
      : args.map((one: Node, at: number) => ({
          what: `drop ${say(one)}`,
          place: one,
          edit: (node: Node, wrapper: Node) =>
            node.args.length > 2 ? node.args.splice(at, 1) : become(wrapper, node.args[1 - at]),
        })),
  NullTest: () => by((node) => (node.nulltesttype = node.nulltesttype === 'IS_NULL' ? 'IS_NOT_NULL' : 'IS_NULL')),
  MinMaxExpr: () => by((node) => (node.op = node.op === 'IS_LEAST' ? 'IS_GREATEST' : 'IS_LEAST')),
  CoalesceExpr: () => by((node, wrapper) => become(wrapper, node.args[0])),
  CaseExpr: ({ defresult, args: [{ CaseWhen }] }) =>
    defresult
      ? by((node) => {
          node.args[0].CaseWhen.result = defresult
          node.defresult = CaseWhen.result
        })
      : by((_, wrapper) => become(wrapper, CaseWhen.result)),
  A_Const: ({ ival }) => (ival ? by((node) => (node.ival = ival.ival ? {} : { ival: 1 })) : []),
  FuncCall: ({ funcname }) => {
    const other = MISTAKEN_FUNCTION[funcname.at(-1).String.sval]
    return other ? by((node) => (node.funcname.at(-1).String.sval = other)) : []
  },
  JoinExpr: ({ jointype, quals, rarg }) => {
    const [what, other] =
      jointype === 'JOIN_LEFT' ? ['left join → join', 'JOIN_INNER'] : ['join → left join', 'JOIN_LEFT']
    return quals ? [{ what, place: rarg, edit: (node) => (node.jointype = other) }] : []
  },
  SortBy: () => by((node) => (node.sortby_dir = node.sortby_dir === 'SORTBY_DESC' ? 'SORTBY_ASC' : 'SORTBY_DESC')),
  SelectStmt: ({ whereClause, sortClause, limitCount, lockingClause, fromClause }) => [
    ...dropWhere(whereClause),
    ...drop('order by', 'sortClause', sortClause),
    ...dropEach('sortClause', sortClause),
    ...drop('limit', 'limitCount', limitCount),
    ...drop('the lock', 'lockingClause', lockingClause, fromClause),
    ...(lockingClause?.[0].LockingClause.waitPolicy === 'LockWaitSkip'
      ? [{ what: 'drop skip locked', place: fromClause, edit: waitInstead }]
      : []),
  ],
  InsertStmt: ({ onConflictClause }) => drop('on conflict', 'onConflictClause', onConflictClause),
  UpdateStmt: ({ whereClause, targetList }) => [...dropWhere(whereClause), ...dropEach('targetList', targetList)],
}

const waitInstead = ({ lockingClause }: Node) => {
  lockingClause[0].LockingClause.waitPolicy = 'LockWaitBlock'
}

/** The first place that anything in the node names. */
function locate(node: Node): number {
  const places = [...walk(node)].map(({ node: inner }) => inner.location).filter((place) => place >= 0)
  return places.length > 0 ? Math.min(...places) : 0
}

/** Every object in a tree, with the keys that lead to it. */
export function* walk(node: Node, path: string[] = []): Generator<{ node: Node; path: string[] }> {
  if (typeof node !== 'object' || node === null) return
  if (!Array.isArray(node)) yield { node, path }
  for (const [key, inner] of Object.entries(node)) yield* walk(inner, [...path, key])
}
