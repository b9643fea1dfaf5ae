// A deployment from beginning to end: look, tell what will change, change it in an order that never leaves the service worse
// off than before. Running it again finishes what was interrupted.
import pMap from 'p-map'
import { AppError, codeOf } from '../errors.ts'
import type { Cloud } from '../tencent.ts'
import { type ActualFunction, listFunctions, readFunction } from './actual.ts'
import { apply, deleteFunction } from './apply.ts'
import type { DesiredFunction } from './desired.ts'
import { digest, type Release, timeOf } from './mark.ts'
import { type Change, type Plan, planFunction, releaseOf } from './plan.ts'

/** Everything that has to change. */
export interface DeploymentPlan {
  functions: Plan[]
  /** Functions of this service and stage that are declared no more. */
  removed: string[]
  release: Release
}

export interface Deployment {
  desired: DesiredFunction[]
  owner: string
  /** What the names of the service's functions begin with. */
  prefix: string
  /** The keys of those that are invoked, and must succeed, before anything else changes. */
  invokedFirst: string[]
  /** The key of the only function to look at; undefined: all, and what is declared no more. */
  only?: string | undefined
}

/** Hears of each change as it is made. */
export type Tell = (line: string) => void

/** Looks at the cloud and plans. Changes nothing. Throws `config_invalid` for what cannot be. */
export async function planDeployment(cloud: Cloud, deployment: Deployment, now: Date): Promise<DeploymentPlan> {
  const chosen = deployment.desired.filter(({ key }) => deployment.only === undefined || key === deployment.only)
  const [actual, listed] = await Promise.all([
    pMap(chosen, ({ name }) => readFunction(cloud, name), { concurrency: 2 }),
    deployment.only === undefined ? listFunctions(cloud, deployment.prefix) : [],
  ])
  const names = new Set(deployment.desired.map(({ name }) => name))
  const id = digest(deployment.desired.map(({ fingerprint }) => fingerprint))
  return {
    functions: chosen.map((desired, i) =>
      planFunction(desired, actual[i], deployment.invokedFirst.includes(desired.key)),
    ),
    removed: listed.filter(({ name, owner }) => owner === deployment.owner && !names.has(name)).map(({ name }) => name),
    release: releaseOf(actual, id, timeOf(now)),
  }
}

export function isEmpty({ functions, removed }: DeploymentPlan): boolean {
  return removed.length === 0 && functions.every(({ changes }) => changes.length === 0)
}

const isTrigger = ({ type }: Change) => type === 'addTrigger' || type === 'changeTrigger' || type === 'removeTrigger'

/**
 * Makes the changes: first what is invoked at a deployment (the old code runs beside the new schema), then the others, each
 * going live whole, then the triggers. Whatever fails, what was live before stays live with its triggers.
 */
export async function applyDeployment(
  cloud: Cloud,
  deployment: Deployment,
  plan: DeploymentPlan,
  tell: Tell,
): Promise<void> {
  const isFirst = ({ key }: Plan) => deployment.invokedFirst.includes(key)
  const inOrder = [...plan.functions.filter(isFirst), ...plan.functions.filter((one) => !isFirst(one))]
  const desiredOf = (key: string) => deployment.desired.find((one) => one.key === key) as DesiredFunction
  const steps = [false, true].flatMap((isForTriggers) => inOrder.map((one) => ({ one, isForTriggers })))
  for (const { one, isForTriggers } of steps) {
    const changes = one.changes.filter((change) => isTrigger(change) === isForTriggers)
    const replan = (actual: ActualFunction | undefined) =>
      planFunction(desiredOf(one.key), actual, isFirst(one)).changes.filter(
        (change) => isTrigger(change) === isForTriggers,
      )
    await bring(cloud, desiredOf(one.key), changes, replan, plan.release, tell)
  }
  for (const name of plan.removed) {
    await deleteFunction(cloud, name)
    tell(`${name}: removed`)
  }
}

/** How often a function is looked at anew after a call of which nobody knows whether it took effect. */
const LOOKS = 5

async function bring(
  cloud: Cloud,
  desired: DesiredFunction,
  planned: Change[],
  replan: (actual: ActualFunction | undefined) => Change[],
  release: Release,
  tell: Tell,
): Promise<void> {
  let changes = planned
  for (let look = 1; ; look += 1) {
    try {
      for (const change of changes) {
        const more = await apply(cloud, desired, change, release)
        tell(`${desired.name}: ${DONE[change.type]}${more === undefined ? '' : `: ${more}`}`)
      }
      return
    } catch (error) {
      if (look === LOOKS || !isUnclear(error)) throw error
      changes = replan(await readFunction(cloud, desired.name))
    }
  }
}

const DONE: Record<Change['type'], string> = {
  create: 'created',
  delete: 'removed, since its creation had failed',
  code: 'code sent',
  configuration: 'configuration changed',
  invoke: 'invoked',
  publish: 'published',
  reserve: 'concurrency reserved',
  asynchronous: 'retries and age of asynchronous invocations set',
  addTrigger: 'trigger added',
  changeTrigger: 'trigger changed',
  removeTrigger: 'trigger removed',
}

/** It may have taken effect, and so may have the same call of somebody else. */
function isUnclear(error: unknown): boolean {
  if (!(error instanceof AppError)) return false
  return (
    error.code === 'cloud_unreachable' ||
    (error.code === 'cloud_refused' && codeOf(error.cause).startsWith('ResourceInUse'))
  )
}
