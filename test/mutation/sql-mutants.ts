// Finds the statements in a file: `sql` templates, and those that kysely builds, of which a clause is left out or its
// operator turned around.
import { readFileSync } from 'node:fs'
import { MISTAKEN, mutateSql, type Node, require, walk } from './sql-edits.ts'

/** A file of the project with one thing changed. */
export interface Mutant {
  file: string
  line: number
  /** What was changed, for people. */
  what: string
  /** The whole file. */
  source: string
  /** Its statement as it was and as it is, with numbered parameters; only of those made from a template. */
  statements?: { before: string; after: string }
}

const CLAUSES = new Set(['where', 'forUpdate', 'skipLocked', 'onConflict', 'orderBy', 'limit'])

/** All mutants of a file, and for each of its templates, as `unchanged`, one that only went through parser and printer. */
export async function mutantsOf(file: string): Promise<{ mutants: Mutant[]; unchanged: Mutant[] }> {
  const source = readFileSync(file, 'utf8')
  const { parse } = require('@babel/parser') as { parse(this: void, source: string, options: object): Node }
  const mutants: Mutant[] = []
  const unchanged: Mutant[] = []
  for (const { node } of walk(parse(source, { sourceType: 'module', plugins: ['typescript'] }).program)) {
    if (node.type === 'TaggedTemplateExpression' && node.tag.name === 'sql') {
      const found = await mutateTemplate(file, source, node.quasi)
      mutants.push(...found.mutants)
      unchanged.push(...found.unchanged)
    }
    if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
      mutants.push(...mutateCall(file, source, node))
    }
  }
  return { mutants, unchanged }
}

async function mutateTemplate(file: string, source: string, { quasis, expressions, loc, start, end }: Node) {
  // What is filled in reads as a name, which can stand wherever a value or a list of columns can.
  const text: string = quasis
    .map(({ value }: Node, at: number) => value.cooked + (at < expressions.length ? `__${at}__` : ''))
    .join('')
  const filled = (sql: string) =>
    sql.replaceAll(/__(\d+)__/g, (_, at) => `\${${source.slice(expressions[at].start, expressions[at].end)}}`)
  const { same, mutations } = (await mutateSql(text)) ?? { mutations: [] }
  const mutantOf = (what: string, at: number, sql: string): Mutant => ({
    file,
    line: loc.start.line + text.slice(0, at).split('\n').length - 1,
    what,
    source: `${source.slice(0, start + 1)}${filled(sql)}${source.slice(end - 1)}`,
    statements: { before: numbered(text), after: numbered(sql) },
  })
  return {
    mutants: mutations.map(({ what, at, sql }) => mutantOf(what, at, sql)),
    unchanged: same === undefined ? [] : [mutantOf('unchanged', 0, same)],
  }
}

/** With $1, $2 … for what is filled in. */
function numbered(sql: string): string {
  const order = [...new Set(sql.match(/__\d+__/g))]
  return sql.replaceAll(/__\d+__/g, (place) => `$${order.indexOf(place) + 1}`)
}

function mutateCall(file: string, source: string, { callee, arguments: given, end }: Node): Mutant[] {
  const { object, property } = callee
  const mutantOf = (what: string, start: number, end: number, by: string): Mutant => ({
    file,
    line: property.loc.start.line,
    what: what.replaceAll(/\s+/g, ' '),
    source: source.slice(0, start) + by + source.slice(end),
  })
  // Without its lock, `skip locked` would be no statement.
  const skips = property.name === 'forUpdate' ? /^\s*\.skipLocked\(\)/.exec(source.slice(end)) : null
  const endOfClause = end + (skips?.[0].length ?? 0)
  const text = source.slice(object.end, endOfClause).trim()
  const set: Node[] = property.name === 'set' ? given[0].properties : []
  const operator = property.name === 'where' ? given[1] : undefined
  return [
    ...(CLAUSES.has(property.name) ? [mutantOf(`drop ${text}`, object.end, endOfClause, '')] : []),
    ...(MISTAKEN[operator?.value] ?? []).map((other) =>
      mutantOf(`${text}: ${operator.value} → ${other}`, operator.start, operator.end, `'${other}'`),
    ),
    ...(set.length > 1 ? set : []).map((one) =>
      mutantOf(
        `drop ${source.slice(one.start, one.end)}`,
        one.start,
        source[one.end] === ',' ? one.end + 1 : one.end,
        '',
      ),
    ),
  ]
}
