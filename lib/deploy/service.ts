// serverless.yml, as `serverless` hands it over with its variables filled in, checked and typed. Nothing is sent before all
// of it holds, and every fault is told at once, by the name it has in the file.
import * as v from 'valibot'
import { AppError } from '../errors.ts'
import { cronFault, cronOf } from './timer.ts'

/** What invokes a function by itself. Its name is its identity: under the same name it is changed, not replaced. */
export type Trigger =
  { type: 'timer'; name: string; cron: string } | { type: 'http'; name: string; auth: 'NONE' | 'CAM' }

/** A function as it is declared. */
export interface DeclaredFunction {
  /** In the file. */
  key: string
  /** In the cloud, unique in a region. */
  name: string
  /** From the root of the service. */
  source: string
  runtime: string
  memoryMb: number
  timeoutSeconds: number
  role: string | undefined
  vpc: { vpcId: string; subnetId: string } | undefined
  log: { logsetId: string; topicId: string } | undefined
  /** At most so many at once; undefined: as many as the account may have. */
  instances: number | undefined
  /** Of an asynchronous invocation that failed in the code. */
  retries: number
  /** After which an asynchronous invocation that still waits is dropped. */
  maxAgeSeconds: number
  /** Fixed values. */
  environment: Record<string, string>
  /** The names it gets from the stage's file. */
  settings: string[]
  /** Invoked at a deployment, before anything else changes, and must succeed. */
  isInvokedFirst: boolean
  triggers: Trigger[]
}

export interface Service {
  name: string
  stage: string
  region: string
  /** The stage's file, from the root of the service. */
  settingsFile: string
  functions: DeclaredFunction[]
}

/** Given by `--param` a number is text, and an empty text is nothing. */
const blankIsNothing = v.transform((value: unknown) => (value === '' || value === null ? undefined : value))
const text = (what: string, pattern: RegExp) =>
  v.pipe(
    v.string((issue) => `is ${issue.received}: expected ${what}`),
    v.regex(pattern, (issue) => `is ${JSON.stringify(issue.input)}: expected ${what}`),
  )
const optionalText = (what: string, pattern: RegExp) =>
  v.pipe(v.optional(v.unknown()), blankIsNothing, v.optional(text(what, pattern)))
const number = (what: string, isGood: (value: number) => boolean) =>
  v.pipe(
    v.optional(v.unknown()),
    blankIsNothing,
    v.check(
      (value) =>
        value === undefined || (/^\d{1,9}$/.test(JSON.stringify(value).replaceAll('"', '')) && isGood(Number(value))),
      (issue) => `is ${JSON.stringify(issue.input)}: expected ${what}`,
    ),
    v.transform((value) => (value === undefined ? undefined : Number(value))),
  )
const between = (least: number, most: number) => (value: number) => value >= least && value <= most

// Ranges of Tencent 583/18586 (CreateFunction) and 583/11637 (quotas).
const memory = number(
  '64, or 128 to 3072 in steps of 128 (MB)',
  (mb) => mb === 64 || (mb % 128 === 0 && between(128, 3_072)(mb)),
)
const timeout = number('1 to 900 (seconds)', between(1, 900))
const runtime = text('Nodejs18.15 or a later Node of SCF', /^Nodejs(1[89]|[2-9]\d)\.\d+$/)

/** An object whose keys `serverless` has checked already. */
const object = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.object(entries, (issue) =>
    issue.expected?.startsWith('"') ? 'is missing' : `is ${issue.received}: expected an object`,
  )

const vpc = v.optional(
  v.pipe(
    object({
      vpcId: optionalText('the id of a VPC, vpc-…', /^vpc-[a-z0-9]+$/),
      subnetId: optionalText('the id of a subnet, subnet-…', /^subnet-[a-z0-9]+$/),
    }),
    v.check(
      (it) => (it.vpcId === undefined) === (it.subnetId === undefined),
      'has one of vpcId and subnetId: set both, or none',
    ),
    v.transform(({ vpcId, subnetId }) => (vpcId && subnetId ? { vpcId, subnetId } : undefined)),
  ),
)
const log = v.optional(
  v.pipe(
    object({
      logsetId: optionalText('the id of a CLS logset', /^[\w-]+$/),
      topicId: optionalText('the id of a CLS topic', /^[\w-]+$/),
    }),
    v.check(
      (it) => (it.logsetId === undefined) === (it.topicId === undefined),
      'has one of logsetId and topicId: set both, or none',
    ),
    v.transform(({ logsetId, topicId }) => (logsetId && topicId ? { logsetId, topicId } : undefined)),
  ),
)

const timer = v.pipe(
  object({
    every: v.optional(v.pipe(v.unknown(), v.transform(String))),
    cron: v.optional(v.pipe(v.unknown(), v.transform(String))),
    name: optionalText('up to 100 letters, digits, dashes and underscores', /^[A-Za-z0-9_-]{1,100}$/),
  }),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
    const fail = (message: string) => {
      addIssue({ message })
      return NEVER
    }
    if ((value.every === undefined) === (value.cron === undefined))
      return fail('needs one of every (10s, 5m, 1h) and cron')
    const found = value.cron === undefined ? cronOf(value.every ?? '') : { cron: value.cron.trim() }
    if ('fault' in found) return fail(`every ${found.fault}`)
    const fault = cronFault(found.cron)
    return fault === undefined ? { type: 'timer' as const, name: value.name, cron: found.cron } : fail(`cron ${fault}`)
  }),
)
const url = v.pipe(
  object({
    auth: v.picklist(['NONE', 'CAM'], (issue) => `is ${issue.received}: expected NONE (open to anybody) or CAM`),
  }),
  v.transform(({ auth }) => ({ type: 'http' as const, name: undefined, auth })),
)
const isUrl = (input: unknown) => typeof input === 'object' && input !== null && 'url' in input
const event = v.lazy((input) =>
  isUrl(input)
    ? v.pipe(
        object({ url }),
        v.transform((it) => it.url),
      )
    : v.pipe(
        object({ timer }),
        v.transform((it) => it.timer),
      ),
)

const names = v.array(text('a name of the stage’s file', /^[A-Z][A-Z0-9_]*$/))
const NAME = /^[A-Za-z][\w-]{0,58}[A-Za-z0-9]$/
const shared = {
  runtime: v.optional(runtime),
  role: optionalText('the name of a CAM role', /^[\w+=,.@-]{1,64}$/),
  memorySize: memory,
  timeout,
  vpc,
  log,
}
const functionSchema = object({
  ...shared,
  name: text('2 to 60 letters, digits, dashes and underscores that begin with a letter', NAME),
  handler: text('functions/NAME.main_handler', /^[\w./-]+\.main_handler$/),
  reservedConcurrency: number('1 to 100 (instances)', between(1, 100)),
  maximumRetryAttempts: number('0 to 2', between(0, 2)),
  maximumEventAge: number('60 to 21600 (seconds)', between(60, 21_600)),
  environment: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[A-Za-z]\w*$/, 'is no name of a variable')),
      v.pipe(
        v.unknown(),
        v.check((value) => ['string', 'number', 'boolean'].includes(typeof value), 'is no text'),
        v.transform(String),
      ),
    ),
    {},
  ),
  settings: v.optional(names, []),
  invokeAtDeploy: v.optional(v.boolean('is neither true nor false'), false),
  events: v.optional(
    v.pipe(
      v.array(event),
      v.check((list) => list.filter(({ type }) => type === 'http').length <= 1, 'has more than one url'),
      v.check(
        (list) => new Set(list.map(({ name }, i) => name ?? i)).size === list.length,
        'has two timers of one name',
      ),
    ),
    [],
  ),
})
const serviceSchema = object({
  service: v.string(),
  provider: object({
    ...shared,
    stage: text('letters, digits and dashes', /^[A-Za-z0-9-]{1,30}$/),
    region: text('a region, such as ap-guangzhou', /^[a-z]{2,3}(-[a-z0-9]+)+$/),
    settingsFile: v.string(),
  }),
  functions: v.record(v.string(), functionSchema),
})

type Parsed = v.InferOutput<typeof serviceSchema>

/** Reads the configuration. Throws one `config_invalid` with every fault, a line each. */
export function readService(input: { service: unknown; provider: unknown; functions: unknown }): Service {
  const parsed = v.safeParse(serviceSchema, withNames(input))
  if (!parsed.success)
    throw new AppError('config_invalid', ['serverless.yml:', ...faultsOf(parsed.issues)].join('\n- '))
  const { service, provider, functions } = parsed.output
  assertNames(`${service}-${provider.stage}-`, functions)
  return {
    name: service,
    stage: provider.stage,
    region: provider.region,
    settingsFile: provider.settingsFile,
    functions: Object.entries(functions).map(([key, it]) => ({
      key,
      name: it.name,
      source: it.handler.replace(/\.main_handler$/, '.ts'),
      runtime: it.runtime ?? provider.runtime ?? 'Nodejs18.15',
      memoryMb: it.memorySize ?? provider.memorySize ?? 128,
      timeoutSeconds: it.timeout ?? provider.timeout ?? 60,
      role: it.role ?? provider.role,
      vpc: it.vpc ?? provider.vpc,
      log: it.log ?? provider.log,
      instances: it.reservedConcurrency,
      retries: it.maximumRetryAttempts ?? 0,
      maxAgeSeconds: it.maximumEventAge ?? 60,
      environment: it.environment,
      settings: it.settings,
      isInvokedFirst: it.invokeAtDeploy,
      triggers: named(it.events),
    })),
  }
}

/** The function of a key. Throws `input_invalid` with the keys there are. */
export function findDeclared({ functions }: Service, key: string | undefined): DeclaredFunction {
  const found = functions.find((one) => one.key === key)
  if (found !== undefined) return found
  const keys = functions.map((one) => one.key).join(', ')
  throw new AppError('input_invalid', `there is no function ${key}: serverless.yml has ${keys}`)
}

/** By the beginning of its name a function is found again when it is declared no more. */
function assertNames(prefix: string, functions: Parsed['functions']): void {
  const names = Object.values(functions).map(({ name }) => name)
  const faults = Object.entries(functions).flatMap(([key, { name }]) => {
    if (!name.startsWith(prefix)) return [`functions.${key}.name is ${name}: expected one that begins with ${prefix}`]
    return names.filter((one) => one === name).length > 1
      ? [`functions.${key}.name is that of another one: ${name}`]
      : []
  })
  if (faults.length > 0) throw new AppError('config_invalid', ['serverless.yml:', ...faults].join('\n- '))
}

/** A function without a name gets that of its service, stage and key, as `serverless` does it. */
function withNames(input: { service: unknown; provider: unknown; functions: unknown }): unknown {
  const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
  const { service, provider, functions } = input
  if (!isObject(functions) || !isObject(provider)) return input
  const prefix = `${String(service)}-${String(Reflect.get(provider, 'stage'))}`
  const named = Object.entries(functions).map(([key, it]) => [
    key,
    isObject(it) ? { name: `${prefix}-${key}`, ...it } : it,
  ])
  return { ...input, functions: Object.fromEntries(named) as object }
}

/** A trigger without a name gets that of its kind, and the second one a number. */
function named(events: Parsed['functions'][string]['events']): Trigger[] {
  const counts = { timer: 0, http: 0 }
  return events.map((event) => {
    const kind = event.type === 'timer' ? 'timer' : 'url'
    const count = (counts[event.type] += 1)
    return { ...event, name: event.name ?? (count === 1 ? kind : `${kind}-${count}`) }
  })
}

function faultsOf(issues: readonly v.BaseIssue<unknown>[]): string[] {
  return issues.map(({ path, message }) => `${path?.map(({ key }) => String(key)).join('.') ?? ''} ${message}`)
}
