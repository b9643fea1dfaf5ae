// The provider plugin: makes the commands of `serverless` those of SCF. It only adapts: each command reads what it needs and
// makes one call of what does the work. Loaded from dist/deploy/plugin.js, named in serverless.yml.
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import { type Cloud, LIVE } from '../tencent.ts'
import { openCloud, openCloudOf } from './access.ts'
import { readFunctions } from './actual.ts'
import { applyDeployment, type Deployment, isEmpty, planDeployment } from './deploy.ts'
import { desiredOf } from './desired.ts'
import { ownerOf } from './mark.ts'
import { describeService } from './info.ts'
import { invoke } from './invoke.ts'
import { runLocally } from './local.ts'
import { momentOf, readLog, showLine, topicOf } from './logs.ts'
import { packageFunctions, readArchive } from './package.ts'
import { removeService } from './remove.ts'
import { move, planRollback, releasesOf } from './rollback.ts'
import { providerSchema } from './schema.ts'
import { type DeclaredFunction, findDeclared, readService, type Service } from './service.ts'
import { environmentOf, readStage, type Settings } from './settings.ts'
import { kilobytes, showPlan } from './show.ts'

/** What the plugin uses of `serverless`. */
interface Serverless {
  serviceDir: string
  /** The file as it is written. */
  configurationInput: { params?: Record<string, object> }
  service: {
    service: string
    provider: Record<string, unknown>
    package: { path?: string }
    functions: Record<string, { package?: object }>
  }
  configSchemaHandler: { defineProvider(name: string, schema: object): void }
  setProvider(name: string, provider: object): void
  classes: { Error: new (message: string, code: string) => Error }
}

interface Options {
  param?: string[]
  package?: string
  function?: string
  data?: string
  path?: string
  qualifier?: string
  log?: boolean
  tail?: boolean
  startTime?: string
  filter?: string
  interval?: string
  timestamp?: string
  env?: string[]
}

/** `notice` goes to standard error, `writeText` to standard output. */
interface Output {
  log: { notice(text: string): void; warning(text: string): void }
  writeText(text: string): void
}

/** Options that `serverless` offers with its own commands and that mean nothing here: better refused than ignored. */
const REFUSED = [
  'conceal',
  'force',
  'aws-s3-accelerate',
  'minify-template',
  'update-config',
  'docker',
  'docker-arg',
  'raw',
  'context',
  'contextPath',
  'durable-execution-name',
  'preserve-runtime-env',
  'type',
]

export default class TencentProvider {
  readonly commands = {
    plan: { usage: 'Show what a deployment would change', lifecycleEvents: ['plan'], options: {} },
  }
  readonly hooks: Record<string, () => Promise<void>>

  private readonly serverless: Serverless
  private readonly options: Options
  private readonly output: Output

  constructor(serverless: Serverless, options: Options, output: Output) {
    this.serverless = serverless
    this.options = options
    this.output = output
    serverless.setProvider('tencent', this)
    serverless.configSchemaHandler.defineProvider('tencent', providerSchema)
    const hooks: Record<string, () => Promise<void>> = {
      'before:package:createDeploymentArtifacts': () => this.package(),
      'before:plan:plan': () => this.package(),
      'plan:plan': () => this.plan(),
      'deploy:deploy': () => this.deploy(),
      'deploy:function:packageFunction': () => this.package(),
      'deploy:function:deploy': () => this.deploy(this.options.function),
      'deploy:list:log': () => this.listReleases(),
      'info:info': () => this.info(),
      'invoke:invoke': () => this.invoke(),
      'invoke:local:invoke': () => this.invokeLocal(),
      'logs:logs': () => this.logs(),
      'remove:remove': () => this.remove(),
      'rollback:rollback': () => this.rollback(),
    }
    this.hooks = Object.fromEntries(Object.entries(hooks).map(([name, hook]) => [name, () => this.run(hook)]))
  }

  static getProviderName(): string {
    return 'tencent'
  }

  /** A fault of ours is told by its message alone, as `serverless` does with its own. */
  private async run(hook: () => Promise<void>): Promise<void> {
    try {
      const refused = REFUSED.filter((name) => Reflect.get(this.options, name) !== undefined)
      if (refused.length > 0)
        throw new AppError('input_invalid', `--${refused.join(', --')} is not for SCF: leave it out`)
      this.assertParameters()
      await hook()
    } catch (error) {
      if (error instanceof AppError) throw new this.serverless.classes.Error(error.message, error.code)
      throw error
    }
  }

  /** `serverless` ignores a parameter that nothing asks for. */
  private assertParameters(): void {
    const { params = {} } = this.serverless.configurationInput
    const known = Object.values(params).flatMap(Object.keys)
    const unknown = (this.options.param ?? [])
      .map((text) => text.split('=')[0]!)
      .filter((name) => !known.includes(name))
    if (unknown.length === 0) return
    throw new AppError('input_invalid', `--param has no ${unknown.join(', ')}: serverless.yml has ${known.join(', ')}`)
  }

  private readService(): Service {
    return readService(this.serverless.service)
  }

  private declared(service: Service): DeclaredFunction {
    return findDeclared(service, this.options.function)
  }

  private packageFolder(): string {
    return resolve(
      this.serverless.serviceDir,
      this.options.package ?? this.serverless.service.package.path ?? '.serverless',
    )
  }

  private openCloudOf(service: Service): Promise<Cloud> {
    return openCloudOf(service, this.serverless.serviceDir, process.env)
  }

  private readStage(service: Service): Settings {
    return readStage(service, this.serverless.serviceDir)
  }

  private async package(): Promise<void> {
    const service = this.readService()
    const folder = this.packageFolder()
    mkdirSync(folder, { recursive: true })
    const sources = service.functions.map(({ key, source }) => [key, join(this.serverless.serviceDir, source)])
    const sizes = await packageFunctions(Object.fromEntries(sources) as Record<string, string>, folder)
    for (const { name, bundle, gzip, zip } of sizes) {
      this.output.log.notice(
        `${name}: ${kilobytes(bundle)} minified, ${kilobytes(gzip)} gzipped, ${kilobytes(zip)} as zip`,
      )
      const declared = this.serverless.service.functions[name]
      // `serverless` packs the whole folder for a function that has no archive.
      if (declared !== undefined) declared.package = { artifact: join(folder, `${name}.zip`) }
    }
  }

  private deployment(service: Service, settings: Settings, only: string | undefined): Deployment {
    const owner = ownerOf(service.name, service.stage)
    const folder = this.packageFolder()
    const desired = service.functions.map((declared) =>
      desiredOf(declared, owner, readArchive(folder, declared.key), environmentOf(declared, settings)),
    )
    return { service, desired, only }
  }

  private async planAndShow(only?: string) {
    const service = this.readService()
    if (only !== undefined) this.declared(service)
    const settings = this.readStage(service)
    const deployment = this.deployment(service, settings, only)
    const cloud = await openCloud(service, settings, process.env)
    const plan = await planDeployment(cloud, deployment, new Date())
    for (const line of showPlan(plan, deployment.desired)) this.output.writeText(line)
    return { cloud, deployment, plan }
  }

  private async plan(): Promise<void> {
    const { plan } = await this.planAndShow()
    this.output.writeText(isEmpty(plan) ? 'nothing would change' : 'nothing was changed: this is the plan')
  }

  private async deploy(only?: string): Promise<void> {
    const { cloud, deployment, plan } = await this.planAndShow(only)
    for (const { key, isInvokedFirst } of only === undefined ? [] : deployment.desired) {
      if (!isInvokedFirst || key === only) continue
      const first = await planDeployment(cloud, { ...deployment, only: key }, new Date())
      if (!isEmpty(first))
        this.output.log.warning(`${key} is not deployed as it is here: what it does must not be needed`)
    }
    if (isEmpty(plan)) return this.output.writeText('nothing to change')
    await applyDeployment(cloud, deployment, plan, (line) => this.output.log.notice(line))
    this.output.writeText(`deployed: release ${plan.release.time}`)
  }

  private async listReleases(): Promise<void> {
    const service = this.readService()
    const functions = await readFunctions(await this.openCloudOf(service), service)
    for (const { release, versions, isLive } of releasesOf(functions)) {
      const all = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
      this.output.writeText(`${release.time}${isLive ? ' (live)' : ''}: ${all.join(', ')}`)
    }
  }

  private async info(): Promise<void> {
    const service = this.readService()
    const functions = await readFunctions(await this.openCloudOf(service), service)
    for (const line of describeService(service, functions)) this.output.writeText(line)
  }

  private eventData(): string {
    const { data, path } = this.options
    const text = path === undefined ? (data ?? '{}') : readFileSync(resolve(this.serverless.serviceDir, path), 'utf8')
    try {
      JSON.parse(text)
      return text
    } catch (error) {
      throw new AppError('input_invalid', `the event is no JSON: ${path ?? '--data'}`, { cause: error })
    }
  }

  private async invoke(): Promise<void> {
    const service = this.readService()
    const { name, timeoutSeconds } = this.declared(service)
    const { qualifier = LIVE, log } = this.options
    const event = this.eventData()
    const invoked = await invoke(await this.openCloudOf(service), name, { qualifier, timeoutSeconds, event })
    if (log || invoked.fault !== undefined) this.output.log.notice(invoked.log)
    if (invoked.fault !== undefined) throw new AppError('invoke_failed', `function ${name} failed: ${invoked.fault}`)
    this.output.writeText(invoked.answer)
  }

  private async invokeLocal(): Promise<void> {
    const service = this.readService()
    const declared = this.declared(service)
    const settings = this.readStage(service)
    const more = Object.fromEntries((this.options.env ?? []).map((text) => text.split(/=(.*)/s, 2) as [string, string]))
    const { PATH, TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, TENCENTCLOUD_TOKEN } = process.env
    const own = { PATH, TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, TENCENTCLOUD_TOKEN }
    const environment = { ...own, TENCENTCLOUD_REGION: service.region, ...environmentOf(declared, settings), ...more }
    // What is undefined does not get into the environment of a child.
    const result = await runLocally(declared, this.serverless.serviceDir, this.eventData(), environment as Settings)
    if ('fault' in result) throw new AppError('invoke_failed', `${declared.key} failed: ${result.fault}`)
    this.output.writeText(JSON.stringify(result.answer))
  }

  private async logs(): Promise<void> {
    const service = this.readService()
    const { name } = this.declared(service)
    const cloud = await this.openCloudOf(service)
    const topicId = await topicOf(cloud, name)
    const interval = Number(this.options.interval ?? 1_000)
    if (!(interval >= 100)) throw new AppError('input_invalid', '--interval is no number of milliseconds, 100 or more')
    let from = startOf(this.options.startTime ?? '10m', Date.now())
    for (;;) {
      const to = Date.now()
      const lines = await readLog(cloud, topicId, name, { from, to, query: this.options.filter })
      for (const line of lines) this.output.writeText(showLine(line))
      if (!this.options.tail) return
      from = to
      await wait(interval)
    }
  }

  private async remove(): Promise<void> {
    const service = this.readService()
    const { removed, left } = await removeService(await this.openCloudOf(service), service)
    for (const name of removed) this.output.log.notice(`${name}: removed`)
    for (const name of left)
      this.output.log.warning(`${name} is left: its description is not Rollcall's; remove it by hand if it is yours`)
    this.output.writeText(removed.length === 0 ? 'nothing to remove' : 'removed; the database is untouched')
  }

  private async rollback(): Promise<void> {
    const service = this.readService()
    const cloud = await this.openCloudOf(service)
    const { release, moves } = planRollback(await readFunctions(cloud, service), this.options.timestamp)
    for (const { name, from, to } of moves) this.output.writeText(`~ ${name}: version ${from} → ${to}`)
    for (const one of moves) {
      const declared = service.functions.find(({ name }) => name === one.name)
      await move(cloud, one, declared?.instances)
    }
    this.output.writeText(
      moves.length === 0
        ? 'nothing to change'
        : `rolled back to release ${release.time}; triggers and tables are as they were`,
    )
  }
}

/** A time as `--startTime` has it, as Unix ms. */
function startOf(text: string, now: number): number {
  const at = momentOf(text, now)
  if (at !== undefined) return at
  throw new AppError('input_invalid', `--startTime is neither a date nor a span such as 10m, 2h or 1d: ${text}`)
}
