// Who runs what: finds a warm instance or starts one, within the memory that a function may use (Tencent 583/35311, status
// 432), and keeps what asynchronous invocations have to wait for. Asynchronous ones are tried again when the code failed,
// and wait when there is no room (583/41138).
import { setTimeout as sleep } from 'node:timers/promises'
import { assertReady, type FunctionState, isReady, isUnderWay, resolve, type Version } from './function-state.ts'
import { reservedMb } from './concurrency.ts'
import { type Instance, isAlive, kill, load, type Outcome, run, startInstance } from './instance.ts'
import { type Order, record } from './invocation-log.ts'
import type { Region } from './region.ts'

export type { Invocation, Order } from './invocation-log.ts'

export interface Pool {
  instances: Set<Instance>
  /** Of functions by name: the memory of what runs. */
  runningMb: Map<string, number>
  /** Asynchronous invocations that are running, waiting or to be tried again. */
  pending: Set<Order>
  /** Called when an invocation has ended. */
  waiting: (() => void)[]
  isClosed: boolean
}

export function openPool(): Pool {
  return { instances: new Set(), runningMb: new Map(), pending: new Set(), waiting: [], isClosed: false }
}

/** Runs it now, or answers status 432 when there is no room. Throws when it may not be invoked in its status. */
export async function invokeNow(region: Region, order: Order): Promise<Outcome> {
  const version = resolve(order.state, order.qualifier)
  assertReady(version)
  const outcome = (await tryRun(region, order, version)) ?? refused(region, order)
  record(region, order, version, outcome)
  return outcome
}

/** Takes it, to be run at once or when there is room; again when the code fails, as often as the function says. */
export function invokeLater(region: Region, order: Order): void {
  region.pool.pending.add(order)
  void work(region, order).finally(() => {
    region.pool.pending.delete(order)
    wake(region.pool)
  })
}

/** Resolves when no asynchronous invocation runs, waits, or will be tried again. */
export async function idle({ pool }: Region): Promise<void> {
  while (pool.pending.size > 0) await changed(pool)
}

/** Kills the idle instances of a version, or of all: the next invocation starts cold. Those that run end first. */
export function retire(pool: Pool, version?: Version): void {
  for (const instance of pool.instances) {
    if (version && instance.version !== version) continue
    instance.revision = -1
    if (!instance.isBusy) discard(pool, instance)
  }
}

/** Kills all. Invocations that run fail. */
export async function closePool(pool: Pool): Promise<void> {
  pool.isClosed = true
  await Promise.all([...pool.instances].map(kill))
  wake(pool)
}

async function work(region: Region, order: Order): Promise<void> {
  const { state } = order
  for (;;) {
    const version = await settledVersion(order)
    if (region.pool.isClosed || region.functions.get(state.name) !== state || !version) return
    if (Date.now() - order.takenAtMs > state.ttlSeconds * 1_000) return
    const outcome = await tryRun(region, order, version)
    if (!outcome) {
      await changed(region.pool)
      continue
    }
    record(region, order, version, outcome)
    if (outcome.status === 200 || order.retry >= state.retryNum) return
    await sleep(region.settings.retryMs, undefined, { ref: false })
    order.retry += 1
  }
}

/** The version once no change of it is under way; undefined when it cannot be invoked at all. */
async function settledVersion({ state, qualifier }: Order): Promise<Version | undefined> {
  try {
    let version = resolve(state, qualifier)
    while (isUnderWay(version)) {
      await version.settled
      version = resolve(state, qualifier)
    }
    return isReady(version) ? version : undefined
  } catch {
    return undefined
  }
}

/** How it went, or undefined when there is no room. */
async function tryRun(region: Region, order: Order, version: Version): Promise<Outcome | undefined> {
  const { pool } = region
  const { name } = order.state
  const { MemorySize } = version.settings
  const running = pool.runningMb.get(name) ?? 0
  if (running + MemorySize > quotaMb(region, order.state)) return undefined
  pool.runningMb.set(name, running + MemorySize)
  try {
    return await runOnce(region, order, version)
  } finally {
    pool.runningMb.set(name, (pool.runningMb.get(name) ?? 0) - MemorySize)
    wake(pool)
  }
}

async function runOnce(region: Region, order: Order, version: Version): Promise<Outcome> {
  const { pool } = region
  const warm = [...pool.instances].find(
    (instance) => instance.version === version && !instance.isBusy && isAlive(instance),
  )
  if (warm) warm.isBusy = true
  const instance = warm ?? (await startInstance(region, order.state.name, version))
  instance.isBusy = true
  pool.instances.add(instance)
  if (pool.isClosed) await kill(instance)
  try {
    const failed = warm ? undefined : await load(instance)
    const outcome = failed ?? (await run(instance, region, order.event, contextOf(region, order, version)))
    if (failed) await kill(instance)
    return outcome
  } finally {
    instance.isBusy = false
    if (!isAlive(instance) || instance.revision !== version.revision) discard(pool, instance)
  }
}

function refused(region: Region, { state }: Order): Outcome {
  const quota = state.reservedMb === null ? 'region unreserved' : 'reserved'
  const message = `Function [ ${state.name} ] concurrency exceeded ${quota} quota ${quotaMb(region, state)} MB`
  return { status: 432, message, result: '', stack: '', ms: 0, memoryBytes: 0, lines: [] }
}

/** What it may use, less what others without a reserve use when it has none itself. */
function quotaMb(region: Region, state: FunctionState): number {
  if (state.reservedMb !== null) return state.reservedMb
  const others = [...region.functions.values()].filter((other) => other !== state && other.reservedMb === null)
  const used = others.reduce((sum, { name }) => sum + (region.pool.runningMb.get(name) ?? 0), 0)
  return region.settings.totalMb - reservedMb(region) - used
}

/** Of 583/9210. */
function contextOf({ settings }: Region, { state, requestId }: Order, { name, settings: own }: Version): object {
  const variables = (own.Environment.Variables ?? []).map(({ Key = '', Value = '' }) => [Key, Value])
  return {
    callbackWaitsForEmptyEventLoop: true,
    memory_limit_in_mb: own.MemorySize,
    time_limit_in_ms: own.Timeout * 1_000,
    request_id: requestId,
    environment: JSON.stringify({ ...Object.fromEntries(variables), SCF_NAMESPACE: 'default' }),
    environ: variables.map((pair) => pair.join('=')).join(';'),
    function_version: name,
    function_name: state.name,
    namespace: 'default',
    tencentcloud_region: settings.region,
    tencentcloud_appid: '1250000001',
    tencentcloud_uin: '100000000001',
  }
}

function discard(pool: Pool, instance: Instance): void {
  pool.instances.delete(instance)
  void kill(instance)
}

/** Resolves when an invocation has ended. */
function changed({ waiting }: Pool): Promise<void> {
  return new Promise((resolve) => void waiting.push(resolve))
}

function wake({ waiting }: Pool): void {
  for (const resolve of waiting.splice(0)) resolve()
}
