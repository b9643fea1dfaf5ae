// The check of an action's parameters against its documentation, as Tencent's API does it before the action runs (common
// errors: 583/30771). A shape is typed by the SDK's model, so it names all documented parameters and no other.
import { ApiError } from './api-error.ts'

type Kind<Value> = Value extends string
  ? 'string'
  : Value extends number
    ? 'integer'
    : Value extends boolean
      ? 'boolean'
      : Value extends readonly (infer Item)[]
        ? [Kind<Item>]
        : Shape<Value>

/** Every parameter of a request with its type; optional ones end in `?`. `unmodelled`: real, but not in this double. */
export type Shape<Request> = {
  [Name in keyof Request & string as object extends Pick<Request, Name> ? `${Name}?` : Name]-?:
    Kind<NonNullable<Request[Name]>> | 'unmodelled'
}

type AnyKind = 'string' | 'integer' | 'boolean' | 'unmodelled' | [AnyKind] | { [name: string]: AnyKind }

/**
 * The parameters as the action takes them. Throws UnknownParameter, MissingParameter, InvalidParameter (a wrong type), and
 * UnsupportedOperation for what this double does not model.
 */
export function parse<Request>(shape: Shape<Request>, raw: unknown): Request {
  check(shape, raw, '')
  return raw as Request
}

function check(kind: AnyKind, value: unknown, path: string): void {
  const isFit = (() => {
    if (kind === 'unmodelled') throw new ApiError('UnsupportedOperation', `this double does not model ${path}`)
    if (kind === 'string' || kind === 'boolean') return typeof value === kind
    if (kind === 'integer') return Number.isSafeInteger(value)
    return Array.isArray(kind) ? Array.isArray(value) : typeof value === 'object' && value && !Array.isArray(value)
  })()
  if (!isFit) throw new ApiError('InvalidParameter', `The value type of parameter \`${path}\` is not valid.`)
  if (Array.isArray(kind)) (value as unknown[]).forEach((item, i) => check(kind[0], item, `${path}.${i}`))
  else if (typeof kind === 'object') checkEach(kind, value as Record<string, unknown>, path && `${path}.`)
}

function checkEach(shape: Record<string, AnyKind>, values: Record<string, unknown>, prefix: string): void {
  for (const [name, value] of Object.entries(values)) {
    const kind = shape[name] ?? shape[`${name}?`]
    if (!kind) throw new ApiError('UnknownParameter', `The parameter \`${prefix}${name}\` is not recognized.`)
    check(kind, value, prefix + name)
  }
  const missing = Object.keys(shape).find((name) => !name.endsWith('?') && !(name in values))
  if (missing !== undefined) {
    throw new ApiError('MissingParameter', `The request is missing a required parameter \`${prefix}${missing}\`.`)
  }
}
