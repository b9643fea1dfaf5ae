// JSON as text, right and wrong: what a value cannot hold (a name twice, 1e400, -0, a comma too many) a text can.
import fc from 'fast-check'

/** A scalar as its text, a list, or an object by its members, of which several may have one name. */
export type Json = string | Json[] | { members: [name: string, value: Json][] }

/** The text of it; `comma` stands behind each last item and member. */
export function write(json: Json, comma = ''): string {
  if (typeof json === 'string') return json
  const parts = Array.isArray(json)
    ? json.map((item) => write(item, comma))
    : json.members.map(([name, value]) => `${JSON.stringify(name)}:${write(value, comma)}`)
  const text = parts.join(',') + (parts.length > 0 ? comma : '')
  return Array.isArray(json) ? `[${text}]` : `{${text}}`
}

/** The same of a plain value. */
export function json(value: unknown): Json {
  if (Array.isArray(value)) return value.map(json)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return { members: Object.entries(value).map(([name, inner]) => [name, json(inner)]) }
}

const NAMES = ['Header', 'Payload', 'Code', 'Message', 'Sessions', 'SessionId', 'SessionStatus', 'IsSessionStarted']
const ODD_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'toJSON', 'hasOwnProperty', 'length', '', '0']
const NUMBERS = [
  '0',
  '-0',
  '1',
  '2',
  '3',
  '4',
  '5',
  '1.5',
  '-1',
  '1e400',
  '-1e400',
  '5e-324',
  '1E2',
  '110013',
  '110018',
]
const LARGE = ['2147483647', '2147483648', '-2147483648', '9007199254740993', '1e300', '9'.repeat(400)]
const WRONG = ['', 'NaN', 'undefined', '01', '+1', '.5', "'x'", '1,', '//', '0x1']

/** Any text at all: U+0000, lone surrogates, very long ones, and those that mean something elsewhere. */
export const anyText = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  fc.nat(0xffff).map((code) => `m${String.fromCharCode(code)}1`),
  fc.constantFrom('\0', 'm\ud800', '\udc00', '\ufeff', '\ufffd', '😀', 'a\r\nb', '\u001b[2J', '\u202e', '"', '\\', "'"),
  fc.constantFrom('1', '2', '-0', '00', '1e3', '0x2', 'true', 'null', String.raw`\u0000`, '{}', '%00', "');--"),
  fc
    .tuple(fc.constantFrom('x', '😀', '\\', '"', '\0'), fc.constantFrom(128, 129, 600, 9_000))
    .map(([one, n]) => one.repeat(n)),
)

const anyName = fc.oneof(fc.constantFrom(...NAMES), fc.constantFrom(...ODD_NAMES), anyText)

/** A scalar's text; one in twenty is none of JSON. */
const scalar = (texts: fc.Arbitrary<string>) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('null', 'true', 'false', ...NUMBERS) },
    { weight: 2, arbitrary: fc.constantFrom(...LARGE) },
    { weight: 10, arbitrary: fc.oneof(anyText, texts).map((text) => JSON.stringify(text)) },
    { weight: 1, arbitrary: fc.constantFrom(...WRONG) },
  )

/** Any tree; `texts` are further texts to put in. */
export function anyJson(texts: fc.Arbitrary<string>): fc.Arbitrary<Json> {
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      scalar(texts),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.array(fc.tuple(anyName, tie('tree')), { maxLength: 5 }).map((members) => ({ members })),
    ),
  }))
  return tree
}

type Change = (parent: Json[] | { members: [string, Json][] }, at: number) => void

/** One change to one place of a tree. */
export function anyChange(texts: fc.Arbitrary<string>): fc.Arbitrary<(root: Json) => Json> {
  const put =
    (make: (old: Json) => Json): Change =>
    (parent, at) => {
      if (Array.isArray(parent)) parent[at] = make(parent[at] ?? 'null')
      else parent.members[at] = [parent.members[at]?.[0] ?? '', make(parent.members[at]?.[1] ?? 'null')]
    }
  const listOf = (parent: Parameters<Change>[0]): unknown[] => (Array.isArray(parent) ? parent : parent.members)
  const changes: fc.Arbitrary<Change> = fc.oneof(
    fc.constant<Change>((parent, at) => void listOf(parent).splice(at, 1)),
    fc.constant<Change>((parent, at) => void listOf(parent).splice(at, 0, listOf(parent)[at])),
    fc.constant<Change>((parent) => void listOf(parent).reverse()),
    fc.constant<Change>((parent) => void listOf(parent).splice(0)),
    fc.constant(put((old) => [old])),
    fc.constant(put((old) => (typeof old === 'string' ? JSON.stringify(old) : 'null'))),
    fc.constantFrom(20, 300).map((depth) => put((old) => nest(old, depth))),
    fc
      .constantFrom(50, 3_000)
      .map((times) => put((old) => (typeof old === 'string' ? Array.from({ length: times }, () => old) : old))),
    scalar(texts).map((value) => put(() => value)),
    anyJson(texts).map((value) => put(() => value)),
    fc.tuple(anyName, anyJson(texts)).map(([name, value]): Change => (parent) => {
      if (Array.isArray(parent)) parent.push(value)
      else parent.members.push([name, value])
    }),
    anyName.map((name): Change => (parent, at) => {
      const member = Array.isArray(parent) ? undefined : parent.members[at]
      if (member) member[0] = name
    }),
  )
  return fc.tuple(fc.nat(), changes).map(([place, change]) => (root) => {
    const holder: Json[] = [structuredClone(root)]
    const places = [...placesIn(holder)]
    const chosen = places[place % places.length]
    if (chosen) change(...chosen)
    return holder[0] ?? 'null'
  })
}

function* placesIn(parent: Json[] | { members: [string, Json][] }): Generator<Parameters<Change>> {
  const values = Array.isArray(parent) ? parent : parent.members.map(([, value]) => value)
  for (const [at, value] of values.entries()) {
    yield [parent, at]
    if (typeof value !== 'string') yield* placesIn(value)
  }
}

function nest(json: Json, depth: number): Json {
  return depth === 0 ? json : nest(depth % 2 ? [json] : { members: [['a', json]] }, depth - 1)
}

/** What a text says as JSON, a byte order mark and trailing commas allowed; undefined when it says nothing. */
export function meaning(text: string): unknown {
  const body = text.replace(/^\ufeff/, '')
  for (const candidate of [body, withoutTrailingCommas(body)]) {
    try {
      return JSON.parse(candidate)
    } catch {
      continue
    }
  }
  return undefined
}

function withoutTrailingCommas(text: string): string {
  let [kept, inString, last] = ['', false, '']
  for (let at = 0; at < text.length; at += 1) {
    const one = text.charAt(at)
    if (inString) {
      kept += one
      if (one === '\\') kept += text.charAt((at += 1))
      else if (one === '"') inString = false
      continue
    }
    const next = one === ',' ? /^\s*([}\]])/.exec(text.slice(at + 1, at + 60)) : null
    if (!next || '[{,:'.includes(last)) kept += one
    if (one === '"') inString = true
    if (!/\s/.test(one)) last = one
  }
  return kept
}
